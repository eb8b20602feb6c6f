"Lesson 05: curves, schedules, and the numbers of optimizers, against closed forms and PyTorch."
import copy
import math
import pickle
import re
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from exp import anneal as module
from exp.anneal import (
    ParamScheduler,
    Stepper,
    annealing_cos,
    annealing_exp,
    annealing_linear,
    annealing_no,
    annealing_poly,
    combine_scheds,
    do_annealing_poly,
    get_hyper,
    hyper_names,
    one_cycle,
    one_cycle_momentum,
    param_groups,
    sched,
    set_hyper,
)
from exp.callbacks import Callback, DataBunch, Learner, Runner
from exp.minibatch_training import Optimizer

LAW = settings(deadline=None, max_examples=60)
ENDS = st.floats(1e-3, 1e3)
ANY = st.floats(-1e3, 1e3)
PCT = st.floats(0, 1)
DEGREE = st.floats(0.1, 8)
SHAPES = [annealing_no, annealing_linear, annealing_cos, annealing_exp, annealing_poly(0.5),
          annealing_poly(3)]
BENDING = [shape for shape in SHAPES if shape is not annealing_no]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Notes(Callback):
    "Writes down the rate of each group in every batch: of training, and of validation."
    def begin_fit(self): self.trained, self.validated = [], []

    def after_pred(self):
        rates = [group["lr"] for group in param_groups(self.opt)]
        (self.trained if self.in_train else self.validated).append(rates)


class Cuts(Callback):
    "Ends each training pass after its first `n` batches."
    def __init__(self, n): self.n, self.done = n, 0
    def begin_epoch(self): self.done = 0

    def after_batch(self):
        self.done += self.in_train
        self.run.stop = self.in_train and self.done == self.n


class Loader(list):
    "Says that it has another number of batches than it gives."
    def __init__(self, batches, says):
        super().__init__(batches)
        self.says = says

    def __len__(self): return self.says


def batches(n):
    "Some batches of two samples."
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(2, 4, generator=generator), torch.tensor([0, 2])) for _ in range(n)]


def learner(make=torch.optim.SGD, n_train=4, n_valid=0, groups=1, **numbers):
    "A learner on given batches, its parameters in one group, or in two."
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    params = list(net.parameters()) if groups == 1 else [
        {"params": list(layer.parameters())} for layer in net]
    data = DataBunch(n_train if isinstance(n_train, list) else batches(n_train), batches(n_valid))
    return Learner(net, make(params, **{"lr": 0.1, **numbers}), cross_entropy, data)


def trained(epochs, learn, *cbs):
    "The rates of each training batch, and of each in validation."
    run = Runner([*cbs, Notes()])
    run.fit(epochs, learn)
    return run.notes.trained, run.notes.validated


def flat(rates):
    "The rates of the only group."
    assert all(len(groups) == 1 for groups in rates)
    return [groups[0] for groups in rates]


def refusal(error, call, *args):
    "The message of the error that a call must end in."
    with pytest.raises(error) as caught: call(*args)
    return str(caught.value)


def test_exports_are_those_of_the_issue():
    assert sorted(module.__all__) == sorted(
        ("annealing_no annealing_linear annealing_cos annealing_exp do_annealing_poly "
         "annealing_poly Stepper sched combine_scheds one_cycle one_cycle_momentum param_groups "
         "hyper_names get_hyper set_hyper ParamScheduler").split())
    for name in module.__all__:
        doc = getattr(module, name).__doc__
        assert doc and "\n" not in doc, name


# annealing functions

@LAW
@given(ANY, ANY, PCT)
def test_the_straight_line_is_that_of_exact_arithmetic(start, end, pct):
    a, b, p = map(Fraction, (start, end, pct))
    exact = float(a + p * (b - a))
    assert annealing_linear(start, end, pct) == pytest.approx(exact, rel=1e-12, abs=1e-9)
    assert annealing_no(start, end, pct) == start


