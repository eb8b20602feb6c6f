"Lesson 08: update rules, layer groups and one vocabulary for all optimizers, against PyTorch."
import copy
import io
import pickle
import warnings
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from exp import optimizer as module
from exp.anneal import ParamScheduler
from exp.callbacks import Callback, DataBunch, Learner
from exp.early_stopping import LRFinder, Runner
from exp.optimizer import (
    Adam,
    OptimWrapper,
    RMSProp,
    SGDMomentum,
    freeze,
    freeze_to,
    lr_range,
    split_layers,
    unfreeze,
)
from exp.recorder import Recorder

T = torch.optim
FIVE = [T.SGD, T.Adam, T.AdamW, T.RMSprop, T.Adagrad]
OURS = [SGDMomentum, RMSProp, Adam]
LAW = settings(deadline=None, max_examples=12)
SHARE = st.floats(0, 0.99)
LONG = st.floats(0.5, 0.999)  # with a shorter memory, a gradient near 0 makes rounding errors large
every_kind = pytest.mark.parametrize("kind", FIVE, ids=lambda kind: kind.__name__)
# the optimizer's own name of each word; a pair: name and position
NAMES = {T.SGD: {"mom": "momentum"}, T.RMSprop: {"mom": "momentum", "beta": "alpha"},
         T.Adam: {"mom": ("betas", 0), "beta": ("betas", 1)}, T.Adagrad: {},
         T.AdamW: {"mom": ("betas", 0), "beta": ("betas", 1)}}
WORDS = ("lr", "mom", "beta", "wd")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(seed=0):
    "A model with a batch norm, a bias on each side of it, and a last layer."
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).double()


def halves(net): return [[net[0], net[1], net[2]], net[3]]


def train(net, opt, n=20, first=0):
    "Some steps on random data that depends on the number of the step; the parameters after it."
    for i in range(first, first + n):
        torch.manual_seed(i)
        (net(torch.randn(5, 4, dtype=torch.float64)) * torch.arange(1, 4)).pow(2).mean().backward()
        opt.step()
        opt.zero_grad()
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def refusal(call, *args, **kwargs):
    "The message of the ValueError that a call must end in."
    with pytest.raises(ValueError) as caught: call(*args, **kwargs)
    return str(caught.value)


def at(group, place): return group[place] if isinstance(place, str) else group[place[0]][place[1]]


def test_exports():
    assert sorted(module.__all__) == sorted(
        "OptimWrapper split_layers lr_range freeze_to freeze unfreeze SGDMomentum RMSProp "
        "Adam".split())


# update rules

def hundred_steps(opt_func, seed=0, **numbers):
    "A parameter after each of a hundred steps by random gradients."
    torch.manual_seed(seed)
    p = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    opt, seen = opt_func([p], **numbers), []
    for _ in range(100):
        p.grad = torch.randn_like(p) * torch.logspace(-3, 1, 4, dtype=torch.float64)
        opt.step()
        seen.append(p.detach().clone())
    return torch.stack(seen)


@LAW
@given(st.floats(1e-4, 0.1), SHARE, st.floats(0, 0.5))
def test_sgd_momentum_is_torchs(lr, momentum, weight_decay):
    numbers = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    torch.testing.assert_close(hundred_steps(SGDMomentum, **numbers),
                               hundred_steps(T.SGD, **numbers), rtol=1e-6, atol=1e-6)


@LAW
@given(st.floats(1e-4, 0.1), LONG, st.floats(0, 0.5))
def test_rmsprop_is_torchs(lr, alpha, weight_decay):
    numbers = {"lr": lr, "alpha": alpha, "weight_decay": weight_decay}
    torch.testing.assert_close(hundred_steps(RMSProp, **numbers),
                               hundred_steps(T.RMSprop, **numbers), rtol=1e-6, atol=1e-6)


@LAW
@given(st.floats(1e-4, 0.1), SHARE, LONG, st.floats(0, 0.5))
def test_adam_is_torchs(lr, mom, beta, weight_decay):
    numbers = {"lr": lr, "betas": (mom, beta), "weight_decay": weight_decay}
    torch.testing.assert_close(hundred_steps(Adam, **numbers),
                               hundred_steps(T.Adam, **numbers), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ours, theirs", [(SGDMomentum, partial(T.SGD, momentum=0.9)),
                                          (RMSProp, T.RMSprop), (Adam, T.Adam)])
