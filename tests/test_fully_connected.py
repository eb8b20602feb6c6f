"""Behaviour of exp.fully_connected against PyTorch, plain Python and finite differences."""
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from exp.fully_connected import Lin, Model, Module, Mse, Relu, lin, mse, relu

SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 2**31)
LAW = settings(deadline=None, max_examples=30)


def randn(seed, *shapes, dtype=torch.float64):
    "Random tensors of the given shapes."
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def weights(seed, n_in, n_hidden):
    return randn(seed, (n_in, n_hidden), (n_hidden,), (n_hidden, 1), (1,))


def slopes(f, t, h=1e-6):
    "Central differences of the number f() for each element of `t`."
    result = torch.zeros_like(t)
    for i in range(t.numel()):
        old = t.view(-1)[i].item()
        ends = []
        for step in (h, -h):
            t.view(-1)[i] = old + step
            ends.append(f().item())
        t.view(-1)[i] = old
        result.view(-1)[i] = (ends[0] - ends[1]) / (2 * h)
    return result


# lin

@LAW
@given(SIZES, SIZES, SIZES, SEEDS)
def test_lin_is_pytorchs_linear(n, n_in, n_out, seed):
    x, w, b = randn(seed, (n, n_in), (n_in, n_out), (n_out,))
    torch.testing.assert_close(lin(x, w, b), F.linear(x, w.t(), b))


@LAW
@given(SIZES, SIZES, SIZES, SIZES, SEEDS)
def test_two_linear_layers_are_one(n, n_in, n_hidden, n_out, seed):
    shapes = (n, n_in), (n_in, n_hidden), (n_hidden,), (n_hidden, n_out), (n_out,)
    x, w1, b1, w2, b2 = randn(seed, *shapes)
    torch.testing.assert_close(lin(lin(x, w1, b1), w2, b2), lin(x, w1 @ w2, b1 @ w2 + b2))


@LAW
@given(st.lists(SIZES, max_size=3), st.lists(SIZES, max_size=3), st.lists(SIZES, max_size=2))
def test_lin_takes_fitting_shapes_and_no_others(x, w, b):
    fits = len(x) == len(w) == 2 and x[1] == w[0] and b == w[1:]
    if fits: assert lin(torch.ones(x), torch.ones(w), torch.ones(b)).shape == (x[0], w[1])
    else:
        with pytest.raises(ValueError, match="must be") as error:
            lin(torch.ones(x), torch.ones(w), torch.ones(b))
        for shape in (x, w, b): assert str(shape) in str(error.value)


def test_lin_refuses_biases_that_would_be_broadcast():
    square = torch.ones(3, 3)
    for b in (torch.ones(3, 1), torch.ones(1), torch.tensor(1.), torch.ones(1, 3)):
        with pytest.raises(ValueError): lin(square, square, b)


def test_lin_of_an_empty_batch_is_empty():
    assert lin(torch.ones(0, 3), torch.ones(3, 2), torch.ones(2)).shape == (0, 2)


# relu

@LAW
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_relu_is_max_with_zero(values):
    assert relu(torch.tensor(values)).tolist() == [max(v, 0.) for v in values]


@LAW
@given(SIZES, SIZES, SEEDS)
def test_relu_splits_and_does_not_change_its_input(n, m, seed):
    [x] = randn(seed, (n, m))
    before = x.clone()
    torch.testing.assert_close(relu(x) - relu(-x), x)
    torch.testing.assert_close(relu(relu(x)), relu(x))
    assert torch.equal(x, before)


def test_relu_passes_nan_on_keeps_the_type_and_has_pytorchs_slope_at_zero():
    odd = relu(torch.tensor([float("nan"), float("inf"), -float("inf")]))
    assert odd[0].isnan() and odd[1:].tolist() == [float("inf"), 0]
    for dtype in (torch.float16, torch.float32, torch.float64, torch.int64):
        result = relu(torch.tensor([-2, 3]).to(dtype))
        assert result.dtype == dtype and result.tolist() == [0, 3]
    x = torch.tensor([-1., 0., 2.], requires_grad=True)
    assert torch.autograd.grad(relu(x).sum(), x)[0].tolist() == [0, 0, 1]


