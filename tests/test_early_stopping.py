"Lesson 06: whatever is raised, all that has begun is ended; and a finder leaves no trace."
import copy
import math
import random
import re
import traceback
import warnings
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from exp import callbacks, minibatch_training
from exp import early_stopping as module
from exp.anneal import ParamScheduler, annealing_exp, param_groups, sched
from exp.callbacks import AvgStatsCallback, Callback, DataBunch, DeviceCallback, Learner
from exp.early_stopping import (
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    EarlyStoppingCallback,
    LRFinder,
    Runner,
    StopAfterNBatches,
    TerminateOnNaNCallback,
    lr_find,
)
from exp.minibatch_training import Dataset, get_dls

LAW = settings(deadline=None, max_examples=60)
CANCELS = {"batch": CancelBatchException, "epoch": CancelEpochException, "fit": CancelFitException}
EVENTS = ("begin_fit begin_epoch begin_batch after_pred after_loss after_backward after_step "
          "after_cancel_batch after_batch begin_validate after_cancel_epoch after_epoch "
          "after_cancel_fit after_fit").split()
CLEAN_UP = {f"{end}_{level}" for level in CANCELS for end in ("after_cancel", "after")}
KINDS = [*CANCELS.values(), ValueError, KeyboardInterrupt]
RANK = {**{kind: i for i, kind in enumerate(CANCELS.values())}, ValueError: 3, RuntimeError: 3,
        OSError: 3, KeyboardInterrupt: 4}
