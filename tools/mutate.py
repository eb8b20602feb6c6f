"""Wrong versions of what a cell defines, each with one small change: a sign, a comparison, swapped
arguments, a dropped statement, another number, a condition that always holds, and so on.

Left alone: docstrings and other strings, the insides of f-strings (Python before 3.12 does not
know where they stand), imports, annotations, and what is said when an error is raised.
"""
import ast
import itertools
import types
import warnings
from typing import NamedTuple

ARITHMETIC = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
              ast.FloorDiv: ("//", "/"), ast.Mod: ("%", "//"), ast.Pow: ("**", "*"),
              ast.MatMult: ("@", "*"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|")}
COMPARISONS = {ast.Lt: ("<", "<=", ">"), ast.LtE: ("<=", "<", ">="), ast.Gt: (">", ">=", "<"),
               ast.GtE: (">=", ">", "<="), ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="),
               ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
               ast.In: ("in", "not in"), ast.NotIn: ("not in", "in")}
ONE_SIDED = ast.Sub, ast.Div, ast.MatMult       # the order of the operands matters
SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Raise, ast.Delete, ast.Assert,
          ast.Break, ast.Continue)
ORDERLESS = {"min", "max", "isinstance", "issubclass", "startswith", "endswith"}
WITH_SIGN = ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Attribute, ast.Subscript
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef
CLOSED = ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom   # nothing inside is changed


class Mutant(NamedTuple):
    name: str    # of what is changed, such as "Optimizer.step"
    line: int    # of the change, counted from 1 in the cell
    right: str   # the lines that it touches, as one
    wrong: str   # the same after the change
    source: str  # the whole cell after the change


class Text:
    "A cell's source, found by its nodes, whose positions Python counts in bytes."
    def __init__(self, source):
        self.bytes = source.encode()
        self.starts = [0, *itertools.accumulate(map(len, self.bytes.splitlines(keepends=True)))]

    def span(self, node):
        "Where `node` begins and ends."
        return (self.starts[node.lineno - 1] + node.col_offset,
                self.starts[node.end_lineno - 1] + node.end_col_offset)

    def wide(self, node):
        "The span of one operand or argument of several, with the parentheses around it."
        start, end = self.span(node)
        while True:
            before, after = self.bytes[:start].rstrip(), self.bytes[end:].lstrip()
            if not (before.endswith(b"(") and after.startswith(b")")): return start, end
            start, end = len(before) - 1, len(self.bytes) - len(after) + 1

    def cut(self, start, end): return self.bytes[start:end].decode()

    def between(self, left, right, old, new):
        "The change of the sign `old`, between two nodes, to `new`."
        start = self.bytes.index(old.encode(), self.span(left)[1], self.span(right)[0])
        return start, start + len(old), new

    def swapped(self, left, right):
        "The change that exchanges two neighbours."
        (a, b), (c, d) = self.wide(left), self.wide(right)
        return a, d, self.cut(c, d) + self.cut(b, c) + self.cut(a, b)

    def without(self, spans, i):
        "The change that drops one of several, with the comma or the word before or after it."
        if i: return spans[i - 1][1], spans[i][1], ""
        return spans[0][0], spans[1][0] if len(spans) > 1 else spans[0][1], ""


def binary(text, node):
    "Another operator; operands swapped."
    if type(node.op) in ARITHMETIC:
        yield text.between(node.left, node.right, *ARITHMETIC[type(node.op)])
    if isinstance(node.op, ONE_SIDED): yield text.swapped(node.left, node.right)


def augmented(text, node):
    "Another operator; plain assignment."
    for new in (ARITHMETIC[type(node.op)][1] + "=", "="):
        yield text.between(node.target, node.value, ARITHMETIC[type(node.op)][0] + "=", new)


def comparison(text, node):
    "Another comparison."
    for op, left, right in zip(node.ops, [node.left, *node.comparators], node.comparators):
        old, *others = COMPARISONS[type(op)]
        for new in others: yield text.between(left, right, old, new)


