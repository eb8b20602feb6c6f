"Lesson 10: all that began is ended, what is saved goes on bit for bit, and looks change nothing."
import copy
import gc
import io
import math
import os
import pickle
import random
import signal
import sys
import tracemalloc
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, TensorDataset

import exp.learner as module
from exp.callbacks import AvgStatsCallback, DataBunch
from exp.data import get_data, normalize
from exp.early_stopping import CancelBatchException, CancelEpochException, CancelFitException
from exp.learner import (
    EVENTS,
    Callback,
    CancelTrainException,
    CancelValidException,
    Checkpoint,
    GradientAccumulation,
    GradientClip,
    Learner,
    LRFinder,
    MixedPrecision,
    ParamScheduler,
    ProgressCallback,
    Recorder,
    TrainEvalCallback,
    synth_learner,
)
from exp.minibatch_training import Dataset, Optimizer, accuracy, fit, get_dls

LAW = settings(deadline=None, max_examples=30)
CANCELS = {"batch": CancelBatchException, "train": CancelTrainException,
           "validate": CancelValidException, "epoch": CancelEpochException,
           "fit": CancelFitException}
CLEAN_UP = {f"{end}_{level}" for level in CANCELS for end in ("after_cancel", "after")}
KINDS = [*CANCELS.values(), ValueError, KeyboardInterrupt]
RANK = {**{kind: i for i, kind in enumerate(CANCELS.values())}, ValueError: 5, RuntimeError: 5,
        KeyboardInterrupt: 6}
RANK[CancelValidException] = RANK[CancelTrainException]  # never both in their place
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batches(n, bs=2, seed=0):
    "Random batches for a classifier of three classes."
    own = torch.Generator().manual_seed(seed)
    return [(torch.randn(bs, 4, generator=own), torch.randint(3, (bs,), generator=own))
            for _ in range(n)]


def toy(cbs=(), n_train=3, n_valid=2, net=None, **options):
    "A Learner without default callbacks on given batches."
    torch.manual_seed(0)
    made = batches(n_train + n_valid)
    return Learner(net or nn.Linear(4, 3), DataBunch(made[:n_train], made[n_train:]), cross_entropy,
                   cbs=list(cbs), **{"opt_func": torch.optim.SGD, "lr": 0.1,
                                     "default_cbs": False} | options)


def with_events(cls, action):
    "`cls`, with a method for each event that calls `action(self, event)`."
    def method(event): return lambda self: action(self, event)
    for event in EVENTS: setattr(cls, event, method(event))
    return cls


def outcome(learn, n_epochs=2, **options):
    "What comes out of a fit: None or the exception."
    try: learn.fit(n_epochs, **options)
    except BaseException as failure: return failure


def quietly(function, *args, **kwargs):
    "Call a function; what it prints is left out."
    with redirect_stdout(io.StringIO()): return function(*args, **kwargs)


def state_of(learn):
    "Weights, optimizer, means and record as one text."
    groups = [[t.tolist() for t in learn.model.state_dict().values()], learn.opt.state_dict()]
    record = [list(learn.recorder.losses), list(learn.recorder.lrs), list(learn.recorder.moms),
              learn.recorder.values, learn.recorder.smooth_loss] if "recorder" in [
                  cb.name for cb in learn.cbs] else []
    return repr([groups, learn.stats, record])


def test_exports():
    assert set(module.__all__) == {
        "EVENTS", "CancelTrainException", "CancelValidException", "Callback", "Learner",
        "TrainEvalCallback", "Averages", "Recorder", "ProgressCallback", "ParamScheduler",
        "LRFinder", "GradientClip", "GradientAccumulation", "MixedPrecision", "Checkpoint",
        "synth_learner"}
    for name in ("fit_one_cycle", "lr_find", "validate", "get_preds", "predict", "no_bar", "save",
                 "load", "summary", "fit_flat_cos", "looking"):
        assert name not in module.__all__, "a patched method is no name of the module"
        assert getattr(Learner, name).__doc__.count("\n") == 0
    assert module.CancelFitException is CancelFitException, "lesson 06's"
    kinds = list(CANCELS.values())
    for kind in kinds: assert [issubclass(kind, other) for other in kinds].count(True) == 1


# The promise, against a simulation that knows neither exceptions nor levels