VALIDATION = ["begin_batch", "after_pred", "after_loss", "after_batch"]
TRAINING = [*VALIDATION[:3], "after_backward", "after_step", "after_batch"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    plt.close("all")


def toy(n_train=3, n_valid=2, net=None):
    "A learner on given batches of two samples."
    torch.manual_seed(0)
    batches = [(torch.randn(2, 4), torch.randint(3, (2,))) for _ in range(n_train + n_valid)]
    net = net or nn.Linear(4, 3)
    return Learner(net, torch.optim.SGD(net.parameters(), 0.1), cross_entropy,
                   DataBunch(batches[:n_train], batches[n_train:]))


def with_events(cls, action, events=EVENTS):
    "`cls`, with a method for each event that calls `action(self, event)`."
    def method(event): return lambda self: action(self, event)
    for event in events: setattr(cls, event, method(event))
    return cls


def outcome(run, epochs, learn):
    "What comes out of a fit: None or the exception."
    try: run.fit(epochs, learn)
    except BaseException as failure: return failure


def test_exports():
    names = {kind.__name__ for kind in CANCELS.values()} | {
        "Runner", "StopAfterNBatches", "TerminateOnNaNCallback", "EarlyStoppingCallback",
        "LRFinder", "lr_find"}
    assert set(module.__all__) == names
    for name in names: assert getattr(module, name).__doc__.count("\n") == 0
    assert list(Runner.events) == EVENTS and issubclass(Runner, callbacks.Runner)


@pytest.mark.parametrize("kind", CANCELS.values())
def test_the_three_exceptions_are_independent_kinds(kind):
    assert issubclass(kind, Exception)
    assert not any(issubclass(kind, other) for other in CANCELS.values() if other is not kind)
    assert not any(issubclass(kind, other) for other in (RuntimeError, ValueError, StopIteration))


# The promise, against a simulation that knows neither exceptions nor tables

def schedule(epochs, n_train, n_valid):
    "[(event, words for the place)] of a fit in which nothing is raised."
    planned = [("begin_fit", "epoch 0")]
    for epoch in range(epochs):
        place = f"epoch {epoch}"
        planned.append(("begin_epoch", place))
        for batch in range(n_train):
            planned += [(event, f"{place}, training batch {batch}") for event in TRAINING]
        planned.append(("begin_validate", place))
        for batch in range(n_valid):
            planned += [(event, f"{place}, validation batch {batch}") for event in VALIDATION]
        planned.append(("after_epoch", place))
    return [*planned, ("after_fit", planned[-1][1])]


class Simulation:
    "What three listeners hear, and what comes out, when some of their calls fail."
    def __init__(self, epochs, n_train, n_valid, faults):
        self.faults = faults  # {(number of the event, listener): exception}
        self.heard, self.number, self.open, self.words = [], 0, [], {}
        self.came, self.raised = self.play(schedule(epochs, n_train, n_valid)), len(self.words)

    def play(self, planned):
        "Go through the plan; after a failure go on behind the level that it ends."
        at = 0
        while at < len(planned):
            event, place = planned[at]
            when, _, level = event.partition("_")
            if level in CANCELS and when == "begin": self.open.append(level)
            if level in CANCELS and when == "after": self.open.pop()
            failure = self.happens(event, place)
            while failure:
                if not self.open: return failure
                level = self.open[-1]
                if ", " in place and level != "batch": place = place.partition(", ")[0]
                failure = self.end(level, failure, place)
                if not failure:
                    at = next(i for i in range(at, len(planned))
                              if planned[i][0] == f"after_{level}")
                    break
            at += 1

    def end(self, level, failure, place):
        "End the innermost level; what goes on from there."
        self.open.pop()
        if isinstance(failure, CANCELS[level]):
            self.outer = True
            failure = self.happens(f"after_cancel_{level}", place)
        return self.stronger(failure, self.happens(f"after_{level}", place))

    def happens(self, event, place):
        "Everybody hears an event, or everybody up to the one that fails; what goes on from there."
        failure = None
        for listener in range(3):
            self.heard.append((listener, event))
            found = self.faults.get((self.number, listener))
            if found: failure = self.stronger(failure, self.judged(found, event, place))
            if found and event not in CLEAN_UP: break
        self.number += 1
        return failure

    def judged(self, failure, event, place):
        "A cancel of a level that is not open is a mistake."
        self.words[failure] = f"Hears.{event}", place
        level = next((name for name, kind in CANCELS.items() if isinstance(failure, kind)), None)
        if level is None or level in self.open: return failure
        mistake = RuntimeError()
        mistake.__cause__ = failure
        return mistake

    def stronger(self, first, second):
        "The one of two that goes on."
        if first is None or second is None: return first or second
        return second if RANK[type(second)] > RANK[type(first)] else first


class Hears(Callback):
    "Notes every event, and fails in some of its calls."
    def __init__(self, listener, heard, faults):
        self.listener, self.heard, self.faults, self.n = listener, heard, faults, 0

    def meet(self, event):
        self.heard.append((self.listener, event))
        self.n += 1
        if failure := self.faults.get((self.numbers(), self.listener)): raise failure

    def numbers(self):
        "The number of this event: it is the last one in the Runner's log."
        return len(self.run.called) - 1


with_events(Hears, Hears.meet)


class Logged(Runner):
    "Writes down every event that is called."
    def __call__(self, event, listeners=None):
        if listeners is None: self.called.append(event)
        return super().__call__(event, listeners)


def is_whole(called):
    "Whether every begin_X in a list of events has its after_X, in the right order."
    open_levels = []
    for event in called:
        when, _, level = event.rpartition("_")
        if when == "begin" and level in CANCELS: open_levels.append(level)
        if when == "after" and level in CANCELS and open_levels.pop() != level: return False
    return not open_levels


def compare(shape, faults):
    "A fit with these faults does what the simulation says; then one without any is whole."
    epochs, n_train, n_valid = shape
    expected, heard = Simulation(*shape, faults), []
    cbs, learn = [Hears(i, heard, faults) for i in range(3)], toy(n_train, n_valid)
    run = Logged(cbs)
    run.called = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        came = outcome(run, epochs, learn)
    assert heard == expected.heard and is_whole(run.called)
    if isinstance(expected.came, RuntimeError):
        assert type(came) is RuntimeError and came.__cause__ is expected.came.__cause__
        assert expected.words[came.__cause__][0] in str(came)
        assert type(came.__cause__).__name__ in str(came)
    else: assert came is expected.came
    if isinstance(came, KeyboardInterrupt): assert came.args == (expected.words[came][1],)
    if len(expected.words) == 2:
        _, second = expected.words
        if came not in (None, second) and came.__cause__ is not second and RANK[type(second)] > 2:
            assert [repr(second) in str(w.message) for w in caught] == [True], "it is shown"
    assert run.learn is None and run.loss is None and torch.is_grad_enabled()
    run.called.clear()
    for cb in cbs: cb.faults = {}
    assert outcome(run, epochs, learn) is None
    assert run.called == [event for event, _ in schedule(*shape)]
    return expected


def first_at(shape, event, faults=None):
    "The number of the first `event` in the second half of a fit with these faults."
    heard = [e for i, e in Simulation(*shape, faults or {}).heard if i == 0]
    half = 0 if event in ("begin_fit", "after_cancel_fit") else heard.index("after_epoch") + 1
    if event == "after_epoch": half -= 1
    return heard.index(event, half)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("event", EVENTS)
def test_everything_that_began_is_ended(event, kind, place):
    shape, faults = (3, 3, 2), {}
    level = event.removeprefix("after_cancel_")
    if level in CANCELS:
        begin = {"batch": "begin_batch", "epoch": "begin_validate", "fit": "after_loss"}[level]
        faults[first_at(shape, begin), 1] = CANCELS[level]()
    failure = kind()
    faults[first_at(shape, event, dict(faults)), place] = failure
    expected = compare(shape, faults)
    assert failure in expected.words, "it was raised"


@LAW
@given(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)),
       st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2), st.sampled_from(KINDS)),
                max_size=5))
def test_several_failures_end_what_the_simulation_says(shape, faults):
    faults = {(number, listener): kind() for number, listener, kind in faults}
    expected = compare(shape, faults)
    ends = [level for _, event in expected.heard for level in [event.removeprefix("after_")]
            if event == f"after_{level}" and level in CANCELS]
    assert len(ends) % 3 == 0, "everybody hears the end"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, *CANCELS.values()])
