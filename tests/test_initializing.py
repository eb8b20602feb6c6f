"What exp.initializing promises, against PyTorch, closed forms and plain loops."
import math
import pickle
import random
import statistics
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from exp.initializing import ShiftedRelu, init_kaiming, init_layers, init_xavier, layer_stats

law = settings(deadline=None, max_examples=30)
sizes = st.integers(1, 12)
windows = st.lists(st.integers(1, 4), max_size=3)
shapes = st.builds(lambda n_out, n_in, window: (n_out, n_in, *window), sizes, sizes, windows)


def same_draws(ours, theirs, shape, seed):
    "The weights that two initializers draw from one seed."
    torch.manual_seed(seed)
    a = ours(torch.empty(shape))
    torch.manual_seed(seed)
    return a, theirs(torch.empty(shape))


@law
@given(shapes, st.integers(0, 1000))
def test_xavier_draws_what_pytorch_draws(shape, seed):
    torch.testing.assert_close(*same_draws(init_xavier, nn.init.xavier_uniform_, shape, seed))


@law
@given(shapes, st.floats(-3, 3), st.integers(0, 1000))
def test_kaiming_draws_what_pytorch_draws(shape, a, seed):
    theirs = partial(nn.init.kaiming_normal_, a=a)
    torch.testing.assert_close(*same_draws(partial(init_kaiming, a=a), theirs, shape, seed))


def test_kaiming_is_for_plain_relu_by_default():
    theirs = partial(nn.init.kaiming_normal_, nonlinearity="relu")
    torch.testing.assert_close(*same_draws(init_kaiming, theirs, (30, 40), 0))


@pytest.mark.parametrize("init", [init_xavier, init_kaiming])
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (3, 0), (2, 3, 0)])
def test_what_has_no_fan_is_refused(init, shape):
    w = torch.ones(shape)
    with pytest.raises(ValueError, match="n_out, n_in") as error: init(w)
    assert str(shape) in str(error.value) and bool((w == 1).all())


@pytest.mark.parametrize("init", [init_xavier, init_kaiming])
def test_parameters_are_filled_in_place_without_a_graph(init):
    w = nn.Parameter(torch.full((20, 30), 9.))
    assert init(w) is w
    assert w.requires_grad and w.grad_fn is None and w.is_leaf and not (w == 9).any()


@pytest.mark.parametrize("init, activation", [
    (init_kaiming, torch.relu),
    (partial(init_kaiming, a=0.3), lambda z: nn.functional.leaky_relu(z, 0.3)),
    (init_xavier, lambda z: z)])
def test_fifty_layers_keep_their_size_forward_and_backward(init, activation):
    torch.manual_seed(0)
    x = torch.randn(100, 300, requires_grad=True)
    z = x
    for _ in range(50): z = activation(z @ init(torch.empty(300, 300)).T)
    z.backward(torch.randn_like(z))
    for grown in (z.square().mean() / x.square().mean(), x.grad.square().mean()):
        assert 0.1 < grown.item() < 4


def test_init_layers_reaches_every_layer_and_nothing_else():
    nested = nn.ModuleList([nn.Conv2d(2, 2, 3, bias=False), nn.Conv3d(1, 1, 2)])
    model = nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nested, nn.Linear(3, 4))
    seen, norm = [], {name: p.clone() for name, p in model[1].named_parameters()}
    nn.init.ones_(model[3].bias)
    assert init_layers(model, seen.append) is model
    wanted = [model[0], model[2][0], model[2][1], model[3]]
    assert len(seen) == 4 and all(w is layer.weight for w, layer in zip(seen, wanted))
    assert not any(layer.bias.any() for layer in wanted if layer.bias is not None)
    assert all(torch.equal(p, norm[name]) for name, p in model[1].named_parameters())


def test_init_layers_takes_a_layer_alone_any_initializer_and_kaiming_by_default():
    layer = nn.Linear(3, 4)
    init_layers(layer, lambda w: w.copy_(torch.full_like(w, 0.5)))
    assert (layer.weight == 0.5).all() and layer.weight.requires_grad
    torch.manual_seed(3)
    init_layers(layer)
    torch.manual_seed(3)
    assert torch.equal(layer.weight, init_kaiming(torch.empty(4, 3)))


def test_init_layers_needs_a_layer():
    with pytest.raises(ValueError, match="Sequential has no linear or convolution layer"):
        init_layers(nn.Sequential(nn.ReLU()))


@law
@given(st.lists(st.floats(-2.**99, 2.**99, width=32), min_size=1, max_size=40), st.floats(0, 5))
def test_layer_stats_are_plain_sums(values, near):
    (row,) = layer_stats(nn.Identity(), torch.tensor(values), near)
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    scale = max(map(abs, values))
    assert row.name == "" and row.kind == "Identity"
    assert math.isclose(row.mean, mean, rel_tol=1e-9, abs_tol=1e-12 * scale)
    assert math.isclose(row.std, std, rel_tol=1e-6, abs_tol=1e-9 * scale)
    assert row.spread == row.std, "one unit: its deviation is that of all numbers"
    assert math.isclose(row.zeros, sum(abs(v) <= near for v in values) / len(values))


@law
@given(st.lists(st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid]), min_size=1, max_size=6),
       st.integers(0, 1000))