def schedule(n_epochs, n_train, n_valid):
    "[(event, words for the place)] of a fit in which nothing is raised."
    steps = ["before_batch", "after_pred", "after_loss"]
    planned = [("before_fit", "epoch 0")]
    for epoch in range(n_epochs):
        place = f"epoch {epoch}"
        planned.append(("before_epoch", place))
        for level, mode, n, more in [
                ("train", "training", n_train, ["before_backward", "before_step", "after_step"]),
                ("validate", "validation", n_valid, [])]:
            planned.append((f"before_{level}", place))
            for batch in range(n):
                here = f"{place}, {mode} batch {batch}"
                planned += [(event, here) for event in [*steps, *more, "after_batch"]]
            planned.append((f"after_{level}", place))
        planned.append(("after_epoch", place))
    return [*planned, ("after_fit", planned[-1][1])]


class Simulation:
    "What three listeners hear, and what comes out, when some of their calls fail."
    def __init__(self, shape, faults):
        self.faults = faults  # {(number of the event, listener): exception}
        self.heard, self.number, self.open, self.words = [], 0, [], {}
        self.came = self.play(schedule(*shape))

    def play(self, planned):
        "Go through the plan; after a failure go on behind the level that it ends."
        at = 0
        while at < len(planned):
            event, place = planned[at]
            when, _, level = event.partition("_")
            if level in CANCELS and when == "before": self.open.append(level)
            if level in CANCELS and when == "after": self.open.pop()
            failure = self.happens(event, place)
            while failure:
                if not self.open: return failure
                level = self.open[-1]
                if level != "batch": place = place.partition(",")[0]
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
        self.listener, self.heard, self.faults = listener, heard, faults

    def meet(self, event):
        self.heard.append((self.listener, event))
        number = len(self.learn.called) - 1
        if failure := self.faults.get((number, self.listener)): raise failure


with_events(Hears, Hears.meet)


class Logged(Learner):
    "Writes down every event that is called."
    def __call__(self, event, listeners=None):
        if listeners is None: self.called.append(event)
        return super().__call__(event, listeners)


def is_whole(called):
    "Whether every before_X in a list of events has its after_X, in the right order."
    opened = []
    for event in called:
        when, _, level = event.rpartition("_")
        if when == "before" and level in CANCELS: opened.append(level)
        if when == "after" and level in CANCELS and opened.pop() != level: return False
    return not opened


def logged(cbs, n_train, n_valid):
    "A Logged Learner on given batches."
    made = batches(n_train + n_valid)
    learn = Logged(nn.Linear(4, 3), DataBunch(made[:n_train], made[n_train:]), cross_entropy,
                   cbs=cbs, opt_func=torch.optim.SGD, default_cbs=False)
    learn.called = []
    return learn


def compare(shape, faults):
    "A fit with these faults does what the simulation says; then one without any is whole."
    expected, heard = Simulation(shape, faults), []
    cbs = [Hears(i, heard, faults) for i in range(3)]
    learn = logged(cbs, *shape[1:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        came = outcome(learn, shape[0])
    assert heard == expected.heard and is_whole(learn.called)
    if isinstance(expected.came, RuntimeError):
        assert type(came) is RuntimeError and came.__cause__ is expected.came.__cause__
        assert expected.words[came.__cause__][0] in str(came)
        assert type(came.__cause__).__name__ in str(came)
    else: assert came is expected.came
    if isinstance(came, KeyboardInterrupt): assert came.args == (expected.words[came][1],)
    for warning in caught: assert "also failed" in str(warning.message)
    assert learn.running == [] and learn.loss is None and torch.is_grad_enabled()
    learn.called.clear()
    for cb in cbs: cb.faults = {}
    assert outcome(learn, shape[0]) is None
    assert learn.called == [event for event, _ in schedule(*shape)]
    return expected


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_began_is_ended(kind):
    "At every event of two epochs, by each of three listeners in turn."
    shape = (2, 2, 1)
    for number in range(len(schedule(*shape))):
        failure = kind()
        assert failure in compare(shape, {(number, number % 3): failure}).words


@pytest.mark.parametrize("level", CANCELS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_fails_at_the_events_of_a_cancel(level, kind):
    shape = (2, 2, 1)
    number = [event for event, _ in schedule(*shape)].index(f"before_{level}")
    for place in range(3):
        first, second = CANCELS[level](), kind()
        expected = compare(shape, {(number, 0): first, (number + 1, place): second})
        assert expected.words[second][0] == f"Hears.after_cancel_{level}"


@LAW
@given(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)),
       st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2), st.sampled_from(KINDS)),
                max_size=5))