def test_rules_train_a_model_as_torch_does(ours, theirs):
    left, right = network(), network()
    torch.testing.assert_close(train(left, ours(left.parameters(), lr=0.01), 100),
                               train(right, theirs(right.parameters(), lr=0.01), 100),
                               rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", OURS)
def test_rules_take_what_torchs_take(kind):
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    opt = kind([{"params": [p]}, {"params": [q], "lr": 0.}], lr=0.1)
    p.grad = q.grad = torch.ones(2)
    opt.step()
    assert (p < 1).all() and (q == 1).all()
    T.lr_scheduler.ExponentialLR(opt, 0.5)
    again = kind([{"params": [p]}, {"params": [q]}])
    again.load_state_dict(copy.deepcopy(opt.state_dict()))
    assert again.param_groups[1]["lr"] == 0 and again.state.keys() == opt.state.keys()
    with pytest.raises(ValueError): kind([])


# layer groups

def tree(depths):
    "A nested model of one-weight layers; `depths` says how deep each of them is."
    root = nn.Sequential()
    for depth in depths:
        here = root
        for _ in range(depth):
            if not len(here) or not isinstance(here[-1], nn.Sequential):
                here.append(nn.Sequential())
            here = here[-1]
        here.append(nn.Linear(1, 1))
    return root


@LAW
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.data())
def test_split_layers_is_a_partition_in_order(depths, data):
    model = tree(depths)
    names = [name for name, _ in model.named_modules() if name]
    starts = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    groups = split_layers(model, *starts)
    kept = [id(p) for group in groups for m in group for p in m.parameters()]
    assert kept == [id(p) for p in model.parameters()]
    firsts = {id(next(model.get_submodule(name).parameters())) for name in starts}
    begun = [id(next(group[0].parameters())) for group in groups]
    assert set(begun) == firsts | {kept[0]} and len(begun) == len(set(begun))


def test_split_layers_takes_modules_and_names_and_proposes():
    body = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net = nn.ModuleDict({"body": body, "head": nn.Linear(2, 1)})
    assert split_layers(net) == [[net]]
    assert split_layers(net, net["head"]) == split_layers(net, "head") == [[net["body"]],
                                                                           [net["head"]]]
    said = refusal(split_layers, net, "haed")
    assert "'haed'" in said and "did you mean 'head'?" in said and "body.1" in said
    assert "Linear" in refusal(split_layers, net, nn.Linear(2, 1))


def test_split_layers_names_parameters_that_would_be_lost():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.layer = nn.Parameter(torch.ones(1)), nn.Linear(1, 1)
    net = nn.Sequential(nn.Linear(1, 1), Own())
    assert split_layers(net, "1") == [[net[0]], [net[1]]]
    said = refusal(split_layers, net, "1.layer")
    assert "Own" in said and "scale" in said and "no group" in said


@LAW
@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(2, 9))
def test_rates_are_spread_by_equal_factors(start, stop, n):
    rates = lr_range(slice(start, stop), n)
    assert rates[0] == pytest.approx(start, rel=1e-9) and rates[-1] == stop and len(rates) == n
    for a, b in zip(rates, rates[1:]):
        assert b / a == pytest.approx((stop / start) ** (1 / (n - 1)), rel=1e-6)
    assert lr_range(slice(stop), [[]] * n) == [stop / 10] * (n - 1) + [stop]
    assert lr_range(stop, n) == [stop] * n and lr_range(slice(start, stop), 1) == [stop]


def test_rates_that_do_not_fit_name_both_numbers():
    for rates, n in [([1, 2], 3), ((1,), 2), ([], 1), (torch.ones(3), 2)]:
        said = refusal(lr_range, rates, n)
        assert f"{len(rates)} values of lr" in said and f"{n} layer groups" in said
        net = network()
        with pytest.raises(ValueError):
            OptimWrapper.create(T.SGD, rates, [nn.Sequential(net) for _ in range(n)])
    for bad in (slice(None), slice(1, None), slice(1, 2, 3)):
        assert "slice" in refusal(lr_range, bad, 2)