def test_layer_stats_follow_a_row_of_layers(kinds, seed):
    torch.manual_seed(seed)
    model, xb = nn.Sequential(*(kind() for kind in kinds)), torch.randn(5, 3)
    rows = layer_stats(model, xb)
    assert [row[:2] for row in rows] == [(str(i), kind.__name__) for i, kind in enumerate(kinds)]
    for layer, row in zip(model, rows):
        xb = layer(xb)
        torch.testing.assert_close(row.mean, xb.double().mean().item())
        torch.testing.assert_close(row.std, xb.double().std(correction=0).item())
        units = [statistics.pstdev(unit) for unit in xb.T.tolist()]
        assert math.isclose(row.spread, sum(units) / len(units), abs_tol=1e-9)


@law
@given(st.lists(st.integers(1, 4), max_size=4), st.integers(1, 5), st.integers(0, 1000))
def test_spread_is_each_units_deviation_between_rows_averaged_over_all_units(shape, n, seed):
    xb = torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))
    (row,) = layer_stats(nn.Identity(), xb)
    units = [statistics.pstdev(unit) for unit in zip(*xb.reshape(n, -1).tolist())]
    assert math.isclose(row.spread, sum(units) / len(units), abs_tol=1e-9)
    assert row.spread <= row.std * (1 + 1e-9)


def test_spread_is_0_for_a_number_for_one_row_and_where_all_rows_are_alike():
    same = torch.randn(3, 4, 4).expand(5, 3, 4, 4)
    for xb in (torch.tensor(2.), torch.randn(1, 6), same):
        (row,) = layer_stats(nn.Identity(), xb)
        assert row.spread < 1e-12
    assert row.std > 0.5


def test_spread_sees_what_the_deviation_hides_in_pytorchs_default():
    torch.manual_seed(0)
    model = nn.Sequential(*(layer for _ in range(30) for layer in (nn.Linear(64, 64), nn.ReLU())))
    xb = torch.randn(50, 64)
    default = layer_stats(model, xb)[-1]
    assert default.std > 0.01 and default.spread < 1e-6
    assert layer_stats(init_layers(model), xb)[-1].spread > 0.01


def test_rows_can_be_pickled():
    rows = layer_stats(nn.Tanh(), torch.randn(4, 2))
    assert pickle.loads(pickle.dumps(rows)) == rows


def test_layer_stats_see_an_output_before_the_next_layer_overwrites_it():
    model = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    first, second = layer_stats(model, torch.tensor([-4., 2.]))
    assert (first.mean, second.mean) == (-1., 1.)


def test_layer_stats_pass_over_outputs_that_are_no_tensor():
    class Last(nn.Sequential):
        def forward(self, x): return self[0](x)[0].relu()
    model = nn.Sequential(nn.Linear(3, 3), Last(nn.LSTM(3, 2)), nn.ReLU())
    rows = layer_stats(model, torch.randn(4, 5, 3))
    assert [row.kind for row in rows] == ["Linear", "ReLU"]


def fingerprint(model):
    "All that looking must not change."
    modules = list(model.modules())
    return ([m.training for m in modules], [list(m._forward_hooks.values()) for m in modules],
            [p.grad for p in model.parameters()],
            {name: value.tolist() for name, value in model.state_dict().items()})


@law
@given(st.integers(0, 1000), st.booleans())
def test_layer_stats_leave_everything_as_it_was(seed, fails):
    class Middle(nn.Module):
        def forward(self, x):
            assert not torch.is_grad_enabled() and not self.training
            if fails: raise KeyError("broken layer")
            return x
    inner = nn.Sequential(Middle(), nn.BatchNorm1d(4))
    model, coin = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), inner), random.Random(seed)
    for module in model.modules(): module.training = coin.random() < 0.5
    model[1].register_forward_hook(lambda *_: None)
    xb = torch.rand(6, 4) + 3
    before, state = fingerprint(model), torch.get_rng_state()
    try: layer_stats(model, xb)
    except KeyError: assert fails
    else: assert not fails
    assert fingerprint(model) == before and torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state), "evaluation mode draws nothing"


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_layer_stats_need_a_batch(shape):
    with pytest.raises(ValueError, match="at least one row") as error:
        layer_stats(nn.ReLU(), torch.ones(shape))
    assert str(shape) in str(error.value)


def test_layer_stats_tell_explosion_from_health_and_from_vanishing():
    def deep(std):
        torch.manual_seed(0)
        layers = [layer for _ in range(30) for layer in (nn.Linear(64, 64), nn.ReLU())]
        init = init_kaiming if std is None else lambda w: w.normal_(0, std)
        model = init_layers(nn.Sequential(*layers), init)
        return [row for row in layer_stats(model, torch.randn(50, 64)) if row.kind == "ReLU"]
    assert deep(0.5)[-1].std > 1e6 and 0.05 < deep(None)[-1].std < 5
    vanished = deep(0.02)
    assert vanished[-1].zeros == 1 and vanished[-1].std > 0
    assert all(b.std < a.std for a, b in pairwise(vanished))


@law
@given(st.floats(-2, 2), st.floats(0, 1), st.integers(0, 1000))
def test_shifted_relu_is_leaky_relu_moved_down(shift, leak, seed):
    x = torch.randn(20, generator=torch.Generator().manual_seed(seed)).double()
    expected = [(v if v > 0 else leak * v) - shift for v in x.tolist()]
    out = ShiftedRelu(shift, leak)(x)
    torch.testing.assert_close(out, torch.tensor(expected, dtype=torch.float64))


def test_shifted_relu_has_relus_gradient_and_shows_its_numbers():
    x = torch.tensor([-2., 3.], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ShiftedRelu(0.3, 0.2), x)
    assert repr(ShiftedRelu()) == "ShiftedRelu(shift=0.4, leak=0.0)"
    assert not list(ShiftedRelu().parameters())