def test_several_failures_end_what_the_simulation_says(shape, faults):
    compare(shape, {(number, listener): kind() for number, listener, kind in faults})


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, *CANCELS.values()])
@pytest.mark.parametrize("place", ["forward", "loss_func", "step", "loader"])
def test_failures_outside_of_any_callback_end_everything_too(place, kind):
    def broken(*_): raise kind("own")
    learn = logged([], 3, 2)
    learn.create_opt()
    if place == "forward": learn.model.forward = broken
    if place == "loss_func": learn.loss_func = broken
    if place == "step": learn.opt.step = broken
    if place == "loader": learn.data.train_dl = map(broken, range(2))
    came = outcome(learn, 1)
    assert is_whole(learn.called) and learn.called[-1] == "after_fit"
    running = {"epoch", "fit"} | ({"batch"} if place != "loader" else set())
    if place in ("loader", "step"): running.add("train")  # the others run in both passes
    caught = any(kind is CANCELS[level] for level in running)
    assert (came is None) if caught else (type(came) is kind and came.args == ("own",))


def test_a_fit_within_a_fit_is_refused_and_the_fit_goes_on_to_its_end():
    class Nests(Callback):
        def after_loss(self): self.learn.fit(1)

    learn = toy([Nests])
    came = outcome(learn)
    assert type(came) is RuntimeError and "epoch 0, training batch 0" in str(came)
    assert learn.running == [] and outcome(toy(), 0) is None
    with pytest.raises(ValueError, match="n_epochs is -2"): learn.fit(-2)


# The same numbers as the loops before

@settings(deadline=None, max_examples=15)
@given(st.sampled_from(["own", "SGD", "AdamW", "RMSprop"]), st.integers(0, 99), st.integers(1, 3))
def test_a_learner_and_the_bare_fit_give_the_same_weights(kind, seed, n_epochs):
    make = {"own": Optimizer, "SGD": lambda ps, lr: torch.optim.SGD(ps, lr, momentum=0.9),
            "AdamW": torch.optim.AdamW, "RMSprop": torch.optim.RMSprop}[kind]
    own = torch.Generator().manual_seed(seed)
    x, y = torch.randn(23, 4, generator=own), torch.randint(3, (23,), generator=own)
    weights = []
    for is_learner in (False, True):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.3), nn.Linear(5, 3))
        dls = get_dls(Dataset(x, y), Dataset(x[:9], y[:9]), 6)
        if is_learner:
            learn = Learner(net, DataBunch(*dls), cross_entropy, opt_func=make, lr=0.05)
            quietly(learn.fit, n_epochs)
        else:
            quietly(fit, n_epochs, net, cross_entropy, make(net.parameters(), lr=0.05), *dls)
        weights.append([*net.state_dict().values()])
    assert all(map(torch.equal, *weights))


def test_the_defaults_listen_to_what_the_course_says():
    learn, names = synth_learner(), ["train_eval", "recorder", "progress"]
    expected = {
        "before_fit": names, "before_epoch": names[1:], "before_train": names, "after_batch": names,
        "after_cancel_train": names[1:2], "after_train": names[1:], "before_validate": names,
        "after_cancel_validate": names[1:2], "after_validate": names[1:],
        "after_epoch": names[1:2], "after_fit": names[2:]}
    for training in (True, False):
        heard = {event: [method.__self__.name for method in methods]
                 for event, methods in learn.listeners[training].items()}
        assert heard == {event: expected.get(event, []) for event in EVENTS}
    for cb in learn.cbs:
        for event in EVENTS:
            method = getattr(type(cb), event, None)
            if method: assert method.__doc__ and "\n" not in method.__doc__


def calls_per_batch(learn):
    "Python function calls within the batches of a fit."
    count, inside = 0, learn._one_batch.__func__.__code__
    def watch(frame, what, _):
        nonlocal count
        outer = frame
        while outer and outer.f_code is not inside: outer = outer.f_back
        count += what == "call" and outer is not None
    sys.setprofile(watch)
    try: learn.fit(1)
    finally: sys.setprofile(None)
    return count