@LAW
@given(ANY, ANY, PCT)
def test_the_cosine_is_pytorchs_closed_form(start, end, pct):
    expected = end + (start - end) * (1 + math.cos(math.pi * pct)) / 2
    assert annealing_cos(start, end, pct) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@LAW
@given(ENDS, ENDS, PCT)
def test_the_exponential_is_a_straight_line_between_logarithms(start, end, pct):
    expected = annealing_linear(math.log(start), math.log(end), pct)
    assert math.log(annealing_exp(start, end, pct)) == pytest.approx(expected, abs=1e-9)


@LAW
@given(ENDS, ENDS, st.integers(2, 20))
def test_the_exponential_takes_the_same_factor_in_each_step(start, end, n):
    values = [annealing_exp(start, end, i / n) for i in range(n + 1)]
    factors = [b / a for a, b in zip(values, values[1:])]
    assert factors == pytest.approx([factors[0]] * n)
    assert math.prod(factors) == pytest.approx(end / start)


@LAW
@given(ANY, ANY, PCT, DEGREE)
def test_the_power_law_is_its_closed_form(start, end, pct, degree):
    expected = end + (start - end) * (1 - pct) ** degree
    value = annealing_poly(degree)(start, end, pct)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert value == do_annealing_poly(start, end, pct, degree)


@LAW
@given(ANY, ANY, PCT)
def test_a_power_of_one_is_the_straight_line(start, end, pct):
    expected = annealing_linear(start, end, pct)
    assert annealing_poly(1)(start, end, pct) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shape", BENDING)
@LAW
@given(start=ENDS, end=ENDS)
def test_both_ends_are_hit_to_the_last_digit(shape, start, end):
    assert shape(start, end, 0) == start and shape(start, end, 1) == end


@pytest.mark.parametrize("shape", BENDING)
@LAW
@given(start=ENDS, end=ENDS, p=PCT, q=PCT)
def test_curves_never_turn_back_nor_leave_their_ends(shape, start, end, p, q):
    near, far = (shape(start, end, pct) for pct in sorted((p, q)))
    slack = 1e-9 * max(start, end)
    assert (near - far) * (start - end) >= -slack * abs(start - end)
    assert min(start, end) - slack <= near <= max(start, end) + slack


@LAW
@given(ANY, ANY, PCT)
def test_line_and_cosine_walked_backwards_are_themselves(start, end, pct):
    for shape in (annealing_linear, annealing_cos):
        there, back = shape(start, end, pct), shape(end, start, 1 - pct)
        assert there == pytest.approx(back, rel=1e-9, abs=1e-9)


def test_a_degree_above_one_hurries_at_first_and_below_one_at_the_end():
    early = [annealing_poly(degree)(0, 1, 0.2) for degree in (0.5, 1, 2, 3)]
    assert early == sorted(early) and early[0] < 0.2 < early[2]


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 0), (-1, 2), (2, -1), (-2, -1), (0., 0.)])
@pytest.mark.parametrize("pct", [0, 0.5, 1])
def test_the_exponential_names_both_ends_where_one_is_not_above_zero(start, end, pct):
    said = refusal(ValueError, annealing_exp, start, end, pct)
    assert f"start is {start} and end is {end}" in said and "must be above 0" in said


@pytest.mark.parametrize("degree", [0, -1, -0.5])
def test_a_degree_that_would_not_arrive_is_named(degree):
    said = refusal(ValueError, annealing_poly, degree)
    assert f"degree is {degree};" in said and "above 0" in said


# Stepper

@LAW
@given(ENDS, ENDS, st.integers(1, 30), st.sampled_from(SHAPES))
def test_a_stepper_walks_its_function_in_equal_steps(start, end, n, shape):
    stepper = Stepper((start, end), n, shape)
    assert not stepper.is_done
    for i in range(1, n + 1):
        assert stepper.step() == shape(start, end, i / n)
        assert stepper.is_done is (i == n)


@LAW
@given(ENDS, ENDS, st.integers(1, 9), st.integers(1, 9), st.sampled_from(BENDING))
def test_a_stepper_that_has_arrived_stays(start, end, n, more, shape):
    stepper = Stepper([start, end], n, shape)
    for _ in range(n): stepper.step()
    assert [stepper.step() for _ in range(more)] == [end] * more and stepper.is_done