def test_create_makes_two_groups_for_each_layer_group():
    net = network()
    w0, b0, scale, shift, w1, b1 = net.parameters()
    opt = OptimWrapper.create(T.SGD, slice(0.1, 0.4), halves(net), wd=0.3, bn_wd=False)
    expected = [([w0], 0.1, 0.3), ([b0, scale, shift], 0.1, 0), ([w1], 0.4, 0.3), ([b1], 0.4, 0)]
    for group, (params, lr, wd) in zip(opt.param_groups, expected, strict=True):
        assert list(map(id, group["params"])) == list(map(id, params))
        assert (group["lr"], group["weight_decay"]) == (lr, wd)
    assert opt.read_val("weight_decay") == [0.3, 0.3] and opt.wd == 0.3


def test_layer_groups_with_an_empty_part_work():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3, bias=False), nn.ReLU()).double()
    for kind in FIVE + OURS:
        for true_wd in (False, True):
            opt = OptimWrapper.create(kind, [0.1, 0.2, 0.3], list(net), wd=0.1, true_wd=true_wd)
            assert [len(group["params"]) for group in opt.param_groups] == [0, 2, 1, 0, 0, 0]
            before = train(net, opt, 0)
            assert (train(net, opt, 1) != before).all()
            opt.load_state_dict(copy.deepcopy(opt.state_dict()))
            assert opt.read_val("lr") == [0.1, 0.2, 0.3]


def test_what_cannot_be_layer_groups_is_named():
    net, layer = network(), nn.Linear(2, 2)
    tied = nn.Linear(2, 2)
    tied.weight = layer.weight
    said = refusal(OptimWrapper.create, T.SGD, 0.1, [layer, nn.ReLU(), tied])
    assert "weight of Linear" in said and "groups 0 and 2" in said
    assert len(OptimWrapper.create(T.SGD, 0.1, [[layer, tied]]).param_groups[0]["params"]) == 1
    for wrong in (net, []): assert "[model]" in refusal(OptimWrapper.create, T.SGD, 0.1, wrong)
    for wrong in ([net.parameters()], [[3]], [None, "head"]):
        assert "module" in refusal(OptimWrapper.create, T.SGD, 0.1, wrong)


@pytest.mark.parametrize("n, expected", [(0, [1, 1, 1]), (1, [0, 1, 1]), (3, [0, 0, 0]),
                                         (-1, [0, 0, 1]), (-3, [1, 1, 1])])
def test_freezing(n, expected):
    net = network()
    groups = [net[0], [net[1], net[2]], net[3]]
    opt = OptimWrapper.create(T.Adam, 0.1, groups, wd=0.1, true_wd=True)
    train(net, opt, 2)
    net(torch.randn(5, 4).double()).sum().backward()
    freeze_to(groups, n)
    trained = [all(p.requires_grad for p in m.parameters()) for m in (net[0], net[1], net[3])]
    assert trained == [bool(each) for each in expected]
    before = copy.deepcopy(net)
    opt.step()
    moved = [not torch.equal(a.weight, b.weight)
             for a, b in zip((net[0], net[1], net[3]), (before[0], before[1], before[3]))]
    assert moved == trained, "neither an old gradient nor decay may move what is frozen"
    unfreeze(groups)
    assert all(p.requires_grad for p in net.parameters())
    freeze(groups)
    assert [p.requires_grad for p in net.parameters()] == [False] * 4 + [True] * 2
    assert "n is 4" in refusal(freeze_to, groups, 4)
    assert "3 layer groups" in refusal(freeze_to, groups, -4)


# one vocabulary

@every_kind
def test_words_read_and_write_the_optimizers_own_numbers(kind):
    net = network()
    opt = OptimWrapper.create(kind, 0.1, halves(net))
    places = {"lr": "lr", "wd": "weight_decay", **NAMES[kind]}
    for word, place in places.items():
        setattr(opt, word, [0.2, 0.3])
        assert [at(group, place) for group in opt.opt.param_groups] == [0.2, 0.2, 0.3, 0.3]
        assert getattr(opt, word) == opt.get_stat(word) == 0.3
        opt.opt.param_groups[-2].update({place: 0.6} if isinstance(place, str) else {
            "betas": tuple(0.6 if i == place[1] else opt.opt.param_groups[-2]["betas"][i]
                           for i in (0, 1))})
        assert getattr(opt, word) == 0.6, "it is read anew"
        setattr(opt, word, 0.4)
        assert opt.read_defaults()[word] == [0.4, 0.4]
    assert set(opt.read_defaults()) == set(places)
    train(net, opt, 3)