def test_a_hundred_callbacks_that_do_not_listen_cost_no_call():
    class Silent(Callback):
        def before_fit(self): pass
        def after_epoch(self): pass

    assert calls_per_batch(toy()) == calls_per_batch(toy([Silent() for _ in range(100)]))


def test_the_defaults_keep_few_bytes_per_batch():
    learn, kept = synth_learner(n_train=1, default_cbs=True), []
    one = learn.data.train_dl
    for n in (256, 768):
        learn.data.train_dl = one * n
        gc.collect()
        tracemalloc.start()
        quietly(learn.fit, 1)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert (kept[1] - kept[0]) / 512 <= 64


# Callbacks

def test_traps_have_their_messages():
    class Typo(Callback):
        def after_loss(self): return self.lossses

        @property
        def thing(self): return self.no_such_thing

    lonely = Typo()
    with pytest.raises(AttributeError, match="Typo has no Learner yet, so no 'xb'"):
        print(lonely.xb)
    with pytest.raises(AttributeError, match="Typo has no Learner yet, so no 'learn'"):
        print(lonely.learn)
    came = outcome(toy([lonely]))
    assert type(came) is AttributeError and "did you mean 'loss'" in str(came)
    with pytest.raises(AttributeError, match="no_such_thing"):
        print(lonely.thing)
    with pytest.warns(UserWarning, match=r"write self\.learn\.loss = "): lonely.loss = 1
    assert pickle.loads(pickle.dumps(GradientClip(2.))).most == 2
    assert copy.deepcopy(lonely).learn is not lonely.learn


@pytest.mark.parametrize("name", ["fit", "validate", "model", "loss", "summary", "add_cbs", "xb"])
def test_a_class_whose_name_is_taken_is_refused(name):
    kind = type(name, (Callback,), {})
    with pytest.raises(ValueError, match=f"'{name}'.*taken"): toy([kind])


def test_two_classes_of_one_name_two_objects_of_one_class_and_one_object_twice():
    one, two = GradientClip(), GradientClip(2.)
    learn = toy([one, two])
    assert learn.gradient_clip is one
    with pytest.raises(ValueError, match="already"): learn.add_cbs(one)
    other = type("GradientClipCallback", (Callback,), {})
    with pytest.raises(ValueError, match="taken"): learn.add_cbs(other)
    assert learn.remove_cbs(one).gradient_clip is two
    with pytest.raises(AttributeError, match="'recorder'"): learn.recorder  # noqa: B018


@pytest.mark.parametrize("old", [AvgStatsCallback(), AvgStatsCallback, "text", 3])
def test_other_callbacks_are_refused(old):
    with pytest.raises(TypeError, match=r"exp\.learner\.Callback"): toy([old])


@pytest.mark.parametrize("method, meant", [
    ("begin_fit", "before_fit"), ("begin_epoch", "before_epoch"), ("after_bacth", "after_batch"),
    ("begin_batch", "before_batch"), ("after_cancel_valid", "after_cancel_validate")])
def test_events_that_there_are_not_are_warned_of(method, meant):
    cb = type("Late", (Callback,), {method: lambda self: None})
    with pytest.warns(UserWarning, match=f"Late.{method}.*'{meant}'"): toy([cb])


def test_a_switched_off_pass_is_not_heard_and_switches_count_from_the_next_fit():
    heard = []
    cb = with_events(type("Notes", (Callback,), {}), lambda self, event: heard.append(event))()
    learn = toy([cb], 1, 1)
    everything = [event for event, _ in schedule(1, 1, 1)]
    training = everything.index("after_train")
    for on_train, on_valid in [(True, True), (False, True), (True, False), (False, False)]:
        cb.run_train, cb.run_valid = on_train, on_valid
        heard.clear()
        learn.fit(1)
        assert heard == [e for i, e in enumerate(everything) if e.endswith(("_fit", "_epoch")) or
                         (on_train if i <= training else on_valid)]


def test_callbacks_may_come_and_go_during_a_fit():
    class Late(Callback):
        n = 0
        def after_batch(self): self.n += 1

    late = Late()

    class Adds(Callback):
        def after_epoch(self):
            if self.epoch == 0: self.learn.add_cbs(late)
            if self.epoch == 1: self.learn.remove_cbs(late)

    learn = toy([Adds])
    learn.fit(3, cbs=GradientClip())
    assert late.n == 5 and [cb.name for cb in learn.cbs] == ["adds"]