@LAW
@given(ANY, st.integers(1, 9), st.sampled_from([None, *SHAPES]))
def test_a_single_value_stays_whatever_the_function(value, n, shape):
    for vals in (value, [value], (value,)):
        stepper = Stepper(vals, n, shape)
        assert [stepper.step() for _ in range(n + 1)] == [value] * (n + 1) and stepper.is_done


def test_without_a_function_a_stepper_takes_the_straight_line():
    stepper = Stepper((1, 0), 4)
    assert [stepper.step() for _ in range(4)] == [0.75, 0.5, 0.25, 0]


def test_two_steppers_count_apart():
    one, other = Stepper((0, 4), 4), Stepper((0, 4), 4)
    assert [one.step(), one.step(), other.step()] == [1, 2, 1]


@pytest.mark.parametrize(("args", "part"), [
    (((1, 2), 0), "n_iter is 0; it must be at least 1"),
    ((1, -3), "n_iter is -3; it must be at least 1"),
    (((1, 2, 3), 4), "vals is (1, 2, 3); give (start, end) or one number"),
    (([], 4), "vals is []; give (start, end) or one number"),
    ((None, 4), "vals is None; give (start, end) or one number")])
def test_a_stepper_says_what_it_cannot_walk(args, part):
    assert part in refusal(ValueError, Stepper, *args)


# sched and combine_scheds

@LAW
@given(ENDS, ENDS, PCT, st.sampled_from(SHAPES))
def test_sched_fixes_the_ends(start, end, pct, shape):
    assert sched(shape, start, end)(pct) == shape(start, end, pct)


def telling(n):
    "Schedules that say who they are and what they see."
    return [lambda pos, i=i: (i, pos) for i in range(n)]


WEIGHTS = st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(any)


@LAW
@given(WEIGHTS, st.fractions(0, 1, max_denominator=1000))
def test_parts_are_those_of_exact_arithmetic(weights, pos):
    pcts = [Fraction(w, sum(weights)) for w in weights]
    borders = [sum(pcts[:i]) for i in range(len(pcts) + 1)]
    assume(min(abs(pos - border) for border in borders) > 1e-9)
    who, seen = combine_scheds([*map(float, pcts)], telling(len(pcts)))(float(pos))
    expected = next(i for i in range(len(pcts)) if borders[i] < pos < borders[i + 1])
    assert who == expected
    assert seen == pytest.approx(float((pos - borders[who]) / pcts[who]), abs=1e-9)


@LAW
@given(WEIGHTS)
def test_the_first_begins_at_zero_and_the_last_ends_at_one(weights):
    pcts = [w / sum(weights) for w in weights]
    combined = combine_scheds(pcts, telling(len(pcts)))
    first = next(i for i, w in enumerate(weights) if w)
    assert combined(0) == combined(0.) == (first, 0)
    assert combined(1) == combined(1.) == (len(pcts) - 1, 1)


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda ws: sum(ws) > 1e-3), PCT)
def test_whatever_the_rounding_every_part_sees_a_fraction(weights, pos):
    pcts = [w / sum(weights) for w in weights]
    combined = combine_scheds(pcts, telling(len(pcts)))
    for at in (pos, 1 - 2**-53, 2**-1074, 1.):
        who, seen = combined(at)
        assert 0 <= seen <= 1 and (pcts[who] > 0 or (who, at) == (len(pcts) - 1, 1))
    assert combined(1.) == (len(pcts) - 1, 1)


@pytest.mark.parametrize("n", [2, 3, 6, 7, 10, 49])
@pytest.mark.parametrize("empty", [0, 1, 2])
def test_equal_parts_whose_sum_misses_one_end_at_the_end(n, empty):
    combined = combine_scheds([1 / n] * n + [0] * empty, telling(n + empty))
    assert combined(1) == (n + empty - 1, 1) and combined(1 - 2**-53)[0] == n - 1
    assert combined(0.999)[0] == n - 1