@every_kind
def test_words_without_a_number_read_as_none(kind):
    opt = OptimWrapper(kind(network().parameters(), lr=0.1))
    for word in set(WORDS) - {"lr", "wd", *NAMES[kind]}:
        assert getattr(opt, word) is None
        setattr(opt, word, None)
        said = refusal(setattr, opt, word, 0.5)
        assert kind.__name__ in said and repr(word) in said and "It has lr" in said


def test_own_names_one_part_or_both_and_pairs():
    opt = OptimWrapper.create(T.Adam, 0.1, halves(network()))
    assert opt.read_val("betas") == ([0.9, 0.9], [0.999, 0.999])
    assert opt.set_val("betas", ([0.5, 0.6], 0.7)) == ([0.5, 0.6], [0.7, 0.7])
    assert [group["betas"] for group in opt.param_groups] == [(0.5, 0.7)] * 2 + [(0.6, 0.7)] * 2
    assert opt.set_val("eps", [1e-3, 1e-4], bn_groups=False) == [1e-3, 1e-4]
    assert [group["eps"] for group in opt.param_groups] == [1e-3, 1e-8, 1e-4, 1e-8]
    assert opt.get_stat("betas") == (0.6, 0.7) and opt.get_stat("eps") == 1e-4
    assert opt.set_stat("amsgrad", True) == [True, True]
    for key, proposal in [("betaa", "'betas'"), ("wd", "'weight_decay'"), ("momentun", "It has")]:
        for said in (refusal(opt.read_val, key), refusal(opt.set_val, key, 1.)):
            assert "Adam" in said and repr(key) in said and proposal in said and "eps" in said
    for hidden in ("params", "part"): assert repr(hidden) in refusal(opt.set_val, hidden, 1.)
    said = refusal(opt.set_val, "eps", [1, 2, 3])
    assert "3 values of eps" in said and "2 layer groups" in said
    assert "pair" in refusal(opt.set_val, "betas", (0.1, 0.2, 0.3))
    assert opt.get_stat("betas") == (0.6, 0.7), "a refused value changes nothing"


def test_an_optimizer_as_it_is_has_its_groups_as_layer_groups():
    a, b, c = (nn.Parameter(torch.ones(1)) for _ in range(3))
    bare = T.SGD([{"params": [a], "lr": 1.}, {"params": [b], "lr": 2.}, {"params": [c], "lr": 3.}],
                 momentum=0.5, weight_decay=0.25)
    opt = OptimWrapper(bare)
    assert opt.read_defaults() == {"lr": [1, 2, 3], "mom": [0.5] * 3, "wd": [0.25] * 3}
    opt.lr = slice(1, 4)
    assert [group["lr"] for group in bare.param_groups] == [1, 2, 4]
    assert OptimWrapper(bare, wd=0.5).wd == 0.5 and bare.param_groups[0]["weight_decay"] == 0.5


def test_momentum_of_rmsprop_can_be_raised_while_it_trains():
    net = network()
    opt = OptimWrapper.create(T.RMSprop, 0.01, halves(net))
    train(net, opt, 3)
    opt.mom = 0.9
    other = network()
    reference = T.RMSprop(other.parameters(), lr=0.01)
    train(other, reference, 3)
    reference.param_groups[0]["momentum"] = 0.9
    for p, state in reference.state.items(): state["momentum_buffer"] = torch.zeros_like(p)
    torch.testing.assert_close(train(net, opt, 5, 3), train(other, reference, 5, 3))


# weight decay

@pytest.mark.parametrize("inner", [T.Adam, T.AdamW, Adam])
@pytest.mark.parametrize("bn_wd", [True, False])
def test_true_decay_is_adamws(inner, bn_wd):
    left, right = network(), network()
    opt = OptimWrapper.create(inner, [0.01, 0.02], halves(left), wd=[0.3, 0.1], true_wd=True,
                              bn_wd=bn_wd)
    w0, b0, scale, shift, w1, b1 = right.parameters()
    reference = T.AdamW([{"params": [w0], "lr": 0.01, "weight_decay": 0.3},
                         {"params": [b0, scale, shift], "lr": 0.01, "weight_decay": 0.3 * bn_wd},
                         {"params": [w1], "lr": 0.02, "weight_decay": 0.1},
                         {"params": [b1], "lr": 0.02, "weight_decay": 0.1 * bn_wd}])
    torch.testing.assert_close(train(left, opt, 60), train(right, reference, 60),
                               rtol=1e-9, atol=1e-9)