# Data of every form, models on every device

class Stream(IterableDataset):
    "Samples without a length."
    def __iter__(self): return iter([(torch.full((4,), float(i)), i % 3) for i in range(10)])


class Named(nn.Module):
    "Takes its inputs by name."
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 3)

    def forward(self, left, right): return self.lin(left + right)


def test_streams_dicts_triples_and_lists_are_data():
    x, y = batches(1, 6)[0]
    cases = [
        (nn.Linear(4, 3), DataLoader(Stream(), 4), 1),
        (nn.Linear(4, 3), DataLoader([{"a": a, "b": b} for a, b in zip(x, y)], 4), 1),
        (Named(), DataLoader([{"left": a, "right": a, "y": b} for a, b in zip(x, y)], 4), 2),
        (Named(), DataLoader([(a, a, b) for a, b in zip(x, y)], 4), 2),
        (nn.Linear(4, 3), [[x, y]], 1)]
    for net, dl, n_inp in cases:
        learn = Learner(net, DataBunch(dl, dl), cross_entropy, metrics=accuracy, n_inp=n_inp)
        quietly(learn.fit, 2)
        assert learn.n_iter == 2 * len(list(dl)) and 0 <= learn.validate()[1] <= 1
        preds, targets = learn.get_preds()
        assert len(preds) == len(targets) == sum(len(p) for p, _ in [(preds, None)])


def test_batches_without_targets_and_without_a_first_dimension():
    net = nn.Linear(4, 1)
    learn = Learner(net, DataBunch([torch.ones(3, 4), torch.ones(5, 4)], []), torch.mean)
    quietly(learn.fit, 1)
    expected = (learn.recorder.losses[0] * 3 + learn.recorder.losses[1] * 5) / 8
    assert math.isclose(learn.stats["train_loss"], expected, rel_tol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no second device")
def test_models_on_another_device():
    learn = synth_learner(cbs=TrainEvalCallback("cuda"))
    quietly(learn.fit, 2)
    assert learn.model_device.type == "cuda" and learn.get_preds()[0].device.type == "cpu"
    quietly(learn.lr_find, num_it=5)


def test_each_batch_is_moved_to_where_the_model_is():
    "The device without data stands for another one."
    learn = Learner(nn.Linear(4, 3, device="meta"), DataBunch(batches(2), []), cross_entropy,
                    opt_func=torch.optim.SGD, default_cbs=False)
    kinds = []

    class Notes(Callback):
        def before_batch(self): kinds.append((self.xb.device.type, self.yb.device.type))

    learn.fit(1, cbs=Notes)
    assert kinds == [("meta", "meta")] * 2


def test_metrics_of_torchmetrics_are_asked_at_the_end():
    precision = torchmetrics.Precision("multiclass", num_classes=3, average="macro")
    learn = toy([TrainEvalCallback, Recorder(train_metrics=True)], 3, 3,
                metrics=[precision, accuracy])
    learn.fit(1)
    preds, targets = learn.get_preds()
    fresh = torchmetrics.Precision("multiclass", num_classes=3, average="macro")
    assert math.isclose(learn.stats["multiclass_precision"], fresh(preds, targets).item())
    assert math.isclose(learn.stats["accuracy"], accuracy(preds, targets).item(), rel_tol=1e-6)
    assert set(learn.stats) == {"train_loss", "train_multiclass_precision", "train_accuracy",
                                "valid_loss", "multiclass_precision", "accuracy"}


@LAW
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 9)), min_size=1, max_size=30))
def test_means_are_exact(parts):
    made = [(torch.full((n, 1), v / 3), torch.zeros(n, 1)) for v, n in parts]
    learn = Learner(nn.Identity(), DataBunch([], made), lambda p, y: p.mean(), metrics=mse_loss,
                    opt_func=lambda ps, lr: torch.optim.SGD([nn.Parameter(torch.ones(1))], lr))
    total = sum(n for _, n in parts)
    expected = [math.fsum(value(torch.tensor(v / 3)).item() * n for v, n in parts) / total
                for value in (lambda t: t, torch.square)]
    assert np.allclose(learn.validate(), expected, rtol=1e-5, atol=1e-6)