def test_at_a_border_the_next_part_begins():
    combined = combine_scheds([0.25, 0.5, 0.25], telling(3))
    assert [combined(pos) for pos in (0.25, 0.75)] == [(1, 0), (2, 0)]
    for border, who in [(0.25, 0), (0.75, 1)]:
        before = combined(math.nextafter(border, 0))
        assert before[0] == who and before[1] == pytest.approx(1)


def test_combined_schedules_can_be_combined():
    up_down = combine_scheds([0.5, 0.5], [sched(annealing_linear, 0, 1),
                                          sched(annealing_linear, 1, 0)])
    twice = combine_scheds([0.5, 0.5], [up_down, lambda pos: up_down(pos) / 10])
    assert [twice(i / 8) for i in range(9)] == pytest.approx([0, .5, 1, .5, 0, .05, .1, .05, 0])


@pytest.mark.parametrize(("pcts", "parts"), [
    ([0.5, 0.6], ["[0.5, 0.6]", "it is 1.1"]), ([0.3, 0.3], ["it is 0.6"]),
    ([1.5, -0.5], ["[1.5, -0.5]", "not be negative"]), ([0.5, 0.5 + 2e-6], ["the sum 1"]),
    ([1.], ["1 fractions", "2 schedules", "as many of each"]), ([], ["0 fractions"]),
    ([0.2, 0.3, 0.5], ["3 fractions", "2 schedules"])])
def test_fractions_that_do_not_fit_are_named(pcts, parts):
    said = refusal(ValueError, combine_scheds, pcts, telling(2))
    assert all(part in said for part in parts), said


def test_no_schedules_at_all_are_refused():
    assert "sum 1" in refusal(ValueError, combine_scheds, [], [])


@pytest.mark.parametrize("pos", [-1e-9, 1.0000001, 2, -3, math.inf, math.nan])
def test_a_position_outside_of_training_is_named(pos):
    said = refusal(ValueError, combine_scheds([0.5, 0.5], telling(2)), pos)
    assert f"pos is {pos};" in said and "from 0 to 1" in said


# one cycle

@LAW
@given(st.floats(1e-4, 10), st.floats(0.05, 0.95), st.floats(1, 100), st.floats(1, 1e6), PCT)
def test_one_cycle_is_two_cosines(lr_max, pct_start, div, div_final, pos):
    schedule = one_cycle(lr_max, pct_start, div, div_final)
    if pos < pct_start: ends, way = (lr_max / div, lr_max), pos / pct_start
    else: ends, way = (lr_max, lr_max / div_final), (pos - pct_start) / (1 - pct_start)
    expected = ends[1] + (ends[0] - ends[1]) * (1 + math.cos(math.pi * way)) / 2
    assert schedule(pos) == pytest.approx(expected, rel=1e-6)
    assert schedule(0) == lr_max / div and schedule(1) == lr_max / div_final
    assert schedule(pct_start) == lr_max


@LAW
@given(st.floats(0.5, 0.99), st.floats(0.1, 0.99), st.floats(0.05, 0.95), PCT)
def test_momentum_mirrors_the_rate(high, low, pct_start, pos):
    "Both are the same share of the way between their ends, where the rate returns to its start."
    rate = one_cycle(2., pct_start, 2., 2.)(pos) - 1
    momentum = one_cycle_momentum(high, low, pct_start)(pos)
    assert momentum == pytest.approx(high + rate * (low - high))


def test_one_cycle_has_the_numbers_of_the_signature_as_defaults():
    assert [one_cycle(50.)(pos) for pos in (0, 0.3, 1)] == [2, 50, 5e-4]
    assert [one_cycle_momentum()(pos) for pos in (0, 0.3, 1)] == [0.95, 0.85, 0.95]


# optimizers and their numbers

OPTIMIZERS = {
    torch.optim.SGD: ["lr", "momentum", "dampening", "weight_decay"],
    torch.optim.Adam: ["lr", "betas", "eps", "weight_decay", "momentum"],
    torch.optim.AdamW: ["lr", "betas", "eps", "weight_decay", "momentum"],
    torch.optim.RMSprop: ["lr", "momentum", "alpha", "eps", "weight_decay"],
    Optimizer: ["lr"]}