def logic(text, node):
    "`and` for `or`; one of the operands left out."
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    spans = [text.wide(value) for value in node.values]
    gaps = [text.cut(a[1], b[0]).replace(old, new) for a, b in zip(spans, spans[1:])] + [""]
    yield (spans[0][0], spans[-1][1],
           "".join(text.cut(*span) + gap for span, gap in zip(spans, gaps)))
    for i in range(len(spans)): yield text.without(spans, i)


def unary(text, node):
    "Without `not` or minus; a negative number changed."
    start, end = text.span(node)
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield start, end, text.cut(start, end).removeprefix("not").removeprefix("-").lstrip()
    if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        yield from number(text, node, -node.operand.value)


def number(text, node, value):
    "A number one larger and one smaller; a fraction twice as large."
    others = [value + 1, value - 1] if isinstance(value, int) else [2 * value or 1.]
    if value == -1: others = [0, 1]
    for other in others: yield *text.span(node), str(other)


def constant(text, node):
    "The other truth value; another number."
    negative = isinstance(node.parent, ast.UnaryOp) and isinstance(node.parent.op, ast.USub)
    if isinstance(node.value, bool): yield *text.span(node), str(not node.value)
    elif isinstance(node.value, (int, float)) and not negative:
        yield from number(text, node, node.value)


def orderless(node):
    "Whether the order of the arguments, or of the elements of a tuple, does not matter."
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", getattr(node.func, "attr", "")) in ORDERLESS
    membership = isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn))
    return membership or isinstance(node, ast.ExceptHandler)


def call(text, node):
    "Neighbouring arguments swapped; a named one, or the call of a method, left out."
    pairs = [] if orderless(node) else zip(node.args, node.args[1:])
    for pair in pairs: yield text.swapped(*pair)
    spans = sorted(map(text.span, [*node.args, *node.keywords]))
    for keyword in node.keywords: yield text.without(spans, spans.index(text.span(keyword)))
    if isinstance(node.parent, (ast.Expr, ast.withitem)) or spans: return
    if isinstance(node.func, ast.Attribute):
        yield text.span(node.func.value)[1], text.span(node)[1], ""


def elements(text, node):
    "One element left out of a tuple, list or set; neighbours in a tuple swapped."
    if isinstance(getattr(node, "ctx", None), ast.Store): return
    spans = [text.wide(e) if len(node.elts) > 1 else text.span(e) for e in node.elts]
    if not isinstance(node, ast.Tuple):
        for i in range(len(spans)): yield text.without(spans, i)
        return
    pairs = [] if orderless(node.parent) else zip(node.elts, node.elts[1:])
    for pair in pairs: yield text.swapped(*pair)
    if isinstance(node.parent, (ast.Assign, ast.Subscript, ast.Return)) or len(spans) < 2: return
    for i in range(len(spans)):
        rest = [text.cut(*span) for span in spans[:i] + spans[i + 1:]]
        yield *text.span(node), f"({', '.join(rest)},)"


def entries(text, node):
    "One entry left out of a dictionary."
    starts = [text.span(key)[0] if key else text.bytes.rindex(b"**", 0, text.span(value)[0])
              for key, value in zip(node.keys, node.values)]
    spans = [(start, text.span(value)[1]) for start, value in zip(starts, node.values)]
    for i in range(len(spans)): yield text.without(spans, i)


def condition(text, node):
    "A condition that always holds; one that never does."
    for value in (["False"] if isinstance(node, ast.While) else ["True", "False"]):
        yield *text.span(node.test), value


def loop(text, node):
    "All but the last; all but the first; in a comprehension, also its conditions."
    start, end = text.span(node.iter)
    for part in ("[:-1]", "[1:]"): yield start, end, f"list({text.cut(start, end)}){part}"
    for test in getattr(node, "ifs", []):
        for value in ("True", "False"): yield *text.span(test), value


def result(text, node):
    "None instead of a result; its sign flipped."
    start, end = text.span(node)
    if node.value is None: yield start, end, "pass"
    else: yield start, end, "return None"
    if isinstance(node.value, WITH_SIGN):
        yield start, end, f"return -({text.cut(start + len('return'), end).strip()})"