# Looks

def test_looks_in_the_middle_of_a_fit_change_nothing(tmp_path):
    class Looks(Callback):
        def after_step(self):
            if self.learn.batch == 1: self.look()

        def look(self):
            self.learn.validate()
            self.learn.get_preds(with_loss=True)
            self.learn.predict(torch.ones(4))
            self.learn.summary()

        def after_epoch(self): self.look()

    states = []
    for cbs in ([], [Looks]):
        net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
        learn = toy([Recorder(add_time=False), TrainEvalCallback, *cbs], net=net, metrics=accuracy)
        for p in net.parameters(): nn.init.constant_(p, 0.3)
        learn.fit(3)
        states.append(state_of(learn))
    assert states[0] == states[1]


@LAW
@given(st.integers(2, 30), st.booleans(),
       st.sampled_from([None, ValueError("x"), KeyboardInterrupt()]))
def test_lr_find_leaves_no_trace(num_it, has_memory, failure):
    class Fails(Callback):
        def before_step(self):
            if failure and self.searching and self.learn.batch == 1: raise failure

    fails = Fails()
    fails.searching = False
    learn = toy([Recorder(add_time=False), TrainEvalCallback, fails, Checkpoint("nowhere/file")],
                net=nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 3)),
                opt_func=torch.optim.AdamW)
    learn.remove_cbs(Checkpoint)
    if has_memory: learn.fit(1)
    else: learn.create_opt()
    learn.add_cbs(Checkpoint("nowhere/file"))
    learn.model[1].eval()
    fails.searching = True
    before = state_of(learn), torch.get_rng_state().tolist(), random.getstate()
    modes = [m.training for m in learn.model.modules()]
    try: finder = learn.lr_find(start_lr=1e-6, end_lr=1., num_it=num_it)
    except (ValueError, KeyboardInterrupt) as came: assert came is failure
    else: assert isinstance(finder, LRFinder) and len(finder.lrs) <= num_it
    assert (state_of(learn), torch.get_rng_state().tolist(), random.getstate()) == before
    assert [m.training for m in learn.model.modules()] == modes and not Path("nowhere").exists()


def test_predictions_come_in_order_with_the_loss_of_each_sample():
    learn = toy(n_valid=3)
    preds, targets, losses = learn.get_preds(with_loss=True)
    x, y = (torch.cat(parts) for parts in zip(*learn.data.valid_dl))
    assert torch.equal(targets, y) and torch.equal(preds, learn.model(x).detach())
    torch.testing.assert_close(losses, cross_entropy(preds, y, reduction="none"))
    torch.testing.assert_close(learn.predict(x[3]), preds[3])
    with pytest.raises(ValueError, match="no batch"): learn.get_preds([])


# Schedules and gradients

@LAW
@given(st.integers(1, 4), st.integers(1, 5), st.floats(0.05, 0.95))
def test_one_cycle_follows_its_closed_form(n_epochs, n_train, pct_start):
    learn = toy([TrainEvalCallback, Recorder], n_train, 0, opt_func=torch.optim.AdamW)
    learn.fit_one_cycle(n_epochs, 0.5, div=10., div_final=1e3, pct_start=pct_start)
    n = n_epochs * n_train
    for i, (lr, mom) in enumerate(zip(learn.recorder.lrs, learn.recorder.moms)):
        up, share = i / n < pct_start, (i / n) / pct_start
        if not up: share = (i / n - pct_start) / (1 - pct_start)
        wave = (1 - math.cos(math.pi * share)) / 2
        ends = (0.05, 0.5, 0.95, 0.85) if up else (0.5, 0.0005, 0.85, 0.95)
        assert math.isclose(lr, ends[0] + (ends[1] - ends[0]) * wave, rel_tol=1e-6)
        assert math.isclose(mom, ends[2] + (ends[3] - ends[2]) * wave, rel_tol=1e-6)