def opt_of(make, **numbers): return make([nn.Parameter(torch.ones(2))], **numbers)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_names_are_those_of_numbers_and_momentum_is_among_them(make):
    (group,) = param_groups(opt_of(make))
    names = hyper_names(group)
    assert sorted(names) == sorted(OPTIMIZERS[make]) and len(names) == len(set(names))


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_every_name_can_be_set_and_no_other_number_changes(make):
    (group,) = param_groups(opt_of(make))
    for name in hyper_names(group):
        before = {other: get_hyper(group, other) for other in hyper_names(group)}
        value = (0.25, 0.5) if name == "betas" else 0.125
        set_hyper(group, name, value)
        assert get_hyper(group, name) == value
        changed = {other for other in before if get_hyper(group, other) != before[other]}
        assert changed <= {name} | ({"betas", "momentum"} if name in ("betas", "momentum")
                                    else set())


@pytest.mark.parametrize("groups", [1, 2])
def test_groups_are_the_optimizers_own(groups):
    opt = learner(groups=groups).opt
    assert param_groups(opt) is opt.param_groups and len(param_groups(opt)) == groups
    own = opt_of(Optimizer, lr=0.5)
    (group,) = param_groups(own)
    set_hyper(group, "lr", 3.)
    assert own.lr == get_hyper(param_groups(own)[0], "lr") == 3


def test_momentum_of_adam_is_the_first_beta_and_the_others_stay():
    group = {"params": [], "lr": 1., "betas": (0.9, 0.99, 0.999)}
    set_hyper(group, "momentum", 0.5)
    assert group == {"params": [], "lr": 1., "betas": (0.5, 0.99, 0.999)}
    assert get_hyper(group, "momentum") == 0.5


def test_switches_and_texts_are_no_hyperparameters():
    group = {"lr": torch.tensor(0.1), "params": [1], "on": False, "mode": "min", "none": None,
             "n": 3, "pair": (1, 2)}
    assert hyper_names(group) == ["lr", "n", "pair"]


def test_a_name_that_is_not_there_cannot_be_read():
    for name in ("momentum", "zzz"):
        assert name in refusal(KeyError, get_hyper, {"lr": 1.}, name)


# ParamScheduler

@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop,
                                  Optimizer])
@LAW
@given(epochs=st.integers(1, 4), n_train=st.integers(1, 6), n_valid=st.integers(0, 2))
def test_each_training_batch_has_the_rate_of_its_fraction(make, epochs, n_train, n_valid):
    learn = learner(make, n_train, n_valid)
    rates, validated = trained(epochs, learn, ParamScheduler("lr", lambda pos: 1e-3 * (1 + pos)))
    total = epochs * n_train
    assert flat(rates) == pytest.approx([1e-3 * (1 + i / total) for i in range(total)])
    last = [rate for rate in flat(rates)[n_train - 1::n_train] for _ in range(n_valid)]
    assert flat(validated) == last, "validation leaves the rate of the last batch"
    assert get_hyper(param_groups(learn.opt)[0], "lr") == flat(rates)[-1]


@pytest.mark.parametrize(("name", "make", "read"), [
    ("momentum", torch.optim.SGD, lambda group: group["momentum"]),
    ("momentum", torch.optim.Adam, lambda group: group["betas"][0]),
    ("momentum", torch.optim.RMSprop, lambda group: group["momentum"]),
    ("alpha", torch.optim.RMSprop, lambda group: group["alpha"]),
    ("weight_decay", torch.optim.AdamW, lambda group: group["weight_decay"])])
def test_other_hyperparameters_are_scheduled_too(name, make, read):
    class Reads(Callback):
        def after_pred(self): seen.append(read(self.opt.param_groups[0]))

    seen, learn = [], learner(make)
    rates, _ = trained(2, learn, Reads(), ParamScheduler(name, lambda pos: 0.5 + pos / 2))
    assert seen == pytest.approx([0.5 + i / 16 for i in range(8)])
    assert set(flat(rates)) == {0.1}, "the rate stays"


