"Lesson 01: each of the five products agrees with exact arithmetic and with the laws of algebra."
import re
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exp import matmul as module
from exp.matmul import matmul, matmul_broadcast, matmul_dot, matmul_einsum, matmul_loops

RUNGS = [matmul_loops, matmul_dot, matmul_broadcast, matmul_einsum, matmul]
every_rung = pytest.mark.parametrize("multiply", RUNGS, ids=lambda f: f.__name__)
sizes = st.integers(0, 5)
seeds = st.integers(0, 2**31)


def randoms(seed, *shapes, dtype=torch.float64):
    "Random tensors of these shapes, with values around 0."
    random = torch.Generator().manual_seed(seed)
    return [(torch.randint(-60, 61, shape, generator=random) / 7).to(dtype) for shape in shapes]


def exact(a, b):
    "The product by Python's fractions: no rounding at all until the end."
    a, b = ([[Fraction(x) for x in row] for row in x.tolist()] for x in (a, b))
    return [[float(sum((row[k] * b[k][j] for k in range(len(b))), Fraction(0)))
             for j in range(len(b[0]))] for row in a]


def test_exports_are_those_of_the_issue():
    assert module.__all__ == [f.__name__ for f in RUNGS]
    assert all(f.__doc__ and "\n" not in f.__doc__ for f in RUNGS)


@every_rung
@given(n=st.integers(1, 5), k=st.integers(1, 5), m=st.integers(1, 5), seed=seeds)
@settings(deadline=None, max_examples=30)
def test_against_fractions(multiply, n, k, m, seed):
    a, b = randoms(seed, (n, k), (k, m))
    expected = torch.tensor(exact(a, b), dtype=torch.float64)
    torch.testing.assert_close(multiply(a, b), expected, atol=1e-11, rtol=1e-11)


@every_rung
@given(n=sizes, k=sizes, m=sizes, seed=seeds)
@settings(deadline=None, max_examples=30)
def test_whole_numbers_are_exact_in_every_size(multiply, n, k, m, seed):
    a, b = randoms(seed, (n, k), (k, m), dtype=torch.int64)
    result = multiply(a, b)
    expected = torch.zeros(n, m, dtype=torch.int64)
    for at in range(k): expected += torch.outer(a[:, at], b[at])
    assert result.dtype == torch.int64 and result.shape == (n, m)
    assert torch.equal(result, expected)


@every_rung
@given(n=sizes, k=sizes, m=sizes, seed=seeds)
@settings(deadline=None, max_examples=30)
def test_laws(multiply, n, k, m, seed):
    a, other, b, c = randoms(seed, (n, k), (n, k), (k, m), (m, 3), dtype=torch.int64)
    assert torch.equal(multiply(a + other, b), multiply(a, b) + multiply(other, b))
    assert torch.equal(multiply(multiply(a, b), c), multiply(a, multiply(b, c)))
    assert torch.equal(multiply(a, b).T, multiply(b.T, a.T))
    assert torch.equal(multiply(a, torch.eye(k, dtype=torch.int64)), a)


@every_rung
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32, torch.int16])
def test_the_type_stays(multiply, dtype):
    a, b = randoms(3, (4, 6), (6, 5), dtype=dtype)
    result = multiply(a, b)
    assert result.dtype == dtype
    torch.testing.assert_close(result, (a.double() @ b.double()).to(dtype), atol=1e-3, rtol=1e-5)


@every_rung
def test_one_by_one(multiply):
    assert multiply(torch.tensor([[3.5]]), torch.tensor([[-2.]])).tolist() == [[-7.]]


@every_rung
def test_no_inner_dimension_gives_zeros(multiply):
    assert torch.equal(multiply(torch.ones(3, 0), torch.ones(0, 2)), torch.zeros(3, 2))


@every_rung
def test_no_rows_or_no_columns(multiply):
    assert multiply(torch.ones(0, 3), torch.ones(3, 2)).shape == (0, 2)
    assert multiply(torch.ones(2, 3), torch.ones(3, 0)).shape == (2, 0)


@every_rung
def test_views_of_any_strides(multiply):
    memory, = randoms(5, (12, 12))
    cases = [(memory.T, memory), (memory[:, :5].T, memory), (memory[::3, 1::2], memory[:6, ::4]),
             (memory[2:3].expand(4, 12), memory), (memory[:4], memory[:, :1].expand(12, 3))]
    before = memory.clone()
    for a, b in cases:
        torch.testing.assert_close(multiply(a, b), a.contiguous() @ b.contiguous())
    assert torch.equal(memory, before), "inputs stay as they are"


@every_rung
def test_the_result_is_new_memory(multiply):
    a, b = randoms(6, (2, 3), (3, 2))
    result = multiply(a, b)
    result += 1
    torch.testing.assert_close(multiply(a, b), result - 1)


@every_rung
def test_gradients_flow_through_every_rung(multiply):
    a, b, g = randoms(7, (2, 3), (3, 4), (2, 4))
    a, b = a.requires_grad_(), b.requires_grad_()
    multiply(a, b).backward(g)
    torch.testing.assert_close(a.grad, g @ b.detach().T)
    torch.testing.assert_close(b.grad, a.detach().T @ g)


@every_rung
def test_nan_and_infinity_are_not_lost(multiply):
    a = torch.tensor([[1., 0.], [2., 3.]])
    b = torch.tensor([[float("inf"), 1.], [1., float("nan")]])
    expected = torch.tensor([[float("inf"), float("nan")], [float("inf"), float("nan")]])
    torch.testing.assert_close(multiply(a, b), expected, equal_nan=True)


@every_rung
@given(s=st.lists(st.integers(0, 3), max_size=3), t=st.lists(st.integers(0, 3), max_size=3))
@settings(deadline=None, max_examples=60)
def test_only_fitting_matrices_are_accepted(multiply, s, t):
    a, b = torch.ones(s), torch.ones(t)
    if len(s) == len(t) == 2 and s[1] == t[0]:
        assert torch.equal(multiply(a, b), torch.full((s[0], t[1]), float(s[1])))
        return
    both = re.escape(f"a has shape {tuple(s)} and b {tuple(t)}")
    with pytest.raises(ValueError, match=both): multiply(a, b)


@every_rung
def test_messages_say_what_to_do(multiply):
    with pytest.raises(ValueError, match=r"\(2, 3\) and b \(4, 2\).*of a, 3,.*of b, 4,"):
        multiply(torch.ones(2, 3), torch.ones(4, 2))
    with pytest.raises(ValueError, match=r"\(3,\) and b \(3, 2\).*two dimensions.*x\[None\]"):
        multiply(torch.ones(3), torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"int64 and b is torch.float32.*one type.*\.to\("):
        multiply(torch.ones(2, 3).long(), torch.ones(3, 2))


@every_rung
@given(s=st.tuples(sizes, sizes), t=st.tuples(sizes, sizes))
@settings(deadline=None, max_examples=60)
def test_a_transposition_is_advised_where_it_helps(multiply, s, t):
    a, b = torch.ones(s), torch.ones(t)
    try: multiply(a, b)
    except ValueError as error: message = str(error)
    else: return
    for name, left, right in [("a.T", a.T, b), ("b.T", a, b.T)]:
        try: fits = multiply(left, right).ndim == 2
        except ValueError: fits = False
        assert (name in message) == fits, message