# mse

@LAW
@given(SIZES, SEEDS, st.booleans())
def test_mse_is_the_mean_of_squares_element_by_element(n, seed, column):
    output, target = randn(seed, (n, 1) if column else (n,), (n,))
    slow = sum((o - t) ** 2 for o, t in zip(output.flatten().tolist(), target.tolist())) / n
    assert mse(output, target).item() == pytest.approx(slow)
    torch.testing.assert_close(mse(output, target), F.mse_loss(output.reshape(n), target))
    assert mse(target[:, None], target) == 0


@LAW
@given(st.lists(SIZES, max_size=3), st.lists(SIZES, max_size=3))
def test_mse_takes_equal_shapes_or_one_last_dimension_and_no_others(output, target):
    if output == target or output == [*target, 1]:
        assert mse(torch.ones(output), torch.zeros(target)) == 1
    else:
        with pytest.raises(ValueError, match="output") as error:
            mse(torch.ones(output), torch.ones(target))
        assert str(output) in str(error.value) and str(target) in str(error.value)


def test_mse_takes_class_numbers_as_targets():
    assert mse(torch.tensor([[1.], [4.]]), torch.tensor([2, 2])) == 2.5


# Module

class Power(Module):
    def forward(self, base, exponent): return base**exponent
    def bwd(self, out, base, exponent):
        base.g = out.g * exponent * base ** (exponent - 1)
        exponent.g = out.g * out * base.log()


def test_a_module_remembers_inputs_and_output_of_its_last_call():
    step = Power()
    first, base, exponent = torch.tensor([9.]), torch.tensor([2., 3.]), torch.tensor([3., 2.])
    step(first, first)
    out = step(base, exponent)
    assert out is step.out and step.args[0] is base and step.args[1] is exponent
    out.g = torch.tensor([1., 10.])
    step.backward()
    assert base.g.tolist() == [12., 60.] and not hasattr(first, "g")
    torch.testing.assert_close(exponent.g, out.g * out * base.log())


def test_backward_stores_anew_and_does_not_add_up():
    x, step = torch.tensor([1., 2.]), Relu()
    for _ in range(2):
        step(x).g = torch.tensor([3., 4.])
        step.backward()
    assert x.g.tolist() == [3., 4.]


def test_what_is_missing_is_named():
    step, x = Relu(), torch.tensor([[1., 2.]])
    with pytest.raises(ValueError, match="call Relu first, then backward"): step.backward()
    step(x)
    with pytest.raises(ValueError, match=r"of Relu, \[1, 2\], has no gradient"): step.backward()
    with pytest.raises(NotImplementedError, match="Module must define forward"): Module()(x)

    class Mean(Module):
        def forward(self, x): return x.mean()

    mean = Mean()
    mean(x)
    with pytest.raises(NotImplementedError, match="Mean must define bwd"): mean.backward()


def test_a_single_number_starts_with_one_and_keeps_what_has_arrived():
    step, x = Relu(), torch.tensor(3.)
    out = step(x)
    step.backward()
    assert out.g == 1 and x.g == 1
    out.g = torch.tensor(-4.)
    step.backward()
    assert x.g == -4


# Lin, Relu, Mse

@LAW
@given(SIZES, SIZES, SIZES, SEEDS)
def test_lin_gradients_are_autograds(n, n_in, n_out, seed):
    x, w, b, g = randn(seed, (n, n_in), (n_in, n_out), (n_out,), (n, n_out))
    step = Lin(w, b)
    out = step(x)
    out.g = g
    step.backward()
    leaves = [t.clone().requires_grad_() for t in (x, w, b)]
    reference = torch.autograd.grad(F.linear(leaves[0], leaves[1].t(), leaves[2]), leaves, g)
    for t, expected in zip((x, w, b), reference): torch.testing.assert_close(t.g, expected)