def test_l2_and_true_decay_differ_with_adam_and_agree_with_sgd():
    for kind, same in [(T.SGD, True), (T.Adam, False), (T.RMSprop, False), (T.AdamW, True)]:
        ways = []
        for true_wd in (False, True):
            net = network()
            ways.append(train(net, OptimWrapper.create(kind, 0.01, [net], 0.3, true_wd), 30))
        assert torch.allclose(*ways, rtol=1e-9, atol=1e-9) == same, kind


@every_kind
def test_decay_is_a_factor_and_only_for_what_has_a_gradient(kind):
    p, idle = nn.Parameter(torch.tensor([2., -3.])), nn.Parameter(torch.ones(1))
    bare = kind([p, idle], lr=0.1, weight_decay=0.7)
    opt = OptimWrapper(bare, wd=0.5, true_wd=True)
    for _ in range(6):
        p.grad = torch.zeros(2)
        opt.step()
    torch.testing.assert_close(p.data, torch.tensor([2., -3.]) * 0.95 ** 6)
    assert idle.item() == 1 and opt.wd == bare.param_groups[0]["weight_decay"] == 0.5


def test_wrapping_leaves_a_decay_that_is_there_and_create_sets_its_own():
    params = list(network().parameters())
    assert OptimWrapper(T.AdamW(params)).wd == 0.01
    assert OptimWrapper(T.SGD(params, lr=0.1, weight_decay=0.2), true_wd=True).wd == 0.2
    assert OptimWrapper.create(T.AdamW, 0.1, [network()]).wd == 0
    assert OptimWrapper.create(partial(T.SGD, weight_decay=0.3), 0.1, [network()]).wd == 0


def test_the_number_is_back_after_a_step_that_fails_and_the_closures_loss_is_returned():
    class Fails(T.SGD):
        def step(self, closure=None):
            assert self.param_groups[0]["weight_decay"] == 0
            raise RuntimeError("broken")
    opt = OptimWrapper(Fails(network().parameters(), lr=0.1), wd=0.4, true_wd=True)
    with pytest.raises(RuntimeError, match="broken"): opt.step()
    assert opt.wd == 0.4
    for true_wd in (False, True):
        opt = OptimWrapper(T.SGD(network().parameters(), lr=0.1), wd=0.1, true_wd=true_wd)
        assert opt.step(lambda: 3) == 3


def test_optimizers_without_decay_get_it_from_the_wrapper():
    net = network()
    assert OptimWrapper.create(T.Rprop, 0.1, halves(net)).wd is None
    assert "'wd'" in refusal(OptimWrapper.create, T.Rprop, 0.1, halves(net), wd=0.1)
    for bn_wd in (True, False):
        opt = OptimWrapper.create(T.Rprop, 0.1, halves(net), 0.1, true_wd=True, bn_wd=bn_wd)
        assert opt.wd == 0.1 and opt.param_groups[1]["weight_decay"] == 0.1 * bn_wd
        train(net, opt, 2)


# it is an optimizer, and owns nothing

def test_wrappers_classes_and_look_alikes_are_refused():
    bare = T.SGD(network().parameters(), lr=0.1)
    for wrong, name in [(OptimWrapper(bare), "OptimWrapper"), (T.SGD, "class SGD"), (3, "int")]:
        said = refusal(OptimWrapper, wrong)
        assert name in said and "torch.optim" in said


def test_it_shares_also_after_loading_and_replacing():
    net = network()
    opt = OptimWrapper(T.Adam(net.parameters(), lr=0.1))
    assert isinstance(opt, T.Optimizer)
    train(net, opt, 2)
    opt.opt.load_state_dict(copy.deepcopy(opt.state_dict()))
    other = T.SGD(net.parameters(), lr=0.3)
    for now in (opt.opt, other):
        opt.opt = now
        assert opt.param_groups is now.param_groups and opt.state is now.state
        assert opt.defaults is now.defaults
    before = train(net, opt, 0)
    train(net, opt, 1)
    assert not torch.equal(before, train(net, opt, 0)) and opt.lr == 0.3 and opt.mom == 0
    opt.clear()
    assert not other.state
    opt.add_param_group({"params": [nn.Parameter(torch.ones(1))]})
    assert len(other.param_groups) == 2 and opt.read_val("lr") == [0.3, 0.3]