def test_failures_outside_of_any_callback_end_everything_too(kind):
    "In the model, the loss, the optimizer and a loader; a cancel there ends its level."
    def broken(*_): raise kind("own")
    for name in ("forward", "loss_func", "step", "loader"):
        learn, heard = toy(), []
        if name == "forward": learn.model.forward = broken
        if name == "loss_func": learn.loss_func = broken
        if name == "step": learn.opt.step = broken
        if name == "loader": learn.data.train_dl = map(broken, range(2))
        run = Logged(Hears(0, heard, {}))
        run.called = []
        came = outcome(run, 1, learn)
        assert is_whole(run.called) and run.called[-1] == "after_fit" and run.learn is None
        caught = kind in CANCELS.values() and (name, kind) != ("loader", CancelBatchException)
        assert (came is None) if caught else (type(came) is kind and came.args == ("own",))


def test_the_users_exception_comes_out_with_its_cause_and_its_traceback():
    class Fails(Callback):
        def after_loss(self): self.deeper()

        def deeper(self):
            try: {}["no such key"]
            except KeyError as error: raise failure from error

    failure = ValueError("mine")
    came = outcome(Runner([Fails(), AvgStatsCallback(quiet=True)]), 2, toy())
    assert came is failure and isinstance(came.__cause__, KeyError) and came.args == ("mine",)
    names = [frame.name for frame in traceback.extract_tb(came.__traceback__)]
    assert names[-2:] == ["after_loss", "deeper"] and names[:2] == ["outcome", "fit"]


def test_an_interrupt_says_where_it_came_unless_it_has_words():
    class Interrupts(nn.Linear):
        def forward(self, x):
            self.left -= 1
            if self.left == 0: raise self.failure
            return super().forward(x)

    net = Interrupts(4, 3)
    expected = [f"epoch {e}, {mode} batch {b}" for e in range(2)
                for mode, n in (("training", 3), ("validation", 2)) for b in range(n)]
    for i, words in enumerate(expected):
        net.left, net.failure, run = i + 1, KeyboardInterrupt(), Runner()
        came = outcome(run, 2, toy(net=net))
        assert came is net.failure and came.args == (words,)
        assert run.position == words.partition(",")[0], "no batch is running any more"
    net.left, net.failure = 1, KeyboardInterrupt("my", "words")
    assert outcome(Runner(), 2, toy(net=net)).args == ("my", "words")


@pytest.mark.parametrize("event", EVENTS)
def test_the_model_goes_with_the_exception(event):
    "No cycle of references keeps it, so nothing waits for the garbage collector."
    class Fails(Callback):
        def meet(self, name):
            if self.armed and name == event: raise ValueError(name)
            if self.armed and name == self.first: raise self.cancel

    with_events(Fails, Fails.meet)
    level = event.removeprefix("after_cancel_")
    Fails.armed, Fails.first = True, f"begin_{level}" if level in CANCELS else None
    Fails.cancel = CANCELS.get(level)
    learn, run = toy(), Runner([Fails(), AvgStatsCallback(quiet=True)])
    model, came = weakref.ref(learn.model), outcome(run, 1, learn)
    assert isinstance(came, ValueError) and model() is not None
    del learn, came
    assert model() is None


def test_a_cancel_outside_its_level_counts_as_an_error_beside_other_errors():
    "The mistake came first, so what fails after it in the same clean-up is a warning."
    class First(Callback):
        def after_epoch(self): raise CancelEpochException

    class Second(Callback):
        def after_epoch(self): raise ValueError("later")

    with pytest.warns(UserWarning, match="later.*also failed"):
        came = outcome(Runner([First(), Second()]), 1, toy())
    assert type(came) is RuntimeError and re.search("First.after_epoch.*CancelEpoch", str(came))
    assert re.search("no epoch is running", str(came))


def test_subclasses_of_a_cancel_are_that_cancel():
    class EnoughException(CancelEpochException): pass

    class Enough(Callback):
        def begin_batch(self): raise EnoughException

    run = Logged(Enough())
    run.called = []
    run.fit(2, toy())
    assert run.called.count("after_cancel_epoch") == 2 == run.called.count("begin_batch")


def test_complete_tells_whole_epochs_from_broken_ones():
    class Notes(Callback):
        order = 5
        def begin_fit(self): self.seen = []
        def after_epoch(self): self.seen.append(self.run.complete)

    class Breaks(Callback):
        def begin_validate(self):
            if self.epoch == 1: raise CancelEpochException
            return self.epoch == 2

        def after_pred(self):
            if self.epoch == 3: raise CancelBatchException
            if self.epoch == 4: raise CancelFitException

    run = Runner([Breaks(), Notes()])
    run.fit(9, toy())
    assert run.notes.seen == [True, False, True, True, False]


# Without cancels it is lesson 04's

class Answers(Callback):
    "Answers True, or asks for a stop, at the events whose numbers are given."
    def __init__(self, true_at, stop_at):
        self.heard, self.true_at, self.stop_at = [], set(true_at), set(stop_at)

    def meet(self, event):
        number = len(self.heard)
        self.heard.append((event, self.run.n_iter, self.in_train, self.run.stop))
        if number in self.stop_at: self.run.stop = True
        return number in self.true_at


with_events(Answers, Answers.meet, callbacks.Runner.events)


@LAW
@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.lists(st.integers(0, 40)),
       st.lists(st.integers(0, 40)))