@LAW
@given(SIZES, SIZES, SEEDS)
def test_relu_gradient_is_autograds_also_at_zero(n, m, seed):
    x, g = randn(seed, (n, m), (n, m))
    x[0, 0] = 0
    step = Relu()
    out = step(x)
    out.g = g
    step.backward()
    leaf = x.clone().requires_grad_()
    torch.testing.assert_close(x.g, torch.autograd.grad(F.relu(leaf), leaf, g)[0])


@LAW
@given(SIZES, SEEDS, st.booleans())
def test_mse_gradient_is_autograds_in_the_outputs_shape(n, seed, column):
    output, target = randn(seed, (n, 1) if column else (n,), (n,))
    step = Mse()
    assert step(output, target) == mse(output, target)
    step.backward()
    leaf = output.clone().requires_grad_()
    reference = torch.autograd.grad(F.mse_loss(leaf.reshape(n), target), leaf)[0]
    torch.testing.assert_close(output.g, reference)
    step.out.g = torch.tensor(3.)
    step.backward()
    torch.testing.assert_close(output.g, 3 * reference)


def test_steps_refuse_what_their_functions_refuse():
    step = Lin(torch.ones(3, 2), torch.ones(3))
    with pytest.raises(ValueError, match="n_in"): step(torch.ones(4, 3))
    with pytest.raises(ValueError, match="output"): Mse()(torch.ones(1, 4), torch.ones(4))


# Model

@LAW
@given(SIZES, SIZES, SIZES, SEEDS)
def test_model_loss_and_gradients_are_pytorchs(n, n_in, n_hidden, seed):
    w1, b1, w2, b2 = weights(seed, n_in, n_hidden)
    x, target = randn(seed + 1, (n, n_in), (n,))
    model = Model(w1, b1, w2, b2)
    loss = model(x, target)
    assert model.backward() is None
    leaves = [t.clone().requires_grad_() for t in (x, w1, b1, w2, b2)]
    hidden = F.relu(F.linear(leaves[0], leaves[1].t(), leaves[2]))
    expected = F.mse_loss(F.linear(hidden, leaves[3].t(), leaves[4])[:, 0], target)
    torch.testing.assert_close(loss, expected.detach())
    reference = torch.autograd.grad(expected, leaves)
    for t, g in zip((x, w1, b1, w2, b2), reference): torch.testing.assert_close(t.g, g)


def test_model_gradients_are_finite_differences():
    w1, b1, w2, b2 = weights(0, 5, 4)
    x, target = randn(1, (3, 5), (3,))
    assert (x @ w1 + b1).abs().min() > 1e-4, "no number next to the bend"
    model = Model(w1, b1, w2, b2)
    model(x, target)
    model.backward()
    fresh = Model(w1, b1, w2, b2)
    for t in (x, w1, b1, w2, b2):
        torch.testing.assert_close(t.g, slopes(lambda: fresh(x, target), t), rtol=1e-6, atol=1e-8)


def test_model_forgets_earlier_batches():
    parameters = weights(2, 5, 4)
    model = Model(*parameters)
    for n in (7, 2):
        x, target = randn(n, (n, 5), (n,))
        model(x, target)
        model.backward()
    alone = [t.clone() for t in parameters]
    other = Model(*alone)
    other(x, target)
    other.backward()
    for a, b in zip(parameters, alone): assert torch.equal(a.g, b.g)


def test_following_the_gradient_lowers_the_loss():
    parameters = weights(3, 5, 8)
    x, target = randn(4, (20, 5), (20,))
    model = Model(*parameters)
    losses = []
    for _ in range(50):
        losses.append(model(x, target).item())
        model.backward()
        for t in parameters: t -= 0.01 * t.g
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2