@pytest.mark.parametrize("make", [
    lambda opt: T.lr_scheduler.StepLR(opt, 2, 0.5),
    lambda opt: T.lr_scheduler.OneCycleLR(opt, 0.2, total_steps=20),
    lambda opt: T.lr_scheduler.LambdaLR(opt, [lambda n, k=k: 1 / (n + k) for k in range(1, 5)]),
    lambda opt: T.lr_scheduler.ReduceLROnPlateau(opt, patience=0),
    lambda opt: T.lr_scheduler.CosineAnnealingWarmRestarts(opt, 4)])
@pytest.mark.parametrize("kind", [T.SGD, T.Adam])
def test_torchs_schedulers_take_it(make, kind):
    rates = []
    for wrap in (True, False):
        net = network()
        opt = OptimWrapper.create(kind, 0.1, halves(net), wd=0.1)
        if kind is T.SGD: opt.mom = 0.9
        inner = opt if wrap else opt.opt
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scheduler = make(inner)
            for i in range(9):
                train(net, inner, 1, i)
                plateau = isinstance(scheduler, T.lr_scheduler.ReduceLROnPlateau)
                scheduler.step(*[1.] * plateau)
                rates.append([group["lr"] for group in opt.param_groups])
    assert rates[:9] == rates[9:] and len({tuple(row) for row in rates}) > 2


@pytest.mark.parametrize("kind", FIVE + OURS)
def test_a_saved_training_goes_on_to_the_last_bit(kind):
    whole, part, late = network(), network(), network(1)
    opts = [OptimWrapper.create(kind, slice(1e-3, 1e-2), halves(net), 0.1, True, bn_wd=False)
            for net in (whole, part, late)]
    train(whole, opts[0], 12)
    train(part, opts[1], 5)
    file = io.BytesIO()
    torch.save([part.state_dict(), opts[1].state_dict()], file)
    file.seek(0)
    for target, state in zip((late, opts[2]), torch.load(file, weights_only=True)):
        target.load_state_dict(state)
    assert torch.equal(train(late, opts[2], 7, 5), train(whole, opts[0], 0))
    for opt in opts[1:]: assert len(opt.read_val("lr")) == 2


def test_state_can_be_given_to_and_taken_from_the_bare_optimizer():
    net = network()
    opt = OptimWrapper.create(T.Adam, [0.1, 0.2], halves(net))
    bare = T.Adam([{"params": group["params"]} for group in opt.param_groups])
    train(net, bare, 2)
    opt.load_state_dict(copy.deepcopy(bare.state_dict()))
    assert opt.read_val("lr") == [1e-3] * 2, "the layer groups are still there"
    assert len(opt.state) == 6
    bare.load_state_dict(copy.deepcopy(opt.state_dict()))


def test_copies_and_pickles_stand_on_their_own():
    net = network()
    opt = OptimWrapper.create(T.Adam, 0.1, halves(net), wd=0.2, true_wd=True, bn_wd=False)
    T.lr_scheduler.StepLR(opt, 1)  # it puts its own step over the wrapper's
    train(net, opt, 2)
    for twin_net, twin in (copy.deepcopy((net, opt)), pickle.loads(pickle.dumps((net, opt)))):
        assert (twin.true_wd, twin.bn_wd, twin.wd, twin.lr) == (True, False, 0.2, 0.1)
        assert twin.opt is not opt.opt and twin.param_groups is twin.opt.param_groups
        expected = train(copy.deepcopy(net), opt, 0)
        moved = train(twin_net, twin, 2, 2)
        assert not torch.equal(moved, expected) and torch.equal(train(net, opt, 0), expected)


@pytest.mark.parametrize("kind", FIVE + OURS)
def test_after_clear_a_training_is_like_the_first(kind):
    net = network()
    start, opt = copy.deepcopy(net.state_dict()), OptimWrapper.create(kind, 0.01, halves(net))
    first = train(net, opt, 4)
    opt.clear()
    net.load_state_dict(start)
    assert torch.equal(train(net, opt, 4), first)