def context(text, node):
    "The body of a `with` on its own."
    if any(item.optional_vars for item in node.items): return
    colon = text.bytes.index(b":", text.span(node.items[-1].context_expr)[1])
    yield text.span(node)[0], colon, "if True"


def final(text, node):
    "What stands under `finally`, but only when there was no error."
    if not node.finalbody: return
    last = [*node.body, *node.handlers, *node.orelse][-1]
    start = text.bytes.index(b"finally", text.span(last)[1], text.span(node.finalbody[0])[0])
    indent = "\n" + " " * node.col_offset
    yield (start, start + len("finally"),
           "else" if node.handlers else f"except (): pass{indent}else")


def handler(text, node):
    "An error that is not caught."
    if node.type: yield *text.span(node.type), "()"


def defaults(text, node):
    "A parameter without its default value."
    positional = [*node.posonlyargs, *node.args][-len(node.defaults):] if node.defaults else []
    pairs = [*zip(positional, node.defaults), *zip(node.kwonlyargs, node.kw_defaults)]
    for parameter, value in pairs:
        if value: yield text.span(parameter)[1], text.span(value)[1], ""


def decorators(text, node):
    "Without a decorator that takes arguments, such as `@torch.no_grad()`."
    for each in node.decorator_list:
        start, end = text.span(each)
        if isinstance(each, ast.Call): yield text.bytes.rindex(b"@", 0, start), end, ""


CHANGES = {ast.BinOp: binary, ast.AugAssign: augmented, ast.Compare: comparison, ast.BoolOp: logic,
           ast.UnaryOp: unary, ast.Constant: constant, ast.Call: call, ast.Tuple: elements,
           ast.List: elements, ast.Set: elements, ast.Dict: entries, ast.If: condition,
           ast.IfExp: condition, ast.While: condition, ast.For: loop, ast.comprehension: loop,
           ast.Return: result, ast.With: context, ast.Try: final, ast.ExceptHandler: handler,
           ast.arguments: defaults, ast.FunctionDef: decorators}


def changes(text, node, within_function):
    "Every change (start, end, new text) of one node."
    yield from CHANGES.get(type(node), lambda *_: ())(text, node)
    said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if within_function and isinstance(node, SIMPLE) and not said: yield *text.span(node), "pass"


def walk(node, name="", within_function=False):
    "Each node that may be changed, with the name of what it helps to define."
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)): name = f"{name}.{node.name}".lstrip(".")
    if isinstance(node, ast.Assign) and not name: name = ast.unparse(node.targets[0])
    yield name, node, within_function
    within_function |= isinstance(node, FUNCTIONS)
    if isinstance(node, CLOSED): return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"): continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST): continue
            child.parent = node
            yield from walk(child, name, within_function)


def behaviour(code):
    "What a code object does, without where it stands."
    inside = [behaviour(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return (code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
            code.co_flags, getattr(code, "co_exceptiontable", b""), tuple(inside))


def compiled(source):
    "What the source does; None where it is no Python."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try: return behaviour(compile(source, "cell", "exec"))
        except SyntaxError: return None


def mutants(source):
    "Every wrong version of the cell `source` that is Python and does not do just the same."
    text, seen = Text(source), {None, compiled(source)}
    for name, node, within_function in walk(ast.parse(source)):
        for start, end, new in changes(text, node, within_function):
            wrong = text.cut(0, start) + new + text.cut(end, None)
            first = text.bytes.rfind(b"\n", 0, start) + 1
            last = text.bytes.find(b"\n", end)
            last = len(text.bytes) if last < 0 else last
            if (does := compiled(wrong)) in seen: continue
            seen.add(does)
            right = text.cut(first, last)
            changed = text.cut(first, start) + new + text.cut(end, last)
            yield Mutant(name, text.bytes.count(b"\n", 0, start) + 1, " ".join(right.split()),
                         " ".join(changed.split()), wrong)