def test_without_cancels_it_is_lesson_04s_runner(epochs, n_train, n_valid, true_at, stop_at):
    results = []
    for kind in (callbacks.Runner, Runner):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.4), nn.Linear(4, 3))
        answers, learn = Answers(true_at, stop_at), toy(n_train, n_valid, net)
        run = kind([answers, AvgStatsCallback(quiet=True)])
        run.fit(epochs, learn)
        results.append((answers.heard, run.n_iter, run.epochs_done, run.stats, run.stop,
                        list(net.state_dict().values()), [p.grad for p in net.parameters()]))
    (*old, old_state, old_grads), (*new, new_state, new_grads) = results
    assert repr(old) == repr(new)
    assert all(map(torch.equal, old_state, new_state))
    assert all((a is None) == (b is None) and (a is None or torch.equal(a, b))
               for a, b in zip(old_grads, new_grads))


def test_an_unknown_event_is_refused_and_the_new_ones_are_known():
    with pytest.raises(ValueError, match="no event 'after_cancel_step'.*after_cancel_batch"):
        Runner()("after_cancel_step")

    class Late(Callback):
        def after_cancel_bacth(self): pass

    with pytest.warns(UserWarning, match="after_cancel_batch"): Runner(Late())


def test_a_stop_that_was_asked_for_before_an_exception_does_not_reach_the_next_fit():
    class Stops(Callback):
        def after_pred(self):
            if self.armed:
                self.run.stop = True
                raise self.failure

    for failure in (CancelEpochException(), ValueError(), KeyboardInterrupt()):
        Stops.armed, Stops.failure, run = True, failure, Logged(Stops())
        run.called, learn = [], toy()
        outcome(run, 1, learn)
        assert run.stop is False
        Stops.armed = False
        run.called.clear()
        run.fit(1, learn)
        assert run.called.count("after_batch") == 5


# Reasons to stop

@LAW
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4))
def test_stop_after_n_batches_takes_n_steps(n, n_train, epochs):
    run, learn = Logged(StopAfterNBatches(n)), toy(n_train)
    run.called = []
    run.fit(epochs, learn)
    assert run.called.count("after_step") == run.n_iter == min(n, n_train * epochs)
    assert run.called.count("begin_epoch") == min(epochs, math.ceil(n / n_train))
    assert run.called.count("after_cancel_fit") == (n <= n_train * epochs)


@pytest.mark.parametrize("n", [0, -3])
def test_stop_after_no_batches_is_refused(n):
    with pytest.raises(ValueError, match=f"n is {n}"): StopAfterNBatches(n)


def scripted(factors, valid=(), lr=0.25):
    "A learner whose loss is its only weight, 1 at first, times the factor of the batch."
    net = nn.Linear(1, 1, bias=False)
    nn.init.ones_(net.weight)
    dls = [[(torch.ones(1, 1), torch.tensor([[float(f)]])) for f in given]
           for given in (factors, valid)]
    return Learner(net, torch.optim.SGD(net.parameters(), lr),
                   lambda pred, factor: (pred * factor).sum(), DataBunch(*dls))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", range(4))
def test_terminate_on_nan_ends_the_fit_before_the_step(bad, where, capsys):
    factors = [1.] * 4
    factors[where] = bad
    learn, run = scripted(factors), Logged(TerminateOnNaNCallback())
    run.called = []
    run.fit(3, learn)
    assert learn.model.weight.item() == 1 - where / 4 and run.n_iter == where + 1
    assert "begin_validate" not in run.called and run.called.count("after_backward") == where
    said = capsys.readouterr().out
    assert f"epoch 0, training batch {where}" in said and "learning rate 0.25" in said


def test_terminate_on_nan_leaves_validation_and_good_losses_alone(capsys):
    run = Logged(TerminateOnNaNCallback())
    run.called = []
    run.fit(2, scripted([1, 1], [math.nan, math.inf, 1]))
    assert run.called.count("after_loss") == 10 and capsys.readouterr().out == ""


def test_terminate_on_nan_names_the_rate_of_the_last_group(capsys):
    learn = scripted([math.nan])
    learn.opt.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 7.5})
    Runner(TerminateOnNaNCallback()).fit(1, learn)
    assert "learning rate 7.5;" in capsys.readouterr().out


# Early stopping

class Dictates(Callback):
    "Puts a number into run.stats after each epoch, and the epoch into the weight."
    def __init__(self, monitor, numbers): self.monitor, self.numbers = monitor, numbers

    def after_epoch(self):
        number = self.numbers[self.epoch]
        measured = {} if number is None else {"valid_loss": 0., self.monitor: number}
        self.run.stats = {"train_loss": 0.} | measured
        with torch.no_grad(): self.model.weight.fill_(self.epoch)


def stopped(numbers, patience, min_delta, falls):
    "(best epoch, last epoch) of early stopping, worked out from the numbers alone."
    best = None
    since = 0
    for epoch, number in enumerate(numbers):
        if number is None: continue
        gain = math.inf if best is None else (numbers[best] - number) * (1 if falls else -1)
        if not math.isnan(number) and gain > min_delta: best, since = epoch, 0
        else: since += 1
        if since == patience: return best, epoch
    return best, len(numbers) - 1