def test_training_with_a_schedule_is_the_loop_written_out():
    learn, twin = learner(n_train=3), learner(n_train=3)
    schedule = one_cycle(0.4)
    trained(2, learn, ParamScheduler("lr", schedule))
    for i, (xb, yb) in enumerate(twin.data.train_dl * 2):
        loss = cross_entropy(twin.model(xb), yb)
        for p, grad in zip(twin.model.parameters(),
                           torch.autograd.grad(loss, list(twin.model.parameters()))):
            with torch.no_grad(): p -= schedule(i / 6) * grad
    for a, b in zip(learn.model.parameters(), twin.model.parameters()):
        torch.testing.assert_close(a, b)


def test_a_constant_schedule_changes_nothing_bit_for_bit():
    learn, twin = learner(momentum=0.9), learner(momentum=0.9)
    trained(2, learn, ParamScheduler("lr", sched(annealing_no, 0.1, 5.)))
    trained(2, twin)
    weights = zip(learn.model.parameters(), twin.model.parameters())
    assert all(torch.equal(a, b) for a, b in weights)


def test_groups_follow_one_schedule_or_each_its_own():
    both, _ = trained(1, learner(groups=2), ParamScheduler("lr", float))
    assert both == [[i / 4] * 2 for i in range(4)]
    apart, _ = trained(1, learner(groups=2), ParamScheduler("lr", [float, lambda pos: 1 - pos]))
    assert apart == [[i / 4, 1 - i / 4] for i in range(4)]


def test_several_schedulers_work_side_by_side():
    learn = learner(torch.optim.Adam, n_train=10)
    cbs = ParamScheduler("lr", one_cycle(0.01)), ParamScheduler("momentum", one_cycle_momentum())
    rates, _ = trained(1, learn, *cbs)
    assert flat(rates) == pytest.approx([one_cycle(0.01)(i / 10) for i in range(10)])
    betas = learn.opt.param_groups[0]["betas"]
    assert betas == (pytest.approx(one_cycle_momentum()(0.9)), 0.999)


def test_a_scheduler_begins_anew_in_the_next_fit_and_with_another_learner():
    scheduler = ParamScheduler("lr", float)
    run = Runner([scheduler, Notes()])
    for learn, epochs, n in [(learner(), 1, 4), (learner(Optimizer, 3), 2, 6)]:
        run.fit(epochs, learn)
        assert flat(run.notes.trained) == pytest.approx([i / n for i in range(n)])


def test_the_optimizer_may_be_replaced_during_a_fit():
    class Replaces(Callback):
        order = -1

        def begin_epoch(self):
            self.learn.opt = torch.optim.SGD(self.model.parameters(), 9.)

    rates, _ = trained(2, learner(), Replaces(), ParamScheduler("lr", float))
    assert flat(rates) == [i / 8 for i in range(8)]


# ParamScheduler: trainings that do not go as planned

@LAW
@given(st.integers(1, 4), st.integers(1, 6), st.data())
def test_a_pass_that_is_cut_short_does_not_shift_the_curve(epochs, n_train, data):
    cut = data.draw(st.integers(1, n_train))
    rates, _ = trained(epochs, learner(n_train=n_train, n_valid=1), Cuts(cut),
                       ParamScheduler("lr", float))
    expected = [(epoch + i / n_train) / epochs for epoch in range(epochs) for i in range(cut)]
    assert flat(rates) == pytest.approx(expected)


def test_a_fit_that_ends_early_leaves_the_rate_where_it_was():
    class Ends(Callback):
        def after_epoch(self): return self.epoch == 1

    learn = learner()
    rates, _ = trained(5, learn, Ends(), ParamScheduler("lr", float))
    assert flat(rates) == pytest.approx([i / 20 for i in range(8)])
    assert learn.opt.param_groups[0]["lr"] == flat(rates)[-1]