@LAW
@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 60), st.booleans())
def test_accumulated_steps_are_those_of_the_big_batch(bs, n, samples, clipped):
    own = torch.Generator().manual_seed(bs)
    x, y = torch.randn(samples, 4, generator=own), torch.randint(3, (samples,), generator=own)
    weights = []
    for size, cbs in [(n * bs, []), (bs, [GradientAccumulation(n)])]:
        made = list(zip(x.split(size), y.split(size)))
        learn = toy([*cbs, *[GradientClip(0.3)] * clipped])
        learn.data = DataBunch(made, [])
        learn.fit(2)
        weights.append(learn.model.weight.detach())
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make, part", [
    (lambda: GradientAccumulation(0), "n is 0"), (lambda: GradientClip(0), "most is 0"),
    (lambda: MixedPrecision(torch.float16), "float16"), (lambda: Checkpoint("x", 0), "every is 0"),
    (lambda: LRFinder(1., 0.5), "start_lr is 1.0")])
def test_options_that_make_no_sense_are_refused(make, part):
    with pytest.raises(ValueError, match=part): make()


def test_mistakes_in_options_of_a_learner_are_named():
    with pytest.raises(TypeError, match="list.*train_dl and valid_dl"):
        Learner(nn.Linear(1, 1), [], mse_loss)
    learn = toy([ParamScheduler("lr", abs)])
    with pytest.raises(ValueError, match="TrainEvalCallback"): learn.fit(1)
    learn = toy([TrainEvalCallback, ParamScheduler("momentun", abs)])
    with pytest.raises(ValueError, match="'momentun'.*did you mean 'momentum'"): learn.fit(1)
    with pytest.raises(ValueError, match="2 learning rates and 1 parameter"): toy().fit(1, [1, 2])
    with pytest.raises(ValueError, match="a Recorder"): toy([ProgressCallback]).fit(1)
    with pytest.raises(ValueError, match="no event 'after_bacth'.*'after_batch'"):
        toy()("after_bacth")


def test_mixed_precision_is_close_to_full_precision_and_leaves_no_context():
    losses = []
    for cbs in ([], [MixedPrecision]):
        learn = synth_learner(lr=0.2, default_cbs=False, cbs=[TrainEvalCallback, Recorder, *cbs])
        learn.fit(5)
        losses.append(learn.stats["valid_loss"])
        assert not torch.is_autocast_enabled("cpu")
    assert losses[0] != losses[1] and abs(losses[0] - losses[1]) < 0.05


# Files

def test_save_and_load_are_whole_or_not_at_all(tmp_path, monkeypatch):
    path, learn = tmp_path / "deep" / "file.pt", toy(opt_func=torch.optim.AdamW)
    learn.fit(2)
    learn.save(path)
    old, before = path.read_bytes(), state_of(learn)
    for broken in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            def fails(*_): raise OSError("disk full")
            patched.setattr(os, broken, fails)
            with pytest.raises(OSError, match="disk full"): learn.save(path)
        assert path.read_bytes() == old and [p.name for p in path.parent.iterdir()] == ["file.pt"]
    other = toy(net=nn.Linear(4, 3), opt_func=torch.optim.AdamW).load(path)
    assert state_of(other) == before.replace(repr(learn.stats), repr(other.stats))
    wide = toy(net=nn.Linear(4, 5))
    kept = copy.deepcopy(wide.model.state_dict())
    with pytest.raises(ValueError, match=r"weight is \[3, 4\] there and \[5, 4\] here"):
        wide.load(path)
    assert all(map(torch.equal, kept.values(), wide.model.state_dict().values()))


class Evil:
    "Would run a command when it is loaded."
    def __reduce__(self): return os.system, ("touch pwned",)


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps(Evil()), b"PK\x03\x04 no zip"])
def test_files_of_another_kind_are_refused_and_run_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.pt").write_bytes(content)
    learn = toy()
    for call in (lambda: learn.load("f.pt"), lambda: learn.fit(1, resume="f.pt")):
        with pytest.raises(ValueError, match="f.pt.*damaged"): call()
    torch.save({"model": Evil()}, "g.pt")
    with pytest.raises(ValueError, match="g.pt"): learn.load("g.pt")
    assert not (tmp_path / "pwned").exists()
    with pytest.raises(FileNotFoundError, match="none.pt"): learn.load("none.pt")