NUMBERS = st.lists(st.none() | st.just(math.nan) | st.integers(-3, 3).map(lambda n: n / 2),
                   min_size=1, max_size=9)


@LAW
@given(NUMBERS, st.sampled_from(["valid_loss", "error_rate", "accuracy", "f1"]),
       st.integers(1, 4), st.sampled_from([0., 0.25, 1.]), st.booleans())
def test_early_stopping_is_what_the_numbers_say(numbers, monitor, patience, min_delta, restore):
    best, last = stopped(numbers, patience, min_delta, "loss" in monitor or "error" in monitor)
    learn = scripted([1])
    stops = EarlyStoppingCallback(monitor, min_delta, patience, restore)
    run = Runner([stops, Dictates(monitor, numbers)])
    for _ in range(2):
        run.fit(len(numbers), learn)
        assert (stops.best_epoch, run.epoch) == (best, last)
        kept = last if best is None or not restore else best
        assert learn.model.weight.item() == kept and stops.best_weights is None


def test_early_stopping_compares_whole_epochs_only():
    "A broken epoch would have been the best by far."
    class Breaks(Callback):
        def after_pred(self):
            if self.epoch == 2: raise CancelEpochException

    stops, learn = EarlyStoppingCallback(patience=2), scripted([1])
    run = Runner([Dictates("valid_loss", [5, 4, 0, 4.5, 3, 9, 9]), stops, Breaks()])
    run.fit(7, learn)
    assert stops.best_epoch == 4 and run.epoch == 6 and learn.model.weight.item() == 4


@pytest.mark.parametrize("failure", [ValueError("x"), KeyboardInterrupt(), CancelFitException()])
def test_early_stopping_restores_the_best_weights_however_the_fit_ends(failure):
    class Breaks(Callback):
        def begin_validate(self):
            if self.epoch == 3: raise failure

    stops, learn = EarlyStoppingCallback(), scripted([1, 1])
    run = Runner([Dictates("valid_loss", [5, 1, 2, 0]), stops, Breaks()])
    came = outcome(run, 4, learn)
    assert came is (None if isinstance(failure, CancelFitException) else failure)
    assert learn.model.weight.item() == 1 and stops.best_epoch == 1


def test_early_stopping_restores_buffers_into_the_same_tensors():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    kept, learn, seen = list(net.parameters()), toy(net=net), {}

    class Sees(Callback):
        def after_epoch(self):
            self.run.stats = {"valid_loss": abs(self.epoch - 1), "train_loss": 0.}
            if self.epoch == 1: seen.update(copy.deepcopy(self.model.state_dict()))

    Runner([Sees(), EarlyStoppingCallback(patience=9)]).fit(4, learn)
    assert all(map(torch.equal, seen.values(), net.state_dict().values()))
    assert all(a is b for a, b in zip(kept, net.parameters())) and net[1].num_batches_tracked == 6


def test_early_stopping_stands_a_fit_that_ends_before_it_begins():
    "An earlier callback cancels, or fails, in begin_fit: no begin_fit here, and no new error."
    class Refuses(Callback):
        order = -1
        def begin_fit(self): raise self.failure

    for failure in (CancelFitException(), ValueError("mine")):
        Refuses.failure = failure
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            came = outcome(Runner([Refuses(), EarlyStoppingCallback(), LRFinder()]), 1, toy())
        assert came is (failure if isinstance(failure, ValueError) else None)


@pytest.mark.parametrize("monitor", ["acuracy", "valid", "train_accuracy"])
def test_a_number_that_never_comes_is_named_after_one_epoch(monitor):
    run = Logged([AvgStatsCallback(quiet=True), EarlyStoppingCallback(monitor)])
    run.called = []
    with pytest.raises(ValueError, match=f"'{monitor}'.*train_loss, valid_loss"): run.fit(3, toy())
    assert run.called.count("begin_epoch") == 1
    with pytest.raises(ValueError, match="nothing.*AvgStatsCallback"):
        Runner(EarlyStoppingCallback(monitor)).fit(3, toy())


def test_early_stopping_waits_while_validation_is_skipped():
    class Skips(Callback):
        def begin_validate(self): return self.epoch % 2 == 0

    stops = EarlyStoppingCallback(patience=1, min_delta=1e9)
    run = Runner([AvgStatsCallback(quiet=True), stops, Skips()])
    run.fit(9, toy())
    assert run.epoch == 3 and stops.best_epoch == 1


def test_a_number_that_came_once_may_be_missing_later():
    class Measures(Callback):
        def after_epoch(self): self.run.stats = {} if self.epoch else {"valid_loss": 1.}

    stops = EarlyStoppingCallback(patience=1)
    Runner([Measures(), stops]).fit(4, toy())
    assert stops.best_epoch == 0 and stops.wait == 0


@pytest.mark.parametrize("options", [{"patience": 0}, {"patience": -1}, {"min_delta": -1e-9}])
def test_early_stopping_refuses_what_makes_no_sense(options):
    with pytest.raises(ValueError, match=str(*options.values())): EarlyStoppingCallback(**options)