def test_an_epoch_without_training_passes_all_the_same():
    class Skips(Callback):
        def begin_epoch(self): return self.epoch == 1

    rates, _ = trained(3, learner(n_train=2), Skips(), ParamScheduler("lr", float))
    assert flat(rates) == pytest.approx([0, 1 / 6, 4 / 6, 5 / 6])


@LAW
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_a_loader_that_lies_leads_never_beyond_the_end(gives, says, epochs):
    learn = learner(n_train=Loader(batches(gives), says))
    rates, _ = trained(epochs, learn, ParamScheduler("lr", one_cycle(1.)))
    positions = [min((e + i / says) / epochs, 1) for e in range(epochs) for i in range(gives)]
    assert flat(rates) == pytest.approx([one_cycle(1.)(pos) for pos in positions], abs=1e-9)


@pytest.mark.parametrize("n", [1, 2])
def test_a_group_that_comes_in_later_follows_one_schedule_but_not_two(n):
    class Adds(Callback):
        def after_batch(self):
            if self.n_iter == 1:
                self.opt.add_param_group({"params": [nn.Parameter(torch.ones(1))]})

    learn, schedules = learner(groups=2), ParamScheduler("lr", [float] * n)
    if n == 1:
        rates, _ = trained(1, learn, Adds(), schedules)
        assert rates == [[0, 0], [0.25] * 3, [0.5] * 3, [0.75] * 3]
    else:
        said = refusal(ValueError, trained, 1, learn, Adds(), schedules)
        assert "2 schedules for 'lr'" in said and "3 parameter groups" in said


# ParamScheduler: what is refused

def refused(learn, *args):
    "The message with which a fit is refused; nothing may have changed."
    before = copy.deepcopy([learn.model.state_dict(), hyper_values(learn.opt)])
    said = refusal(ValueError, trained, 2, learn, ParamScheduler(*args))
    assert str(before) == str([learn.model.state_dict(), hyper_values(learn.opt)])
    return said


def hyper_values(opt):
    "All numbers of an optimizer."
    return [{name: get_hyper(group, name) for name in hyper_names(group)}
            for group in param_groups(opt)]


@pytest.mark.parametrize(("make", "typo", "meant"), [
    (torch.optim.SGD, "momentun", "momentum"), (torch.optim.SGD, "weight_deacy", "weight_decay"),
    (torch.optim.Adam, "beta", "betas"), (torch.optim.RMSprop, "alhpa", "alpha"),
    (Optimizer, "lrr", "lr")])
def test_a_typo_is_refused_with_what_was_meant_and_what_there_is(make, typo, meant):
    learn = learner(make)
    said = refused(learn, typo, float)
    assert said.startswith(f"{make.__name__} has no hyperparameter {typo!r}")
    assert f"did you mean {meant!r}?" in said
    listed = re.search(r"It has (.*)", said)[1].split(", ")
    assert listed == hyper_names(param_groups(learn.opt)[0])


@pytest.mark.parametrize(("make", "name"), [
    (Optimizer, "momentum"), (torch.optim.Adagrad, "momentum"), (torch.optim.SGD, "params"),
    (torch.optim.SGD, "nesterov"), (torch.optim.SGD, "betas"), (Optimizer, "params")])
def test_what_an_optimizer_does_not_have_is_refused(make, name):
    assert f"{make.__name__} has no hyperparameter {name!r}" in refused(learner(make), name, float)


def test_nothing_is_proposed_where_nothing_is_near():
    assert "mean" not in refused(learner(), "zzz", float)


def test_every_group_is_asked_for_the_name():
    learn = learner(groups=2)
    learn.opt.param_groups[0]["warmth"] = 1.
    assert "'warmth'" in refused(learn, "warmth", float)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("n", [0, 3])
def test_a_number_of_schedules_that_fits_no_groups_is_refused(groups, n):
    said = refused(learner(groups=groups), "lr", [float] * n)
    assert f"{n} schedules for 'lr', and {groups} parameter groups" in said
    assert "give one, or one for each group" in said


# against PyTorch's schedulers