def long_run(path=None, cbs=(), resume=None):
    "A training that needs everything that a checkpoint has; returns the Learner."
    for set_seed in (torch.manual_seed, np.random.seed, random.seed): set_seed(0)
    x, y = batches(1, 40)[0]
    sampler = RandomSampler(x, generator=torch.Generator())
    train = DataLoader(TensorDataset(x, y), 8, sampler=sampler)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.4), nn.Linear(6, 3))

    class Noise(Callback):
        def before_batch(self):
            self.learn.xb = self.xb + 0.01 * np.random.randn() + 0.01 * random.gauss(0, 1)

    learn = Learner(net, DataBunch(train, [(x, y)]), cross_entropy, metrics=accuracy,
                    cbs=[Recorder(add_time=False), Noise, *cbs,
                         *([Checkpoint(path)] if path else [])])
    quietly(learn.fit_one_cycle, 8, 0.05, resume=resume)
    return learn


class Dies(Callback):
    "Kills its process at the n-th moment: an event, or a step of writing a file."
    order = 50

    def __init__(self, n): self.left = n

    def meet(self, *_):
        self.left -= 1
        if self.left == 0: os.kill(os.getpid(), signal.SIGKILL)


with_events(Dies, Dies.meet)


def in_a_child(action):
    "Run `action` in a forked process; whether it came to its end."
    child = os.fork()
    if not child:
        try: action()
        finally: os._exit(1)
    return not os.WIFSIGNALED(os.waitpid(child, 0)[1])


@needs_fork
@pytest.mark.parametrize("seed", range(3))
def test_a_fit_killed_at_random_moments_goes_on_bit_for_bit(tmp_path, seed):
    path, random_moments, kills = tmp_path / "run.pt", random.Random(seed), 0
    expected = state_of(long_run(tmp_path / "other.pt"))

    def life(n):
        dies, fsync, replace = Dies(n), os.fsync, os.replace
        os.fsync = lambda *args: (dies.meet(), fsync(*args), dies.meet())
        os.replace = lambda *args: (dies.meet(), replace(*args), dies.meet())
        learn = long_run(path, [dies], path if path.exists() else None)
        (tmp_path / "end").write_text(state_of(learn))

    while not (tmp_path / "end").exists():
        moment = random_moments.randint(1, 50) if kills < 10 else 10 ** 9
        in_a_child(lambda moment=moment: life(moment))
        kills += 1
        assert kills < 20
    assert kills == 11 and (tmp_path / "end").read_text() == expected


@needs_fork
def test_a_save_that_is_killed_leaves_the_old_file(tmp_path):
    path, learn = tmp_path / "file.pt", toy()
    learn.save(path)
    old = path.read_bytes()
    for broken in ("fsync", "replace"):
        def dies(broken=broken):
            setattr(os, broken, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            learn.model.weight.data.fill_(7.)
            learn.save(path)
        assert not in_a_child(dies) and path.read_bytes() == old
    learn.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file.pt"], "what was left is gone"


def test_an_interrupted_fit_has_a_file_and_goes_on(tmp_path):
    class Interrupts(Callback):
        def after_loss(self):
            if self.epoch == 3 and self.learn.batch == 2: raise KeyboardInterrupt

    path, expected = tmp_path / "run.pt", state_of(long_run(tmp_path / "other.pt"))
    with pytest.raises(KeyboardInterrupt, match="epoch 3, training batch 2"):
        long_run(path, [Interrupts])
    assert state_of(long_run(path, resume=path)) == expected
    learn = toy([TrainEvalCallback, Recorder])
    with pytest.raises(ValueError, match="8 epochs and this one has 2"): learn.fit(2, resume=path)


# All together

def test_three_lines_train_a_classifier_of_digits():
    x_train, y_train, *valid = get_data("digits")
    mean, std = x_train.mean(), x_train.std()
    sets = [Dataset(normalize(x, mean, std), y) for x, y in [(x_train, y_train), valid]]
    for seed in range(2):
        torch.manual_seed(seed)
        learn = Learner(nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 10)),
                        DataBunch(*get_dls(*sets, 64)), cross_entropy, metrics=accuracy)
        quietly(learn.fit_one_cycle, 10, 1e-2)
        assert learn.validate()[1] >= 0.97


def test_the_synthetic_learner_learns_and_disturbs_nobody():
    before = torch.get_rng_state().tolist()
    one, two = synth_learner(), synth_learner()
    assert torch.get_rng_state().tolist() == before
    for learn in (one, two): quietly(learn.fit, 20, 0.3)
    assert one.validate() == two.validate() and one.validate()[0] < 0.05