# The finder leaves no trace

class Own:
    "An optimizer written by hand, with its parameters under a name of its own, and momentum."
    def __init__(self, weights, lr=0.1):
        self.weights, self.lr = list(weights), lr
        self.speed = [torch.zeros_like(p) for p in self.weights]

    def step(self):
        with torch.no_grad():
            for p, v in zip(self.weights, self.speed):
                if p.grad is None: continue
                v.mul_(0.9).add_(p.grad)
                p -= self.lr * v

    def zero_grad(self):
        for p in self.weights: p.grad = None


OPTIMIZERS = {
    "SGD": lambda ps: torch.optim.SGD(ps, 0.05, momentum=0.9),
    "Adam": lambda ps: torch.optim.Adam(ps, 0.01),
    "RMSprop": lambda ps: torch.optim.RMSprop(ps, 0.01, momentum=0.5),
    "groups": lambda ps: torch.optim.AdamW([{"params": ps[:2]}, {"params": ps[2:], "lr": 0.3}]),
    "exp": lambda ps: minibatch_training.Optimizer(ps, 0.1),
    "own": Own,
}


def lived(name="Adam", device="cpu", epochs=1):
    "A learner in the middle of its life: buffers, a mixture of modes, a gradient, a memory."
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    net.to(device)
    x, y = torch.randn(40, 4), torch.randint(3, (40,))
    own = torch.Generator().manual_seed(5)
    train_dl = DataLoader(TensorDataset(x, y), 8, shuffle=True, generator=own)
    opt = OPTIMIZERS[name](list(net.parameters()))
    learn = Learner(net, opt, cross_entropy, DataBunch(train_dl, [(x, y)]))
    Runner(DeviceCallback(device)).fit(epochs, learn)
    net.train()
    net[2].eval()
    net[0].bias.requires_grad_(False)
    net[0].weight.grad = torch.ones(6, 4, device=device)
    return learn


def frozen(value):
    "A value as nested tuples of plain data, to compare bit for bit; parameters by identity."
    if isinstance(value, nn.Parameter): return "parameter", id(value)
    if torch.is_tensor(value): return str(value.dtype), value.detach().cpu().numpy().tobytes()
    if isinstance(value, np.ndarray): return value.tobytes()
    if isinstance(value, dict): return tuple((frozen(k), frozen(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)): return tuple(map(frozen, value))
    return repr(value)


def snapshot(learn):
    "Everything that a finder must leave as it is."
    net, opt = learn.model, learn.opt
    parts = {
        "weights and buffers": {k: v.clone() for k, v in net.state_dict().items()},
        "identities": [id(p) for p in (*net.parameters(), *net.modules())],
        "gradients": [p.grad if p.grad is None else p.grad.clone() for p in net.parameters()],
        "requires_grad": [p.requires_grad for p in net.parameters()],
        "modes": [m.training for m in net.modules()],
        "groups": [{k: v for k, v in group.items() if k != "state"} for group in param_groups(opt)],
        "memory": getattr(opt, "state", {}),
        "random": [torch.get_rng_state(), np.random.get_state(), random.getstate()],
        "loader": learn.data.train_dl.generator.get_state()}
    if torch.cuda.is_available(): parts["cuda"] = torch.cuda.get_rng_state_all()
    return {name: frozen(part) for name, part in parts.items()}


class Noisy(Callback):
    "Uses every source of random numbers; fails at an event of the seventh batch."
    def __init__(self, event=None, failure=None): self.at, self.failure, self.n = event, failure, 0

    def meet(self, event):
        torch.rand(1), np.random.rand(), random.random()
        if event == "begin_batch": self.n += 1
        if event == self.at and self.n == 7: raise self.failure


with_events(Noisy, Noisy.meet, TRAINING)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_finder_changes_nothing(name):
    learn = lived(name)
    before = snapshot(learn)
    finder = lr_find(learn, Noisy(), num_it=12, start_lr=1e-3, end_lr=5., stop_div=False)
    assert len(finder.losses) == 12 and len(set(finder.losses)) > 6, "it did train"
    after = snapshot(learn)
    for part in before: assert after[part] == before[part], part


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_after_the_finder_as_if_it_had_not_been(name):
    results = []
    for search in (False, True):
        learn = lived(name)
        if search: lr_find(learn, num_it=9, stop_div=False)
        Runner().fit(2, learn)
        memory = frozen(list(getattr(learn.opt, "state", {}).values()))
        results.append({**snapshot(learn), "memory": memory})
    for part in ("weights and buffers", "gradients", "modes", "memory", "loader"):
        assert results[0][part] == results[1][part], part


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, *CANCELS.values()])
@pytest.mark.parametrize("event", TRAINING)
def test_the_finder_changes_nothing_when_it_is_broken_off(event, kind):
    for name in ("Adam", "own"):
        learn = lived(name)
        before, failure = snapshot(learn), kind()
        run = Runner([Noisy(event, failure), LRFinder(num_it=9, stop_div=False)])
        came, wrong = outcome(run, 1, learn), (event, kind) == ("after_batch", CancelBatchException)
        if wrong: assert isinstance(came, RuntimeError)
        else: assert came is (None if kind in CANCELS.values() else failure)
        assert snapshot(learn) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_finder_changes_nothing_on_cuda(name):
    learn = lived(name, "cuda")
    before = snapshot(learn)
    finder = lr_find(learn, DeviceCallback("cuda"), num_it=12, stop_div=False)
    assert len(finder.losses) == 12 and snapshot(learn) == before