def theirs(make, n, **numbers):
    "Rate and momentum that a scheduler of PyTorch sets, step by step."
    opt, found = torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.8, momentum=0.9), []
    scheduler = make(opt, **numbers)
    for _ in range(n):
        found.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        opt.step()
        scheduler.step()
    return found


@LAW
@given(st.integers(1, 4), st.integers(1, 8), st.floats(0, 0.5))
def test_the_cosine_has_the_rates_of_cosine_annealing_lr(epochs, n_train, end):
    total = epochs * n_train
    rates, _ = trained(epochs, learner(n_train=n_train),
                       ParamScheduler("lr", sched(annealing_cos, 0.8, end)))
    expected = theirs(torch.optim.lr_scheduler.CosineAnnealingLR, total, T_max=total, eta_min=end)
    assert flat(rates) == pytest.approx([rate for rate, _ in expected], abs=1e-7)


@LAW
@given(st.integers(1, 4), st.integers(2, 8), st.floats(0.1, 0.9), st.floats(1, 50),
       st.floats(1, 1e5))
def test_one_cycle_has_rates_and_momentum_of_one_cycle_lr(epochs, n_train, pct, div, div_final):
    class Momenta(Callback):
        def after_pred(self): momenta.append(self.opt.param_groups[0]["momentum"])

    total, momenta = epochs * n_train, []
    rates, _ = trained(epochs, learner(n_train=n_train, momentum=0.9), Momenta(),
                       ParamScheduler("lr", one_cycle(0.5, pct, div, div_final)),
                       ParamScheduler("momentum", one_cycle_momentum(0.95, 0.85, pct)))
    expected = theirs(torch.optim.lr_scheduler.OneCycleLR, total, max_lr=0.5,
                      total_steps=total + 1, pct_start=(pct * total + 1) / (total + 1),
                      div_factor=div, final_div_factor=div_final / div)
    assert flat(rates) == pytest.approx([rate for rate, _ in expected], rel=1e-6, abs=1e-9)
    assert momenta == pytest.approx([momentum for _, momentum in expected])


@pytest.mark.parametrize("factor", [0.5, 0.9])
def test_the_exponential_has_the_rates_of_exponential_lr(factor):
    rates, _ = trained(2, learner(), ParamScheduler("lr", sched(annealing_exp, 0.8,
                                                                0.8 * factor ** 8)))
    expected = theirs(torch.optim.lr_scheduler.ExponentialLR, 8, gamma=factor)
    assert flat(rates) == pytest.approx([rate for rate, _ in expected])


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_the_power_law_has_the_rates_of_polynomial_lr(power):
    rates, _ = trained(2, learner(), ParamScheduler("lr", sched(annealing_poly(power), 0.8, 0)))
    expected = theirs(torch.optim.lr_scheduler.PolynomialLR, 8, total_iters=8, power=power)
    assert flat(rates) == pytest.approx([rate for rate, _ in expected])


# as a whole

def test_a_schedule_of_sched_can_be_pickled():
    schedule = pickle.loads(pickle.dumps(sched(annealing_poly(2), 3, 1)))
    assert [schedule(i / 4) for i in range(5)] == [sched(annealing_poly(2), 3, 1)(i / 4)
                                                   for i in range(5)]


def test_annealing_brings_noisy_training_to_rest():
    "A mean is learned from noisy numbers; the falling rate ends nearer to it than a high one."
    def error(schedule):
        torch.manual_seed(0)
        guess = nn.Parameter(torch.zeros(50))
        numbers = [(3 + torch.randn(50), torch.zeros(1)) for _ in range(300)]

        class Guess(nn.Module):
            def forward(self, x): return ((guess - x) ** 2).sum() / 2

        learn = Learner(Guess(), torch.optim.SGD([guess], 0.3), lambda pred, _: pred,
                        DataBunch(numbers, []))
        Runner(ParamScheduler("lr", schedule)).fit(1, learn)
        return (guess - 3).abs().mean().item()

    falling, high = sched(annealing_cos, 0.3, 0), sched(annealing_no, 0.3, 0)
    assert error(falling) < error(high) / 2
