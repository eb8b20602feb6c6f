"Wrong versions of lesson 01's code, each of which the lesson's own checks must notice."
LOOPS = "one multiply-add at a time"
DOT = "one dot product per element"
ROW = "row by row by broadcasting"
EINSUM = "by Einstein summation"
OPERATOR = "by PyTorch's operator `@`"
START = '{}; a ValueError when shapes or types do not fit."\n'
CHECK = "    _check(a, b)\n"
TRUSTS = f'{LOOPS}; inputs are trusted."\n'


def unchecked(name, doc):
    "The function without its call of `_check`."
    return name, START.format(doc) + CHECK, START.format(doc)


def with_zeros(name, doc, zeros):
    "The function with another place for its results."
    start = TRUSTS if doc == LOOPS else START.format(doc) + CHECK
    start += "    out = "
    return name, start + "a.new_zeros(len(a), b.shape[1])\n", start + zeros + "\n"


MUTANTS = [
    # (exported name, text that stands once in the lesson's exported cells, wrong text)
    ("matmul_loops", "out[i, j] += a[i, k] * b[k, j]", "out[i, j] = a[i, k] * b[k, j]"),
    ("matmul_loops", "out[i, j] += a[i, k] * b[k, j]", "out[i, j] -= a[i, k] * b[k, j]"),
    ("matmul_loops", "out[i, j] += a[i, k] * b[k, j]", "out[i, j] += a[i, k] + b[k, j]"),
    ("matmul_loops", "a[i, k] * b[k, j]", "a[k, i] * b[k, j]"),
    ("matmul_loops", "a[i, k] * b[k, j]", "a[i, k] * b[j, k]"),
    ("matmul_loops", "for k in range(a.shape[1])", "for k in range(a.shape[1] - 1)"),
    ("matmul_loops", "for k in range(a.shape[1])", "for k in range(1, a.shape[1])"),
    ("matmul_loops", "for k in range(a.shape[1])", "for k in range(b.shape[1])"),
    ("matmul_loops", "for k in range(a.shape[1])", "for k in range(len(b))"),
    with_zeros("matmul_loops", LOOPS, "torch.zeros(len(a), b.shape[1])"),
    with_zeros("matmul_loops", LOOPS, "torch.empty_like(a)"),
    with_zeros("matmul_loops", LOOPS, "a.new_ones(len(a), b.shape[1])"),
    unchecked("matmul_loops", LOOPS),
    ("matmul_loops", "return _three_loops(a, b)", "return _three_loops(b.T, a.T)"),
    ("matmul_loops", "return _three_loops(a, b)", "_three_loops(a, b)"),
    ("matmul_loops", "if a.ndim != 2 or b.ndim != 2:", "if a.ndim != 2 and b.ndim != 2:"),
    ("matmul_loops", "if a.ndim != 2 or b.ndim != 2:", "if a.ndim != 2:"),
    ("matmul_loops", "if a.ndim != 2 or b.ndim != 2:", "if a.ndim > 2 or b.ndim > 2:"),
    ("matmul_loops", "if a.shape[1] != b.shape[0]:", "if a.shape[1] < b.shape[0]:"),
    ("matmul_loops", "if a.shape[1] != b.shape[0]:", "if a.shape[1] > b.shape[0]:"),
    ("matmul_loops", "if a.shape[1] != b.shape[0]:", "if a.shape[0] != b.shape[1]:"),
    ("matmul_loops", "if a.shape[1] != b.shape[0]:", "if a.shape[1] != b.shape[1]:"),
    ("matmul_loops", "if a.dtype != b.dtype:", "if False:"),
    ("matmul_loops", "{tuple(b.shape)}; the columns", "{tuple(a.shape)}; the columns"),
    ("matmul_loops", "{a.shape[1]}, and the rows of b, {b.shape[0]}",
     "{a.shape[0]}, and the rows of b, {b.shape[1]}"),
    ("matmul_loops", "+ _advice(a, b))", "+ '')"),
    ("matmul_loops", '"a.T": a.shape[0] == b.shape[0]', '"a.T": a.shape[0] == b.shape[1]'),
    ("matmul_loops", '"b.T": a.shape[1] == b.shape[1]', '"b.T": a.shape[0] == b.shape[1]'),
    ("matmul_loops", "for name, fit in fits.items() if fit)", "for name, fit in fits.items())"),
    ("matmul_loops", 'return names and f"; {names} would fit"', 'return f"; {names} would fit"'),
    ("matmul_loops", "{tuple(b.shape)}; both need two", "{b.ndim}; both need two"),
    ("matmul_dot", "(a[i] * b[:, j]).sum()", "(a[i] * b[:, j]).mean()"),
    ("matmul_dot", "(a[i] * b[:, j]).sum()", "(a[i] + b[:, j]).sum()"),
    ("matmul_dot", "(a[i] * b[:, j]).sum()", "(a[i] * b[j]).sum()"),
    ("matmul_dot", "(a[i] * b[:, j]).sum()", "(a[:, i] * b[:, j]).sum()"),
    ("matmul_dot", "(a[i] * b[:, j]).sum()", "(a[i] * b[:, j])[:-1].sum()"),
    ("matmul_dot", "(a[i] * b[:, j]).sum()", "a[i].sum() * b[:, j].sum()"),
    ("matmul_dot", "for j in range(b.shape[1]): out[i, j] = ",
     "for j in range(len(b)): out[i, j] = "),
    ("matmul_dot", "for j in range(b.shape[1]): out[i, j] = ",
     "for j in range(1, b.shape[1]): out[i, j] = "),
    ("matmul_dot", "out[i, j] = (a[i]", "out[i, j] = -(a[i]"),
    ("matmul_dot", "out[i, j] = (a[i]", "out[j, i] = (a[i]"),
    with_zeros("matmul_dot", DOT, "torch.zeros(len(a), b.shape[1])"),
    unchecked("matmul_dot", DOT),
    ("matmul_broadcast", "(a[i][:, None] * b)", "(a[i] * b)"),
    ("matmul_broadcast", "(a[i][:, None] * b)", "(a[i][None] * b)"),
    ("matmul_broadcast", "(a[i][:, None] * b)", "(a[:, i][:, None] * b)"),
    ("matmul_broadcast", "(a[i][:, None] * b)", "(a[i][:, None] + b)"),
    ("matmul_broadcast", "* b).sum(dim=0)", "* b).sum(dim=1)"),
    ("matmul_broadcast", "* b).sum(dim=0)", "* b).sum()"),
    ("matmul_broadcast", "* b).sum(dim=0)", "* b).amax(dim=0)"),
    ("matmul_broadcast", "for i in range(len(a)): out[i] = ",
     "for i in range(len(a) - 1): out[i] = "),
    ("matmul_broadcast", "for i in range(len(a)): out[i] = ", "for i in range(len(a)): out[-i] = "),
    with_zeros("matmul_broadcast", ROW, "torch.zeros(len(a), b.shape[1])"),
    unchecked("matmul_broadcast", ROW),
    ("matmul_einsum", '"ik,kj->ij"', '"ik,kj->ji"'),
    ("matmul_einsum", '"ik,kj->ij"', '"ik,jk->ij"'),
    ("matmul_einsum", '"ik,kj->ij"', '"ki,kj->ij"'),
    ("matmul_einsum", '"ik,kj->ij"', '"ik,lj->ij"'),
    ("matmul_einsum", '"ik,kj->ij"', '"ik,kj->i"'),
    ("matmul_einsum", '"ik,kj->ij"', '"ik,kj->ikj"'),
    ("matmul_einsum", '"ik,kj->ij", a, b', '"ik,kj->ij", b, a'),
    unchecked("matmul_einsum", EINSUM),
    ("matmul", "return a @ b", "return b @ a"),
    ("matmul", "return a @ b", "return a * b"),
    ("matmul", "return a @ b", "return a @ b.T"),
    ("matmul", "return a @ b", "return (a @ b).T"),
    ("matmul", "return a @ b", "return -(a @ b)"),
    ("matmul", "return a @ b", "return (a @ b).float()"),
    unchecked("matmul", OPERATOR),
]