def test_a_new_learner_is_new_after_the_finder():
    net = nn.Linear(4, 3)
    learn = toy(net=net)
    learn.opt = torch.optim.Adam(net.parameters())
    finder = lr_find(learn, num_it=6, stop_div=False)
    assert len(finder.lrs) == 6 and not learn.opt.state
    assert all(p.grad is None for p in net.parameters()) and learn.opt.param_groups[0]["lr"] == 1e-3


def test_the_optimizer_goes_on_with_its_own_parameters_and_dicts():
    "Also with one that is not the model's, or under another name, and with an own memory."
    class Remembers(Own):
        def __init__(self, weights):
            super().__init__(weights)
            self.state = {self.weights[0]: {"steps": 0}}

        def step(self):
            super().step()
            self.state[self.weights[0]]["steps"] += 1

    learn, extra = toy(), nn.Parameter(torch.ones(1))
    learn.opt.add_param_group({"params": [extra], "lr": 2.})
    groups = list(learn.opt.param_groups)
    lr_find(learn, num_it=3, stop_div=False)
    assert all(a is b for a, b in zip(groups, learn.opt.param_groups))
    assert groups[1]["params"] == [extra] and groups[1]["params"][0] is extra
    learn.opt = own = Remembers(learn.model.parameters())
    state = own.state
    lr_find(learn, num_it=3, stop_div=False)
    assert own.state is state and state == {own.weights[0]: {"steps": 0}}
    assert all(a is b for a, b in zip(own.weights, learn.model.parameters()))


def test_a_shuffled_loader_gives_the_batches_that_it_would_have_given():
    data, firsts = Dataset(torch.arange(30.)[:, None], torch.zeros(30, 1)), []
    for search in (False, True):
        torch.manual_seed(0)
        net = nn.Linear(1, 1)
        dls = get_dls(data, data, 4)
        learn = Learner(net, torch.optim.SGD(net.parameters(), 0.1), nn.functional.mse_loss,
                        DataBunch(*dls))
        if search: lr_find(learn, num_it=20, end_lr=1e-5)
        firsts.append([xb.flatten().tolist() for xb, _ in dls[0]])
    assert firsts[0] == firsts[1]


def test_the_finder_lets_go_and_can_be_used_again():
    learn = toy()
    finder = LRFinder(num_it=5, stop_div=False)
    run = Runner(finder)
    run.fit(1, learn)
    first, model = list(finder.losses), weakref.ref(learn.model)
    run.fit(1, learn)
    assert finder.losses == first and len(finder.lrs) == 5
    del learn
    assert model() is None


# What the finder measures

class Stream(IterableDataset):
    "Batches without a length."
    def __init__(self, n): self.n = n

    def __iter__(self):
        return iter([(torch.ones(1, 1), torch.ones(1, 1))] * self.n)


class Rates(Callback):
    "Notes the rates at the step, how many epochs were asked for, and how many came."
    order = 60
    def begin_fit(self): self.rates, self.asked, self.came = [], self.run.epochs, 0
    def begin_epoch(self): self.came += 1
    def after_step(self): self.rates.append([g["lr"] for g in self.opt.param_groups])


@LAW
@given(st.integers(2, 25), st.integers(1, 30), st.floats(1e-8, 1e-2), st.floats(1.1, 1e6))
def test_the_rates_rise_by_equal_factors_in_every_group(num_it, n, start, factor):
    learn, rates = scripted([0.] * n), Rates()
    learn.opt.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 3.})
    finder = lr_find(learn, [rates, ParamScheduler("lr", sched(annealing_exp, 1, 2))],
                     start_lr=start, end_lr=start * factor, num_it=num_it)
    assert rates.rates == [[lr, lr] for lr in finder.lrs] and len(finder.lrs) == num_it
    assert rates.asked == rates.came == -(-num_it // n)
    assert finder.lrs[0] == pytest.approx(start) and finder.lrs[-1] == pytest.approx(start * factor)
    steps = [b / a for a, b in zip(finder.lrs, finder.lrs[1:])]
    assert steps == pytest.approx([factor ** (1 / (num_it - 1))] * (num_it - 1))
    assert [g["lr"] for g in learn.opt.param_groups] == [0.25, 3.]


@pytest.mark.parametrize("loader", [Stream(4), DataLoader(Stream(4), batch_size=None)])
def test_a_loader_without_a_length_is_repeated_as_often_as_needed(loader):
    learn, rates = scripted([1]), Rates()
    learn.loss_func, learn.data.train_dl = lambda pred, yb: 0 * (pred * yb).sum(), loader
    finder = lr_find(learn, rates, num_it=10)
    assert len(finder.losses) == 10 and rates.came == 3 <= rates.asked


def test_the_finder_needs_no_validation_and_calls_none():
    learn = toy()
    learn.data.valid_dl = None
    run = Logged(LRFinder(num_it=4, stop_div=False))
    run.called = []
    run.fit(1, learn)
    assert run.called.count("begin_validate") == 1 and run.called.count("begin_batch") == 4


def found(losses, **options):
    "A finder after these losses: the rates are too small to move the weight."
    options = {"start_lr": 1e-15, "end_lr": 1e-13, "num_it": len(losses)} | options
    return lr_find(scripted(losses), **options)


LOSSES = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=12)