def test_hooks_of_the_wrapper_are_called_once_for_each_step():
    net = network()
    opt, called = OptimWrapper(T.SGD(net.parameters(), lr=0.1)), []
    opt.register_step_pre_hook(lambda *args: called.append("before"))
    opt.register_step_post_hook(lambda *args: called.append("after"))
    train(net, opt, 2)
    assert called == ["before", "after"] * 2


@every_kind
def test_new_has_the_kind_the_numbers_and_an_empty_state(kind):
    net = network()
    opt = OptimWrapper.create(kind, [0.1, 0.2], halves(net), wd=0.3, true_wd=True, bn_wd=False)
    for word in NAMES[kind]: setattr(opt, word, 0.6)
    opt.set_stat("eps" if "eps" in opt.param_groups[0] else "dampening", 0.01)
    train(net, opt, 2)
    new = opt.new([net])
    assert type(new.opt) is kind and opt.state
    assert kind is T.Adagrad or not new.state  # Adagrad fills its state when it is made
    assert (new.true_wd, new.bn_wd) == (True, False)
    numbers = [{k: v for k, v in opt.param_groups[i].items() if k != "params"} for i in (2, 3)]
    assert [{k: v for k, v in g.items() if k != "params"} for g in new.param_groups] == numbers
    new.lr = 9.
    assert opt.read_val("lr") == [0.1, 0.2]


# with the lessons before

def learner(kind=T.Adam, **settings):
    "A learner on random batches, its optimizer wrapped."
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    batches = [(torch.randn(5, 4), torch.randint(3, (5,))) for _ in range(4)]
    opt = OptimWrapper.create(kind, slice(1e-3, 1e-2), halves(net), wd=0.1, **settings)
    return Learner(net, opt, cross_entropy, DataBunch(batches, batches[:2]))


@every_kind
def test_runner_scheduler_and_recorder_take_it(kind):
    learn = learner(kind, true_wd=True)
    cbs = [ParamScheduler("lr", lambda pos: 0.1 + pos), Recorder(add_time=False),
           ParamScheduler("weight_decay", lambda pos: pos)]
    if "mom" in NAMES[kind]: cbs.append(ParamScheduler("momentum", lambda pos: pos / 2))
    run = Runner(cbs)
    run.fit(2, learn)
    assert run.recorder.lrs.tolist() == pytest.approx([0.1 + i / 8 for i in range(8)])
    if "mom" in NAMES[kind]: assert run.recorder.moms[-1] == learn.opt.mom == 7 / 16
    assert learn.opt.wd == 7 / 8


@every_kind
def test_the_finder_leaves_no_trace(kind):
    learn = learner(kind, true_wd=True, bn_wd=False)
    Runner([]).fit(1, learn)
    before = copy.deepcopy([learn.model.state_dict(), learn.opt.state_dict()])
    Runner(LRFinder(num_it=20)).fit(1, learn)
    after = [learn.model.state_dict(), learn.opt.state_dict()]
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=0)
    torch.testing.assert_close(after[1]["state"], before[1]["state"], rtol=0, atol=0)
    assert after[1]["param_groups"] == before[1]["param_groups"]


def test_replacing_the_inner_optimizer_takes_effect_in_a_running_fit():
    class Replaces(Callback):
        def after_epoch(self):
            if self.run.epoch == 0: self.opt.opt = T.SGD(self.model.parameters(), 0.5, 0.25)
    learn = learner()
    run = Runner([Replaces(), Recorder()])
    run.fit(2, learn)
    assert run.recorder.lrs.tolist() == pytest.approx([0.01] * 4 + [0.5] * 4)
    assert run.recorder.moms.tolist() == pytest.approx([0.9] * 4 + [0.25] * 4)
    assert len(learn.opt.state) == 6


def test_gradient_scaling_takes_it():
    net = network()
    opt = OptimWrapper.create(T.SGD, 0.1, halves(net))
    scaler = torch.amp.GradScaler("cpu", init_scale=8.)
    before = train(net, opt, 0)
    scaler.scale(net(torch.ones(2, 4).double()).sum()).backward()
    scaler.step(opt)
    scaler.update()
    assert not torch.equal(train(net, opt, 0), before)