@LAW
@given(LOSSES)
def test_losses_are_smoothed_and_the_search_ends_when_they_explode(losses):
    smooth = [losses[0]]
    for loss in losses[1:]: smooth.append(0.8 * smooth[-1] + 0.2 * loss)
    ends = next((i for i in range(len(smooth)) if smooth[i] > min(smooth[:i + 1])
                 + 3 * abs(min(smooth[:i + 1])) + 1e-9), len(smooth) - 1)
    assert found(losses, stop_div=False).losses == pytest.approx(smooth, abs=1e-6)
    near = [i for i in range(len(smooth)) if abs(smooth[i] - min(smooth[:i + 1])
                                                - 3 * abs(min(smooth[:i + 1]))) < 1e-6]
    if not [i for i in near if i < ends and smooth[i] != 0 and smooth[i] != min(smooth[:i + 1])]:
        assert found(losses).losses == pytest.approx(smooth[:ends + 1], abs=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_ends_the_search(bad):
    assert len(found([2, 1, bad, 1]).losses) == 3
    assert len(found([2, 1, bad, 1], stop_div=False).losses) == 4


@LAW
@given(LOSSES)
def test_the_suggestion_is_a_tenth_of_the_rate_at_the_lowest_loss(losses):
    finder = found(losses, stop_div=False)
    lowest = finder.losses.index(min(finder.losses))
    assert finder.lowest == lowest
    if lowest: assert finder.suggestion() == pytest.approx(finder.lrs[lowest] / 10)
    else:
        with pytest.raises(ValueError, match=f"{len(losses)} batches.*never fell"):
            finder.suggestion()


def test_a_finder_that_has_not_run_suggests_nothing_and_says_so():
    finder = LRFinder()
    with pytest.raises(ValueError, match="after 0 batches from 1e-07 to 10"): finder.suggestion()
    assert finder.lowest == 0


@pytest.mark.parametrize("options", [
    {"start_lr": 0}, {"start_lr": -1}, {"start_lr": 2, "end_lr": 2}, {"start_lr": 3, "end_lr": 2},
    {"num_it": 1}, {"num_it": 0}, {"end_lr": math.nan}])
def test_rates_that_do_not_rise_are_refused(options):
    with pytest.raises(ValueError) as refused: lr_find(toy(), **options)
    for value in options.values(): assert str(value) in str(refused.value)


def test_the_plot_shows_the_curve_the_lowest_point_and_the_suggestion():
    finder = found([5, 4, 2, 3, 6])
    ax = finder.plot()
    curve, dot, line = ax.get_lines()
    assert ax.get_xscale() == "log" and ax.get_xlabel() and ax.get_ylabel()
    assert [list(curve.get_xdata()), list(curve.get_ydata())] == [finder.lrs, finder.losses]
    assert dot.get_xdata()[0] == pytest.approx(finder.lrs[finder.lowest])
    assert dot.get_ydata()[0] == min(finder.losses)
    assert line.get_xdata()[0] == line.get_xdata()[1] == finder.suggestion()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"{finder.suggestion():.2g}" in texts[1] and f"{finder.lrs[3]:.2g}" in texts[0]


def test_the_plot_of_an_explosion_is_not_flattened_by_it():
    finder = found([5, 4, 2, 1, 1e9], stop_div=False)
    low, high = finder.plot().get_ylim()
    assert low < min(finder.losses) and max(finder.losses[:4]) < high < 10


def test_the_plot_says_when_there_is_nothing_to_draw_or_to_suggest():
    ax = LRFinder().plot()
    assert not ax.get_lines() and "no batch was recorded" in ax.texts[0].get_text()
    ax = found([1, 2, 3]).plot()
    assert len(ax.get_lines()) == 1 and ax.get_legend() is None and not ax.texts


@pytest.mark.parametrize("several", [list, tuple, iter, None])
def test_lr_find_runs_other_callbacks_with_it(several):
    first = StopAfterNBatches(3)
    given = several([first, AvgStatsCallback(quiet=True)]) if several else first
    finder = lr_find(toy(), given, num_it=50, stop_div=False)
    assert len(finder.lrs) == 3 and type(finder) is LRFinder and first.run.lr_finder is finder


def test_lr_find_passes_on_what_another_callback_raises_and_leaves_no_trace():
    learn = lived()
    before, failure = snapshot(learn), OSError("disk")
    with pytest.raises(OSError) as raised: lr_find(learn, Noisy("after_step", failure), num_it=20)
    assert raised.value is failure and snapshot(learn) == before
