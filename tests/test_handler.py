"Lesson 09: what callbacks return replaces what flows, the end always comes, files are whole."
import copy
import gc
import inspect
import io
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import warnings
import weakref
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from exp import handler as module
from exp.anneal import one_cycle, one_cycle_momentum
from exp.callbacks import DataBunch
from exp.data import get_data, normalize
from exp.handler import (
    ActivationRegularizer,
    AverageMetric,
    Bfloat16,
    Callback,
    CallbackHandler,
    EarlyStoppingCallback,
    GradientClipping,
    Learner,
    LearnerCallback,
    LRFinder,
    OneCycleScheduler,
    Quiet,
    Recorder,
    SaveModelCallback,
    TrueWeightDecay,
    fit,
    progress_bar,
    with_bar,
)
from exp.minibatch_training import Dataset, accuracy, get_dls
from exp.optimizer import OptimWrapper

LAW = settings(deadline=None, max_examples=20)
EVENTS = ("on_train_begin on_epoch_begin on_batch_begin on_loss_begin on_backward_begin "
          "on_backward_end on_step_end on_batch_end on_epoch_end on_train_end").split()
KINDS = [ValueError, KeyboardInterrupt, SystemExit, StopIteration, GeneratorExit, MemoryError]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batches(seed, sizes, n_in=4, n_classes=3):
    "A random batch of each size."
    g = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, n_in, generator=g), torch.randint(n_classes, (n,), generator=g))
            for n in sizes]


def learner(seed=0, train=(5, 5, 2), valid=(6, 1), **options):
    "A small learner on ragged batches, the same for a seed; quiet, unless it is given callbacks."
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    data = DataBunch(batches(seed, train), batches(seed + 1, valid))
    return Learner(model, data, **({"metrics": accuracy, "callbacks": Quiet()} | options))


def made(order=0, base=Callback, name="Made", **methods):
    "A class of callbacks with these functions for methods."
    return type(name, (base,), {"order": order, **methods})


def noting(lines, *keys, order=100):
    "A callback that notes every event, with some of the state."
    def method(event): return lambda self, **state: lines.append((event, *map(state.get, keys)))
    return made(order, **{event: method(event) for event in EVENTS})()


def weights(learn): return [p.detach().clone() for p in learn.model.parameters()]


def same(first, second): return all(torch.equal(p, q) for p, q in zip(first, second, strict=True))


def everything(learn):
    "Whatever a fit changes, as one text; dropped attributes of callbacks do not count."
    return str([learn.model.state_dict(), learn.opt.state_dict(), torch.get_rng_state(),
                [m.training for m in learn.model.modules()],
                [p.grad for p in learn.model.parameters()]])


def outcome(action, *args, **kwargs):
    "What comes out of a call: None or the exception."
    try: action(*args, **kwargs)
    except BaseException as failure: return failure


# What there is, and what importing it costs

def test_exports_have_their_lines():
    assert set(module.__all__) == {
        "Callback", "CallbackHandler", "AverageMetric", "LearnerCallback", "Learner", "Recorder",
        "Quiet", "GradientClipping", "OneCycleScheduler", "LRFinder", "ActivationRegularizer",
        "Bfloat16", "TrueWeightDecay", "EarlyStoppingCallback", "SaveModelCallback", "fit",
        "train_epoch", "validate", "progress_bar", "with_bar"}
    for event in EVENTS:
        words = inspect.getdoc(getattr(Callback, event))
        assert len(words.split()) > 8 and "\n" not in words, "what the moment is for"


def test_importing_and_fitting_quietly_load_no_pictures():
    code = ("import sys, torch\nfrom exp.handler import *\nassert 'Learner' in globals()\n"
            "print(*{'matplotlib', 'fastprogress', 'sklearn', 'IPython'} & set(sys.modules))")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "" and ran.stderr == ""


# Each replacement is used: against the loop written out, with the same changes in it

class Changes(Callback):
    "Replaces or asks for whatever is told: {event: function of the state}."
    def __init__(self, told): self.told = told


for _event in EVENTS:
    def _changes(self, _event=_event, **state):
        return self.told[_event](state) if _event in self.told else None
    setattr(Changes, _event, _changes)


def by_hand(learn, told, epochs, lr):
    "SGD at `lr` with the changes written into the loop; each validation loss."
    def change(event, value, **state):
        if event not in told: return value
        answer = told[event](state)
        return value if answer is None else answer
    losses, n = [], 0
    for epoch in range(epochs):
        learn.model.train()
        for i, (xb, yb) in enumerate(learn.data.train_dl):
            at = {"train": True, "iteration": n, "num_batch": i, "epoch": epoch}
            xb, yb = change("on_batch_begin", (xb, yb), last_input=xb, last_target=yb, **at)
            out = learn.model(xb)
            out = change("on_loss_begin", out, last_output=out, **at)
            loss = cross_entropy(out, yb)
            change("on_backward_begin", loss, last_loss=loss, **at).backward()
            if not change("on_backward_end", False, **at):
                with torch.no_grad():
                    for p in learn.model.parameters():
                        if p.grad is not None: p -= lr * p.grad
            if not change("on_step_end", False, **at):
                for p in learn.model.parameters(): p.grad = None
            n += 1
            if change("on_batch_end", False, **at): break
        learn.model.eval()
        total = count = 0
        for i, (xb, yb) in enumerate(learn.data.valid_dl):
            at = {"train": False, "iteration": n, "num_batch": i, "epoch": epoch}
            xb, yb = change("on_batch_begin", (xb, yb), last_input=xb, last_target=yb, **at)
            with torch.no_grad():
                out = learn.model(xb)
                out = change("on_loss_begin", out, last_output=out, **at)
                total += cross_entropy(out, yb).item() * len(yb)
            count += len(yb)
            if change("on_batch_end", False, **at): break
        losses.append(total / count)
        if change("on_epoch_end", False, epoch=epoch): break
    return losses


TOLD = {
    "on_batch_begin": lambda s: (s["last_input"] * 2 + s["num_batch"], (s["last_target"] + 1) % 3),
    "on_loss_begin": lambda s: s["last_output"] * 3,
    "on_backward_begin": lambda s: s["last_loss"] ** 2,
    "on_backward_end": lambda s: s["iteration"] % 3 == 1,
    "on_step_end": lambda s: s["iteration"] % 2 == 0,
    "on_batch_end": lambda s: s["num_batch"] == s["epoch"] if s["train"] else None,
    "on_epoch_end": lambda s: s["epoch"] == 2,
}


@pytest.mark.parametrize("events", [[event] for event in TOLD] + [list(TOLD), []])
def test_each_answer_is_used_by_the_loop(events):
    told = {event: TOLD[event] for event in events}
    mine, theirs, plain = (learner(opt_func=torch.optim.SGD, wd=0.) for _ in range(3))
    mine.fit(5, 0.1, callbacks=Changes(told))
    losses = by_hand(theirs, told, 5, 0.1)
    for p, q in zip(weights(mine), weights(theirs)): assert torch.allclose(p, q, atol=1e-5)
    assert np.allclose(mine.recorder.val_losses, losses, atol=1e-5)
    by_hand(plain, {}, 5, 0.1)
    assert not events or not same(weights(theirs), weights(plain)), "the change is one"


@LAW
@given(st.lists(st.sampled_from(list(TOLD)), unique=True), st.integers(1, 4),
       st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_any_set_of_answers_is_used_together(events, epochs, sizes):
    told = {event: TOLD[event] for event in events}
    mine, theirs = (learner(train=sizes, opt_func=torch.optim.SGD, wd=0.) for _ in range(2))
    mine.fit(epochs, 0.005, callbacks=Changes(told))
    losses = by_hand(theirs, told, epochs, 0.005)
    assert np.allclose(mine.recorder.val_losses, losses, rtol=1e-3)


@pytest.mark.parametrize("event, key", [("on_batch_begin", "last_input"),
                                        ("on_loss_begin", "last_output"),
                                        ("on_backward_begin", "last_loss")])
def test_a_dict_and_the_short_form_are_the_same(event, key):
    short = {"on_batch_begin": lambda s: (s["last_input"] * 2, s["last_target"]),
             "on_loss_begin": lambda s: s["last_output"] * 2,
             "on_backward_begin": lambda s: s["last_loss"] * 2}[event]
    one, two = learner(), learner()
    one.fit(2, callbacks=Changes({event: short}))
    two.fit(2, callbacks=Changes({event: lambda s: {key: s[key] * 2}}))
    assert same(weights(one), weights(two)) and not same(weights(one), weights(learner()))


def test_a_backward_pass_can_be_left_to_a_callback():
    def own(state):
        (state["last_loss"] * 2).backward()
        return {"skip_backward": True}
    one, two = learner(opt_func=torch.optim.SGD), learner(opt_func=torch.optim.SGD)
    one.fit(2, 0.1, callbacks=Changes({"on_backward_begin": own}))
    two.fit(2, 0.1, callbacks=Changes({"on_backward_begin": lambda s: s["last_loss"] * 2}))
    assert same(weights(one), weights(two))


def test_gradients_of_four_small_batches_are_those_of_a_large_one():
    def last(state): return state["num_batch"] % 4 == 3
    told = {"on_backward_begin": lambda s: s["last_loss"] / 4,
            "on_backward_end": lambda s: None if last(s) else {"skip_step": 1, "skip_zero": 1}}
    small, large = (learner(train=[3] * 8, opt_func=torch.optim.SGD) for _ in range(2))
    large.data.train_dl = [tuple(map(torch.cat, zip(*small.data.train_dl[i:i + 4])))
                           for i in (0, 4)]
    small.fit(2, 0.1, callbacks=Changes(told))
    large.fit(2, 0.1)
    for p, q in zip(weights(small), weights(large)): assert torch.allclose(p, q, atol=1e-6)


# The state

def test_the_state_says_where_the_loop_is():
    lines = []
    learn = learner(train=(2, 2), valid=(3,))
    learn.fit(2, callbacks=noting(lines, "epoch", "train", "num_batch", "iteration", "n_epochs"))
    expected, n = [("on_train_begin", 0, True, 0, 0, 2)], 0
    for epoch in range(2):
        expected.append(("on_epoch_begin", epoch, True, 0, n, 2))
        for i in range(2):
            expected += [(e, epoch, True, i, n, 2) for e in EVENTS[2:8]]
            n += 1
        expected += [(e, epoch, False, 0, n, 2) for e in (*EVENTS[2:4], "on_batch_end")]
        expected.append(("on_epoch_end", epoch, False, 1, n, 2))
    assert lines == [*expected, ("on_train_end", 1, False, 1, n, 2)]


def test_callbacks_see_what_those_before_them_made():
    lines = []
    doubles = {order: made(order, on_loss_begin=lambda self, last_output, **kw: last_output * 2)()
               for order in (-1, 1)}
    sees = made(0, on_loss_begin=lambda self, last_output, **kw: lines.append(last_output))()
    CallbackHandler([doubles[1], sees, doubles[-1]]).on_loss_begin(1.)
    assert lines == [2.]


@pytest.mark.parametrize("turn", [*permutations(range(3))])
def test_metrics_do_not_depend_on_the_order_of_callbacks(turn):
    def spoils(self, last_metrics, **kw): return {"last_metrics": [9. for _ in last_metrics]}
    seen = []
    cbs = [made(0, on_epoch_end=lambda self, last_metrics, **kw: seen.append(last_metrics))(),
           made(0, on_batch_end=lambda self, **kw: {"last_output": torch.zeros(1)})(),
           made(1, on_epoch_end=spoils)()]
    learn, alone = learner(metrics=[accuracy, mse]), learner(metrics=[accuracy, mse])
    learn.fit(2, callbacks=[cbs[i] for i in turn])
    alone.fit(2)
    assert seen == [[loss, *m] for loss, m in zip(alone.recorder.val_losses,
                                                  alone.recorder.metrics)]


def mse(out, target): return mse_loss(out, nn.functional.one_hot(target, 3).float())


@LAW
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 1000))
def test_metrics_and_loss_are_those_of_all_samples_at_once(sizes, seed):
    learn = learner(seed, valid=sizes, metrics=[accuracy, AverageMetric(mse)])
    learn.fit(1)
    x, y = map(torch.cat, zip(*learn.data.valid_dl))
    with torch.no_grad(): out = learn.model(x)
    expected = [f(out, y).item() for f in (cross_entropy, accuracy, mse)]
    assert np.allclose(learn.validate(), expected, atol=1e-5)
    assert np.allclose([learn.recorder.val_losses[0], *learn.recorder.metrics[0]], expected,
                       atol=1e-5)


def test_a_handler_measures_a_loop_that_knows_no_learner():
    handler = CallbackHandler(metrics=[accuracy])
    handler.on_train_begin(2, metrics=[accuracy, mse])
    for _ in handler.epochs():
        handler.on_epoch_begin()
        for out, y in batches(3, (4, 1), n_in=3):
            handler.on_batch_begin(None, y, train=False)
            handler.on_loss_begin(out)
            handler.on_batch_end(0.)
        handler.on_epoch_end(0.5)
        out, y = map(torch.cat, zip(*batches(3, (4, 1), n_in=3)))
        assert np.allclose(handler.state["last_metrics"],
                           [0.5, accuracy(out, y).item(), mse(out, y).item()])
    assert handler.state["metrics_names"] == ["accuracy", "mse"]


def test_the_state_keeps_no_graph_after_a_batch():
    learn, graphs = learner(), []
    class Keeps(Callback):
        "Notes what the state holds on to."
        def on_batch_end(self, last_output, last_loss, **kwargs):
            graphs.extend([last_output.requires_grad, last_loss.requires_grad])
    learn.fit(1, callbacks=Keeps())
    assert len(graphs) == 10 and not any(graphs)


def test_epochs_can_be_left_out_repeated_and_added():
    seen, again = [], [1]
    def keep(self, epoch, **kw):
        seen.append(epoch)
        if epoch == 0: return self.jump_to_epoch(3)
        if epoch == 3 and again: return {"next_epoch": 3, "n_epochs": 6 - again.pop()}
    learner().fit(5, callbacks=made(on_epoch_end=keep)())
    assert seen == [0, 3, 3, 4]


def test_a_no_takes_back_nothing_and_skips_are_forgotten():
    lines = []
    asks = made(0, on_backward_end=lambda self, iteration, **kw: iteration == 1)()
    denies = made(1, on_backward_end=lambda self, **kw: False)()
    learner(train=[2] * 3).fit(1, callbacks=[asks, denies, noting(lines, "skip_step")])
    assert [line[1] for line in lines if line[0] == "on_step_end"] == [False, True, False]


def test_smooth_loss_is_that_of_the_raw_losses():
    lines = []
    learn = learner()
    learn.fit(2, callbacks=[noting(lines, "smooth_loss", "last_loss"),
                            Changes({"on_backward_begin": lambda s: s["last_loss"] * 100})])
    raw = list(learn.recorder.losses)
    for i, (_, smooth, loss) in enumerate([x for x in lines if x[0] == "on_backward_begin"]):
        w = [0.98 ** (i - j) for j in range(i + 1)]
        assert math.isclose(smooth, np.average(raw[:i + 1], weights=w), rel_tol=1e-5)
        assert math.isclose(loss.item(), 100 * raw[i], rel_tol=1e-5)
    assert learn.recorder.column("train_loss") == pytest.approx([
        np.average(raw[:n], weights=[0.98 ** (n - j) for j in range(n)]) for n in (3, 6)])


# Errors of callbacks, and their words

@pytest.mark.parametrize("event", EVENTS)
def test_an_unknown_key_is_refused_with_key_callback_and_proposal(event):
    cb = made(name="Slips", **{event: lambda self, **kw: {"last_los": 1}})()
    failure = outcome(lambda: learner().fit(1, callbacks=cb))
    assert isinstance(failure, ValueError)
    for part in (f"Slips.{event}", "'last_los'", "did you mean 'last_loss'?", "skip_validate"):
        assert part in str(failure)


@pytest.mark.parametrize("event, answer, part", [
    ("on_train_begin", True, "a dict or None"), ("on_epoch_begin", 0, "returned a int"),
    ("on_train_end", "x", "returned a str"), ("on_batch_begin", torch.ones(2), "(input, target)"),
    ("on_batch_begin", (1, 2, 3), "(input, target)")])
def test_an_answer_that_cannot_be_meant_is_refused(event, answer, part):
    cb = made(name="Slips", **{event: lambda self, **kw: answer})()
    failure = outcome(lambda: learner().fit(1, callbacks=cb))
    assert isinstance(failure, TypeError) and part in str(failure) and "Slips." in str(failure)


@pytest.mark.parametrize("wrong", [Callback, Quiet, print, None.__class__])
def test_what_is_no_callback_is_refused_before_anything_begins(wrong):
    heard = []
    failure = outcome(lambda: learner().fit(1, callbacks=[noting(heard), wrong]))
    assert isinstance(failure, TypeError) and "give an instance" in str(failure) and not heard


def test_a_method_that_cannot_take_the_state_is_refused():
    narrow = made(name="Narrow", on_step_end=lambda self, epoch: None)()
    with pytest.raises(TypeError, match=r"Narrow\.on_step_end .*\*\*kwargs"):
        CallbackHandler(narrow)


def test_an_event_with_a_typo_is_warned_of_once_with_the_right_name():
    typo = made(name="Typo", on_epoch_ends=lambda self, **kw: None)()
    with pytest.warns(UserWarning, match="Typo.on_epoch_ends .*'on_epoch_end'") as caught:
        learner().fit(2, callbacks=typo)
    assert len(caught) == 1


# The end always comes

class Ends(Callback):
    "Notes with which exception the end came."
    def __init__(self, order): self.order, self.heard = order, []
    def on_train_end(self, exception, **kwargs): self.heard.append(exception)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("event", EVENTS)
def test_the_end_comes_whatever_is_raised_at_whichever_event(event, kind):
    for when in range(3):  # the first, second, third call of the event
        failure, calls = kind("no"), []
        def throws(self, _when=when, _failure=failure, _calls=calls, **kwargs):
            _calls.append(1)
            if len(_calls) == _when + 1: raise _failure
        first, last = Ends(-50), Ends(50)
        learn = learner()
        came = outcome(learn.fit, 3, callbacks=[first, made(**{event: throws})(), last])
        raised = len(calls) > when
        assert came is (failure if raised else None)
        expected = failure if raised and event != "on_train_end" else False
        assert first.heard == last.heard == [expected]


@pytest.mark.parametrize("kind", KINDS[:3] + [MemoryError], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", ["training loader", "validation loader", "model", "loss",
                                   "metric", "optimizer", "backward"])
def test_the_end_comes_whatever_is_raised_outside_of_callbacks(where, kind):
    failure, end, learn = kind("no"), Ends(0), learner()
    def throws(*args, **kwargs): raise failure
    def breaks(dl):
        yield dl[0]
        throws()
    if where == "training loader": learn.data.train_dl = breaks(learn.data.train_dl)
    if where == "validation loader": learn.data.valid_dl = breaks(learn.data.valid_dl)
    if where == "model": learn.model.register_forward_hook(throws)
    if where == "loss": learn.loss_func = throws
    if where == "metric": learn.metrics = [throws]
    if where == "optimizer": learn.opt.step = throws
    if where == "backward":
        learn.loss_func = lambda out, y: Fails.apply(cross_entropy(out, y), throws)
    assert outcome(lambda: learn.fit(2, callbacks=end)) is failure and end.heard == [failure]


class Fails(torch.autograd.Function):
    "Does nothing forward, and fails backward."
    @staticmethod
    def forward(ctx, x, action):
        ctx.action = action
        return x.clone()

    @staticmethod
    def backward(ctx, grad): ctx.action()


def test_of_two_errors_the_one_that_reaches_farther_comes_out():
    def throws(failure): return lambda self, **kw: (_ for _ in ()).throw(failure)
    first, second, interrupt = ValueError("first"), KeyError("second"), KeyboardInterrupt()
    for later, out, warned in [(second, first, 1), (interrupt, interrupt, 0)]:
        cb = made(on_step_end=throws(first), on_train_end=throws(later))()
        end = Ends(5)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert outcome(learner().fit, 1, callbacks=[cb, end]) is out
        assert end.heard == [first] and len(caught) == warned


@pytest.mark.parametrize("epochs", [0, -1])
def test_a_fit_of_no_epochs_is_refused(epochs):
    end = Ends(0)
    with pytest.raises(ValueError, match=f"epochs is {epochs}; it must be at least 1"):
        learner().fit(epochs, callbacks=end)
    assert not end.heard


# What may be changed while it runs

WORDS = {"lr": 0.5, "mom": 0.25, "beta": 0.75, "wd": 0.125}


@pytest.mark.parametrize("word", WORDS)
def test_the_optimizer_is_there_before_the_training_and_what_is_set_holds(word):
    value, seen = WORDS[word], []
    def sets(self, **kw):
        assert self.opt is learn.opt and self.opt.lr == 0.01 and self.opt.wd == 0.25
        setattr(self.opt, word, value)
    def notes(self, **kw): seen.append(getattr(self.opt, word))
    learn = learner(callback_fns=made(base=LearnerCallback, on_train_begin=sets, on_step_end=notes))
    learn.fit(2, 0.01, wd=0.25)
    assert seen == [value] * 6 and getattr(learn.opt, word) == value
    theirs, numbers = learner(), {"lr": 0.01, "mom": 0.9, "beta": 0.999, "wd": 0.25} | {word: value}
    opt = torch.optim.AdamW(theirs.model.parameters(), numbers["lr"], weight_decay=numbers["wd"],
                            betas=(numbers["mom"], numbers["beta"]))
    for xb, yb in theirs.data.train_dl * 2:
        cross_entropy(theirs.model(xb), yb).backward()
        opt.step()
        opt.zero_grad()
    for p, q in zip(weights(learn), weights(theirs)): assert torch.allclose(p, q, atol=1e-6)


@LAW
@given(st.lists(st.floats(0, 0.5), min_size=3, max_size=3))
def test_what_is_set_in_on_batch_begin_counts_for_that_step(rates):
    def sets(self, iteration, train, **kw):
        if train: self.opt.lr = rates[iteration]
    learn = learner(opt_func=torch.optim.SGD, wd=0., callback_fns=made(
        base=LearnerCallback, on_batch_begin=sets))
    theirs = learner()
    learn.fit(1, 0.9)
    assert list(learn.recorder.lrs) == rates
    for (xb, yb), lr in zip(theirs.data.train_dl, rates):
        opt = torch.optim.SGD(theirs.model.parameters(), lr)
        opt.zero_grad()
        cross_entropy(theirs.model(xb), yb).backward()
        opt.step()
    for p, q in zip(weights(learn), weights(theirs)): assert torch.allclose(p, q, atol=1e-6)


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_begin", "on_batch_end"])
def test_replacing_a_loader_takes_effect_at_the_next_pass(event):
    def replaces(self, epoch, train, **kw):
        if not train: return
        self.data.train_dl = self.data.train_dl[:1]
        self.data.valid_dl = batches(5, [3])
    learn = learner(callback_fns=made(base=LearnerCallback, **{event: replaces}))
    learn.fit(2)
    assert learn.recorder.ends == ([3, 4] if event == "on_batch_end" else [1, 2])
    x, y = batches(5, [3])[0]
    with torch.no_grad(): loss = cross_entropy(learn.model(x), y).item()
    assert math.isclose(learn.recorder.val_losses[1], loss, rel_tol=1e-5)


def test_replacing_the_inner_optimizer_takes_effect_in_the_running_fit():
    def replaces(self, epoch, **kw):
        if epoch == 1: self.opt.opt = torch.optim.SGD(self.model.parameters(), 0.125)
    learn = learner(wd=0., callback_fns=made(base=LearnerCallback, on_epoch_begin=replaces))
    adam = learn.opt.opt
    learn.fit(2, 0.01)
    assert {int(s["step"]) for s in adam.state.values()} == {3}
    assert list(learn.recorder.lrs) == [0.01] * 3 + [0.125] * 3
    theirs = learner(wd=0.)
    theirs.fit(1, 0.01)
    by_hand(theirs, {}, 1, 0.125)
    for p, q in zip(weights(learn), weights(theirs)): assert torch.allclose(p, q, atol=1e-6)


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_begin", "on_batch_begin"])
def test_rebinding_data_or_optimizer_changes_nothing_in_the_running_fit(event):
    def rebinds(self, iteration, **kw):
        if iteration: return
        self.learn.data = DataBunch([], [])
        self.learn.opt = OptimWrapper(torch.optim.SGD(self.model.parameters(), 9.))
        self.learn.model, self.learn.loss_func = nn.Identity(), None
    learn = learner(callback_fns=made(base=LearnerCallback, **{event: rebinds}))
    model, undisturbed = learn.model, learner()
    learn.fit(2)
    undisturbed.fit(2)
    assert learn.recorder.ends == [3, 6] and len(learn.data.train_dl) == 0
    assert same(model.parameters(), undisturbed.model.parameters())


# One cycle

def places(n, pct):
    "Where in the closed form's cycle each of n batches is, whose rise takes whole batches."
    up = round(n * pct)
    return [pct * i / up if i < up else pct + (1 - pct) * (i - up) / (n - up) for i in range(n)]


@LAW
@given(st.integers(1, 6), st.integers(1, 5), st.floats(0.05, 0.95), st.floats(1e-4, 0.1),
       st.floats(2, 100), st.tuples(st.floats(0.5, 0.99), st.floats(0.5, 0.99)))
def test_rates_and_momenta_are_those_of_the_closed_form(epochs, n, pct, lr, div, moms):
    learn = learner(train=[2] * n)
    learn.fit_one_cycle(epochs, lr, moms, div, pct)
    at = places(epochs * n, pct)
    assert np.allclose(list(learn.recorder.lrs), [one_cycle(lr, pct, div)(p) for p in at])
    shape = one_cycle_momentum(*moms, pct_start=pct)
    assert np.allclose(list(learn.recorder.moms), [shape(p) for p in at])
    assert learn.opt.mom == 0.9, "as it was"


def test_rates_follow_the_cosine_written_out():
    learn = learner(train=[2] * 10)
    learn.fit_one_cycle(2, 0.1)
    up = [0.004 + 0.096 * (1 - math.cos(math.pi * i / 6)) / 2 for i in range(6)]
    down = [1e-6 + (0.1 - 1e-6) * (1 + math.cos(math.pi * i / 14)) / 2 for i in range(14)]
    assert np.allclose(list(learn.recorder.lrs), up + down)
    moms = [0.95 - 0.1 * (1 - math.cos(math.pi * i / 6)) / 2 for i in range(6)]
    moms += [0.85 + 0.1 * (1 - math.cos(math.pi * i / 14)) / 2 for i in range(14)]
    assert np.allclose(list(learn.recorder.moms), moms)


@pytest.mark.parametrize("pct, first, last", [(0., 0.1, None), (1., 0.004, 0.1)])
def test_a_cycle_may_only_fall_or_only_rise(pct, first, last):
    learn = learner(train=[2] * 20)
    learn.fit_one_cycle(1, 0.1, pct_start=pct)
    lrs = list(learn.recorder.lrs)
    assert lrs[0] == pytest.approx(first) and lrs == sorted(lrs, reverse=pct == 0)
    assert last is None or 0.09 < lrs[-1] < last


def test_groups_have_cycles_of_their_own_and_momentum_is_optional():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
    learn = Learner(model, DataBunch(batches(0, [2] * 5), None), layer_groups=list(model),
                    opt_func=torch.optim.Adagrad, callbacks=Quiet())
    rates = []
    notes = made(on_step_end=lambda self, **kw: rates.append(learn.opt.read_val("lr")))()
    learn.fit_one_cycle(2, slice(1e-3, 1e-1), callbacks=notes)
    at = places(10, 0.3)
    for top, column in zip([1e-3, 1e-1], zip(*rates)):
        assert np.allclose(column, [one_cycle(top)(p) for p in at])
    assert all(map(math.isnan, learn.recorder.moms))


@pytest.mark.parametrize("pct", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(pct):
    learn = learner()
    with pytest.raises(ValueError, match=f"pct_start is {pct}; it must be from 0 to 1"):
        learn.fit_one_cycle(1, pct_start=pct)


@pytest.mark.parametrize("loader", [[], iter([])])
def test_a_cycle_over_nobody_knows_how_many_batches_is_refused(loader):
    learn = learner()
    learn.data.train_dl = loader
    with pytest.raises(ValueError, match="no length; use fit"): learn.fit_one_cycle(1)
    assert learn.opt.mom == 0.9


def test_the_momentum_is_put_back_after_an_interrupt():
    def throws(self, **kw): raise KeyboardInterrupt
    learn = learner()
    learn.opt.mom = 0.8
    for event in ("on_train_begin", "on_step_end", "on_epoch_end"):
        outcome(learn.fit_one_cycle, 2, callbacks=made(-40, **{event: throws})())
        assert learn.opt.mom == 0.8


@pytest.mark.parametrize("seed", [0, 1])
def test_digits_are_learned_in_five_epochs(seed):
    x, y, x_valid, y_valid = get_data()
    mean, std = x.mean(), x.std()
    torch.manual_seed(seed)
    dls = get_dls(Dataset(normalize(x, mean, std), y),
                  Dataset(normalize(x_valid, mean, std), y_valid), 32)
    model = nn.Sequential(nn.Linear(x.shape[1], 50), nn.ReLU(), nn.Linear(50, 10))
    learn = Learner(model, DataBunch(*dls), metrics=accuracy, callbacks=Quiet())
    learn.fit_one_cycle(5, 1e-2)
    assert learn.recorder.metrics[-1][0] >= 0.95 and learn.validate()[1] >= 0.95


# The Learner

@pytest.mark.parametrize("opt_func, theirs, options", [
    (torch.optim.Adam, torch.optim.AdamW, {}), (torch.optim.AdamW, torch.optim.AdamW, {}),
    (torch.optim.Adam, torch.optim.Adam, {"true_wd": False}),
    (partial(torch.optim.SGD, momentum=0.9), partial(torch.optim.SGD, momentum=0.9),
     {"true_wd": False})])
def test_fits_go_on_where_the_last_one_ended(opt_func, theirs, options):
    learn, plain = learner(opt_func=opt_func, wd=0.1, **options), learner()
    learn.fit(1, 0.02)
    learn.fit(2, 0.02)
    opt = theirs(plain.model.parameters(), lr=0.02, weight_decay=0.1)
    for xb, yb in plain.data.train_dl * 3:
        cross_entropy(plain.model(xb), yb).backward()
        opt.step()
        opt.zero_grad()
    for p, q in zip(weights(learn), weights(plain)): assert torch.allclose(p, q, atol=1e-6)


def test_callbacks_of_one_fit_are_not_there_in_the_next():
    learn, lines = learner(), []
    learn.fit(1, callbacks=noting(lines))
    n = len(lines)
    learn.fit(1)
    assert len(lines) == n and len(learn.callbacks) == 2


def test_predictions_come_in_the_order_of_the_loader():
    learn = learner(valid=(3, 5, 1))
    out, y = learn.get_preds()
    x = torch.cat([x for x, _ in learn.data.valid_dl])
    with torch.no_grad(): assert torch.allclose(out, learn.model(x), atol=1e-6)
    assert y.equal(torch.cat([y for _, y in learn.data.valid_dl])) and not out.requires_grad
    there, y = learn.get_preds(learn.data.train_dl)
    assert len(there) == 12 and y.equal(torch.cat([y for _, y in learn.data.train_dl]))
    learn.callbacks.append(Changes({"on_loss_begin": lambda s: -s["last_output"]}))
    assert torch.allclose(learn.get_preds()[0], -out), "callbacks are heard"


def test_measuring_leaves_record_files_weights_and_random_numbers_alone(tmp_path):
    heard = []
    learn = learner(path=tmp_path, callback_fns=[
        partial(SaveModelCallback, file="b"), partial(EarlyStoppingCallback, patience=1)])
    learn.fit(2)
    learn.callbacks.append(noting(heard))
    learn.load("b")
    learn.model.eval()
    file, before = learn._file("b"), everything(learn)
    row, written = copy.deepcopy(learn.recorder.values), file.stat().st_mtime_ns
    with torch.no_grad():
        for p in learn.model.parameters(): p.mul_(1.)
    assert learn.validate() == learn.validate(learn.data.valid_dl)
    learn.get_preds(learn.data.train_dl)
    assert everything(learn) == before and learn.recorder.values == row
    assert file.stat().st_mtime_ns == written and list(file.parent.iterdir()) == [file]
    assert {line[0] for line in heard} == {"on_batch_begin", "on_loss_begin", "on_batch_end"}


def test_a_measurement_that_fails_tells_the_end_and_loads_nothing(tmp_path):
    end, learn = Ends(0), learner(path=tmp_path, callback_fns=SaveModelCallback)
    learn.fit(1)
    with torch.no_grad():
        for p in learn.model.parameters(): p.zero_()
    learn.callbacks.append(end)
    failure = outcome(lambda: learn.get_preds([(torch.zeros(1, 9), torch.zeros(1))]))
    assert isinstance(failure, RuntimeError) and end.heard == [failure]
    assert not any(p.any() for p in learn.model.parameters()), "an older file is not loaded"


def test_without_validation_data_there_are_dashes_and_an_error_with_advice():
    learn = learner()
    learn.data.valid_dl = None
    learn.fit(2)
    assert learn.recorder.val_losses == [None] * 2 and learn.recorder.metrics == [[None]] * 2
    with pytest.raises(ValueError, match="valid_dl is None; give a loader"): learn.validate()


def test_the_recorder_is_the_first_default_one_and_can_be_replaced():
    learn = learner()
    assert learn.recorder is learn.callbacks[0] and type(learn.recorder) is Recorder
    untimed = learner(callback_fns=[GradientClipping, partial(Recorder, add_time=False)])
    assert [type(cb) for cb in untimed.callbacks] == [GradientClipping, Recorder, Quiet]
    untimed.fit(1)
    assert untimed.recorder.names == ["epoch", "train_loss", "valid_loss", "accuracy"]
    for name in ("plot", "plot_losses", "plot_lr", "plot_metrics"):
        assert callable(getattr(learn.recorder, name))


def test_frozen_groups_stay_and_the_others_train():
    learn = learner(wd=0.5)
    learn.layer_groups = list(learn.model)
    for freeze, still in [(learn.freeze, [0, 1]), (learn.unfreeze, []),
                          (lambda: learn.freeze_to(1), [0, 1]), (lambda: learn.freeze_to(-3), [])]:
        freeze()
        before = weights(learn)
        learn.fit(1)
        assert [i for i, (p, q) in enumerate(zip(before, weights(learn))) if p.equal(q)] == still


# Files

def test_save_and_load_give_all_back(tmp_path):
    first, second = learner(path=tmp_path), learner(5, path=tmp_path)
    first.fit(2, 0.05)
    assert first.save("x/y.z") == tmp_path / "models" / "x" / "y.z.pth"
    assert second.load("x/y.z") is second
    assert same(weights(first), weights(second))
    first.fit(1, 0.02)
    second.fit(1, 0.02)
    assert not same(weights(first), weights(second)), "other data; the same with the same:"
    third, fourth = learner(path=tmp_path).load("x/y.z"), learner(path=tmp_path).load("x/y.z")
    third.fit(2)
    fourth.fit(2)
    assert same(weights(third), weights(fourth)), "with the optimizer's memory"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process that is killed is forked")
def test_a_process_killed_while_it_writes_leaves_the_old_file_intact(tmp_path, monkeypatch):
    learn = learner(path=tmp_path)
    path = learn.save("best")
    content, old = path.read_bytes(), weights(learn)
    learn.fit(2, 0.1)
    real, (receive, send) = torch.save, os.pipe()
    def slowly(thing, file):
        real(thing, whole := io.BytesIO())
        file.write(whole.getvalue()[:len(content) // 2])
        file.flush()
        os.write(send, b"x")
        time.sleep(60)
    if (child := os.fork()) == 0:
        monkeypatch.setattr(torch, "save", slowly)
        try: learn.save("best")
        finally: os._exit(1)
    assert os.read(receive, 1) == b"x", "half of it is written"
    (half,) = [p for p in path.parent.iterdir() if p != path]
    assert 0 < half.stat().st_size < len(content)
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert path.read_bytes() == content and same(weights(learner(path=tmp_path).load("best")), old)
    learn.save("best")
    assert same(weights(learner(path=tmp_path).load("best")), weights(learn))


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, kind):
    learn = learner(path=tmp_path)
    path = learn.save("best")
    content = path.read_bytes()
    def fails(thing, file):
        file.write(b"half")
        raise kind("full")
    monkeypatch.setattr(torch, "save", fails)
    assert isinstance(outcome(lambda: learn.save("best")), kind)
    assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


class Harmful:
    "Asks whoever unpickles it to make a folder."
    def __init__(self, folder): self.folder = folder
    def __reduce__(self): return os.mkdir, (str(self.folder),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [
    lambda thing, path: torch.save({"model": thing, "opt": {}}, path),
    lambda thing, path: torch.save(thing, path),
    lambda thing, path: torch.save({"model": {}, "opt": {}, "x": [thing]}, path,
                                   _use_new_zipfile_serialization=False),
    lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, write):
    learn = learner(path=tmp_path)
    path, folder = learn.save("x"), tmp_path / "made"
    write(Harmful(folder), path)
    before = everything(learn)
    with pytest.raises(ValueError, match="something else than weights"): learn.load("x")
    assert not folder.exists() and everything(learn) == before


@LAW
@given(st.data())
def test_a_damaged_file_is_named_and_changes_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    learn = learner(path=folder)
    path = learn.save("x")
    content = bytearray(path.read_bytes())
    content = content[:data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    before = everything(learn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=re.escape(str(path))): learn.load("x")
    assert everything(learn) == before


def test_files_that_do_not_fit_change_nothing(tmp_path):
    learn = learner(path=tmp_path)
    learn.fit(1)
    torch.manual_seed(3)
    wide = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 9))
    Learner(wide, learn.data, path=tmp_path).save("wide")
    parted = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    Learner(parted, learn.data, path=tmp_path, layer_groups=list(parted)).save("parted")
    torch.save({"model": {}}, tmp_path / "models" / "half.pth")
    torch.save([1], tmp_path / "models" / "list.pth")
    before = everything(learn)
    for name, kind, part in [
            ("wide", RuntimeError, "size mismatch"), ("parted", ValueError, "parameter groups"),
            ("half", ValueError, "no entries 'model' and 'opt'"),
            ("list", ValueError, "no entries 'model' and 'opt'"),
            ("none", FileNotFoundError, "saved under .* are: half, list, parted, wide")]:
        with pytest.raises(kind, match=part): learn.load(name)
        assert everything(learn) == before, name
    assert same(weights(learn.load("parted", with_opt=False)), parted.parameters())


# Finding a rate

@pytest.mark.parametrize("problem", [None, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("opt_func", [torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9)])
def test_a_search_leaves_no_trace(tmp_path, problem, opt_func):
    learn = learner(opt_func=opt_func, path=tmp_path,
                    callback_fns=[SaveModelCallback, EarlyStoppingCallback])
    learn.model.append(nn.BatchNorm1d(3))
    learn.fit_one_cycle(1, 0.05)
    learn.model[0].eval()
    learn.model[2].weight.grad = torch.ones(3, 6)
    before, files = everything(learn), sorted(tmp_path.rglob("*"))
    times = [f.stat().st_mtime_ns for f in files]
    def throws(self, iteration, **kw):
        torch.rand(1)
        if problem and iteration == 4: raise problem
    learn.callbacks.append(made(on_step_end=throws)())
    came = outcome(lambda: learn.lr_find(num_it=9, stop_div=False))
    assert type(came) is (problem or type(None)) and everything(learn) == before
    assert sorted(tmp_path.rglob("*")) == files
    assert [f.stat().st_mtime_ns for f in files] == times


def test_a_search_tries_rates_by_equal_factors_over_as_many_epochs_as_needed():
    learn = learner()
    finder = learn.lr_find(1e-6, 1., num_it=13, stop_div=False)
    assert np.allclose(finder.lrs, np.geomspace(1e-6, 1, 13)) and len(finder.losses) == 13
    assert finder is learn.lr_finder and list(learn.recorder.lrs) == finder.lrs
    smooth = [learn.recorder.losses[0]]
    for loss in learn.recorder.losses[1:]: smooth.append(0.8 * smooth[-1] + 0.2 * loss)
    assert np.allclose(finder.losses, smooth)
    assert finder.suggestion() == finder.lrs[int(np.argmin(finder.losses))] / 10


def test_a_search_needs_no_length_and_heeds_others_who_stop():
    learn = learner()
    data = learn.data.train_dl
    class Endless:
        "Batches without end and without length."
        def __iter__(self):
            while True: yield from data
    learn.data.train_dl = Endless()
    assert len(learn.lr_find(num_it=8, stop_div=False).lrs) == 8
    stops = made(-90, on_batch_begin=lambda self, iteration, **kw: {
        "stop_epoch": iteration == 2, "stop_training": iteration == 2})()
    learn.callbacks.append(stops)
    assert len(learn.lr_find(num_it=8, stop_div=False).lrs) == 3


@pytest.mark.parametrize("options", [{"start_lr": 0.}, {"start_lr": 1., "end_lr": 1.},
                                     {"num_it": 1}])
def test_rates_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="must rise from above 0, in 2 batches or more") as caught:
        LRFinder(learner(), **options)
    for value in options.values(): assert str(value) in str(caught.value)


# LearnerCallback

class Holds:
    "What a LearnerCallback needs of a learner."
    def __init__(self): self.opt, self.model, self.rate = "opt", "model", 3
    def fit(self): pass


def test_a_callback_written_by_hand_or_declared_is_the_same():
    class ByHand(LearnerCallback):
        def __init__(self, learn, factor=2):
            super().__init__(learn)
            self.factor = factor

    @dataclass
    class Declared(LearnerCallback):
        learn: Learner
        factor: int = 2

    holder = Holds()
    for cls, name in [(ByHand, "by_hand"), (Declared, "declared")]:
        cb = cls(holder, factor=5)
        assert getattr(holder, name) is cb and cb.learn is holder and cb.factor == 5
        assert cb.rate == 3 and cb.opt == "opt"
        holder.rate = 3
        learn = learner(callback_fns=partial(cls, factor=7))
        learn.fit(1)
        assert getattr(learn, name).factor == 7 and learn.callbacks[1] is getattr(learn, name)


def test_neither_holds_the_other(tmp_path):
    gc.collect()
    gc.disable()
    try:
        learn = learner(path=tmp_path, callback_fns=[GradientClipping, SaveModelCallback])
        learn.fit_one_cycle(1)
        learn.lr_find(num_it=3)
        learn.validate()
        watch, clipping = weakref.ref(learn), learn.gradient_clipping
        del learn
        assert watch() is None, "gone at once, without the collector"
        with pytest.raises(ReferenceError, match="GradientClipping needs 'opt', .* is gone; keep"):
            assert clipping.opt
    finally: gc.enable()


def test_traps_of_looking_up_are_told():
    class Trap(LearnerCallback):
        @property
        def broken(self): return self.fctor
        factor = 1

    holder = Holds()
    trap = Trap(holder)
    for ask, parts in [(lambda: trap.ratee, ["Trap", "'ratee'", "'rate'"]),
                       (lambda: trap.broken, ["Trap", "'fctor'", "'factor'"]),
                       (lambda: Trap.__new__(Trap).opt, ["Trap", "'opt'"]),
                       (lambda: Trap.__new__(Trap).learn, ["Trap", "'learn'"])]:
        with pytest.raises(AttributeError) as caught: ask()
        for part in parts: assert part in str(caught.value)
    assert not hasattr(trap, "__len__") and copy.copy(trap).learn is holder
    for name in ("model", "data", "opt", "loss_func"):
        with pytest.warns(UserWarning, match=rf"Trap: self\.{name} .* write self\.learn\.{name} ="):
            setattr(trap, name, 1)


@pytest.mark.parametrize("name", ["Fit", "Model", "ValidateCallback", "Opt", "SaveCallback"])
def test_a_name_that_the_learner_needs_itself_is_refused(name):
    cls = type(name, (LearnerCallback,), {})
    with pytest.raises(ValueError, match=f"class {name} .* is taken; give the class another name"):
        learner(callback_fns=cls)


# Bars and the table

def screen(written):
    "The lines that a terminal shows."
    lines = []
    for part in written.split("\n"):
        line = []
        for piece in part.split("\r"): line[:len(piece)] = piece
        lines.append("".join(line).rstrip())
    return [line for line in lines if line]


SCRIPT = """
import sys, time, torch
from functools import partial
from torch import nn
from exp.callbacks import DataBunch
from exp.handler import Callback, Learner, Recorder
class Slow(Callback):
    def on_batch_begin(self, **kwargs): time.sleep(0.12)
    def on_epoch_begin(self, epoch, **kwargs):
        if epoch == int(sys.argv[1]): raise KeyboardInterrupt
torch.manual_seed(0)
batch = torch.ones(2, 4), torch.zeros(2, dtype=torch.long)
learn = Learner(nn.Linear(4, 3), DataBunch([batch] * 4, [batch] * 2), callbacks=Slow(),
                callback_fns=partial(Recorder, add_time=False))
try: learn.fit(2)
except KeyboardInterrupt: pass
learn.lr_find(num_it=2)
print("|", *[learn.recorder.names, *learn.recorder.values], sep="|")
"""


@pytest.fixture(scope="module", params=["9", "1"])
def in_a_terminal(request):
    "What a real terminal gets from a fit, whole or interrupted in epoch 1."
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, request.param], stdout=follower,
                               stderr=subprocess.PIPE, text=True)
    os.close(follower)
    written = b""
    while True:
        try: part = os.read(leader, 10000)
        except OSError: break
        if not part: break
        written += part
    os.close(leader)
    errors = process.communicate()[1]
    assert process.returncode == 0 and errors == ""
    return written.decode().replace("\r\n", "\n"), 2 if request.param == "9" else 1


def test_a_terminal_shows_moving_bars_and_keeps_the_table(in_a_terminal):
    written, rows = in_a_terminal
    shown = screen(written)
    assert shown[0].split() == ["epoch", "train_loss", "valid_loss"]
    assert [line.split()[0] for line in shown[1:-1]] == [str(i) for i in range(rows)]
    assert len(shown) == rows + 2, "nothing of the bars is left, and the search shows none"
    assert "Epoch 1/2" in written and "[0/4 " in written and "[2/4 " in written
    assert re.search(r"\[2/4 [^\]]*\.\.\. \d\.\d{4}\]", written), "the smoothed loss is beside it"


def test_a_file_gets_the_rows_and_nothing_else(capsys):
    learn = learner(callbacks=None, callback_fns=partial(Recorder, add_time=False))
    learn.fit(2)
    rows = [learn.recorder.names, *map(learn.recorder.format_stats, learn.recorder.values)]
    printed = capsys.readouterr()
    widths = [max(8, len(name)) for name in rows[0]]
    assert printed.out.splitlines() == [
        "  ".join(text.ljust(n) for text, n in zip(row, widths)).rstrip() for row in rows]
    learn.lr_find(num_it=3)
    learn.validate()
    learn.fit(1, callbacks=Quiet())
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


class Bar:
    "Stands in for a bar; notes what it is asked to do."
    prefix = "Epoch 1/1 :"
    def __init__(self): self.notes = []
    def progress(self, dl, total):
        self.notes.append(total)
        return self
    def update(self, done): self.notes.append(done)
    def on_iter_end(self): self.notes.append("closed")


@LAW
@given(st.integers(0, 30), st.floats(0, 0.5), st.integers(0, 40), st.booleans())
def test_batches_pass_a_bar_unchanged_and_it_is_always_closed(n, seconds, stop, throws):
    bar, clock = Bar(), [0.]
    handler = CallbackHandler()
    handler.on_train_begin(1, bar)
    got, drawn, next_draw = [], [], 0.2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock[0])
        try:
            for i in with_bar(range(n), handler):
                got.append(i)
                if i == stop and throws: raise KeyError
                if i == stop: break
                clock[0] += seconds
                if clock[0] >= next_draw:
                    drawn.append(i + 1)
                    next_draw = clock[0] + 0.2
        except KeyError: pass
    assert got == list(range(min(n, stop + 1)))
    assert bar.notes == [n or "noinfer", 0, *drawn, "closed"] and bar.prefix == ""


def test_a_fit_without_a_recorder_shows_nothing_in_a_file(capsys):
    fit(1, learner(), [])
    assert capsys.readouterr().out == ""
    assert not hasattr(progress_bar(3), "progress")


# The others

@pytest.mark.parametrize("clip", [0.01, 0.3, 0., None])
def test_clipping_is_that_of_the_whole_gradient_before_the_step(clip):
    learn, theirs = learner(opt_func=torch.optim.SGD, wd=0.), learner()
    learn.fit(2, 0.5, callbacks=GradientClipping(learn, clip))
    for xb, yb in theirs.data.train_dl * 2:
        params = list(theirs.model.parameters())
        grads = torch.autograd.grad(cross_entropy(theirs.model(xb), yb), params)
        norm = torch.cat([g.flatten() for g in grads]).norm().item()
        scale = min(1., clip / norm) if clip else 1.
        with torch.no_grad():
            for p, g in zip(params, grads): p -= 0.5 * scale * g
    for p, q in zip(weights(learn), weights(theirs)): assert torch.allclose(p, q, atol=1e-5)


def test_a_penalty_is_in_the_gradient_and_not_in_the_record():
    learn, theirs = (learner(opt_func=torch.optim.SGD, wd=0.) for _ in range(2))
    learn.fit(2, 0.1, callbacks=ActivationRegularizer(0.7))
    raw = []
    for xb, yb in theirs.data.train_dl * 2:
        theirs.opt.zero_grad()
        out = theirs.model(xb)
        raw.append(cross_entropy(out, yb).item())
        (cross_entropy(out, yb) + 0.7 * (out ** 2).sum() / out.numel()).backward()
        with torch.no_grad():
            for p in theirs.model.parameters(): p -= 0.1 * p.grad
    for p, q in zip(weights(learn), weights(theirs)): assert torch.allclose(p, q, atol=1e-5)
    assert np.allclose(list(learn.recorder.losses), raw, atol=1e-5)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("event", [*EVENTS[2:8], "model"])
def test_autocast_is_off_after_every_error_and_every_pass(event, kind):
    def throws(*args, **kw): raise kind
    learn, kinds = learner(), []
    learn.model[2].register_forward_pre_hook(lambda m, args: kinds.append(args[0].dtype))
    learn.fit(1, callbacks=Bfloat16())
    assert set(kinds) == {torch.bfloat16} and not torch.is_autocast_enabled("cpu")
    assert {p.dtype for p in learn.model.parameters()} == {torch.float32}
    assert learn.get_preds()[0].dtype == torch.float32
    if event == "model": learn.model[0].register_forward_hook(throws)
    learn.callbacks += [Bfloat16()] + [made(5, **{event: throws})()] * (event != "model")
    for action in (lambda: learn.fit(1), learn.validate, learn.get_preds):
        came = outcome(action)
        assert isinstance(came, (kind, type(None))) and not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("wd", [0., 0.3])
def test_adam_with_true_decay_is_adamw(wd):
    learn, theirs = learner(wd=0.), learner()
    learn.model[2].bias.requires_grad_(False)
    theirs.model[2].bias.requires_grad_(False)
    learn.fit(3, 0.02, callbacks=TrueWeightDecay(learn, wd))
    opt = torch.optim.AdamW(theirs.model.parameters(), 0.02, weight_decay=wd)
    for xb, yb in theirs.data.train_dl * 3:
        cross_entropy(theirs.model(xb), yb).backward()
        opt.step()
        opt.zero_grad()
    for p, q in zip(weights(learn), weights(theirs)): assert torch.allclose(p, q, atol=1e-6)


class Score(Callback):
    "A metric that gives these numbers, one for each epoch; None: no validation in that epoch."
    name = "score"
    def __init__(self, numbers): self.numbers = numbers
    def on_epoch_end(self, last_metrics, epoch, **kwargs):
        return {"last_metrics": [*last_metrics, self.numbers[epoch]]}


class Skips(Callback):
    "Leaves validation out where the score has no number."
    def __init__(self, numbers): self.numbers = numbers
    def on_epoch_begin(self, epoch, **kwargs): return {"skip_validate": self.numbers[epoch] is None}


def watched(numbers, path, *cbs):
    "A learner whose metric `score` has these numbers, and its weights after each epoch."
    after = []
    note = made(-50, on_epoch_end=lambda self, **kw: after.append(weights(learn)))()
    learn = learner(metrics=Score(numbers), path=path, callbacks=[Quiet(), Skips(numbers), note])
    learn.callbacks += [cb(learn) for cb in cbs]
    return learn, after


SCORES = st.lists(st.one_of(st.none(), st.integers(-3, 3).map(float)), min_size=1, max_size=8)


@LAW
@given(SCORES, st.integers(1, 4), st.floats(0, 1.5), st.sampled_from(["score", "score_error"]))
def test_stopping_and_best_weights_are_those_of_a_plain_rule(tmp_path_factory, numbers, patience,
                                                             delta, monitor):
    path = tmp_path_factory.mktemp("best")
    sign = 1 if monitor == "score_error" else -1
    options = {"monitor": monitor, "min_delta": delta}
    best, best_epoch, wait, ran = math.inf, None, 0, 0
    for epoch, number in enumerate(numbers):
        ran += 1
        if number is None: continue
        if best - sign * number > delta: best, best_epoch, wait = sign * number, epoch, 0
        else: wait += 1
        if wait >= patience: break
    learn, after = watched(numbers, path, partial(EarlyStoppingCallback, patience=patience,
                                                  **options), partial(SaveModelCallback, **options))
    learn.metrics[0].name = monitor
    learn.fit(len(numbers), 0.05)
    assert len(after) == ran and learn.early_stopping.best_epoch == best_epoch
    assert same(weights(learn), after[-1 if best_epoch is None else best_epoch])
    assert learn._file("best").exists() == (best_epoch is not None)


@pytest.mark.parametrize("event, epoch", [("on_batch_begin", 2), ("on_epoch_end", 2),
                                          ("on_train_begin", None)])
def test_the_best_weights_come_back_after_an_error_if_there_are_any(tmp_path, event, epoch):
    def throws(self, **state):
        if state["epoch"] == (epoch or 0): raise KeyboardInterrupt
    learn, after = watched([1, 5, 9, 9], tmp_path, SaveModelCallback)
    learn.callbacks[-1].__init__(learn, "score")
    learn.fit(2)
    start = weights(learner(9))
    with torch.no_grad():
        for p, q in zip(learn.model.parameters(), start): p.copy_(q)
    del after[:]
    came = outcome(lambda: learn.fit(4, callbacks=made(-5, **{event: throws})()))
    assert isinstance(came, KeyboardInterrupt)
    assert same(weights(learn), after[1] if epoch else start), "of this training, not an older one"


def test_what_could_not_be_saved_is_not_loaded(tmp_path, monkeypatch):
    learn, _ = watched([1, 2], tmp_path, partial(SaveModelCallback, monitor="score"))
    learn.save("best")
    older = weights(learn)
    def full(name): raise OSError("no space")
    monkeypatch.setattr(learn, "save", full)
    assert isinstance(outcome(lambda: learn.fit(2, 0.1)), OSError)
    assert not same(weights(learn), older)


@pytest.mark.parametrize("make", [EarlyStoppingCallback, SaveModelCallback])
def test_a_number_that_never_comes_is_refused_with_those_that_do(make):
    learn = learner()
    with pytest.raises(ValueError, match="monitor is 'acuracy'; there are valid_loss, accuracy"):
        learn.fit(1, callbacks=make(learn, "acuracy"))
    with pytest.raises(ValueError, match="patience is 0; it must be at least 1"):
        EarlyStoppingCallback(learn, patience=0)


def test_quiet_stays_quiet_and_keeps_the_record(capsys):
    learn = learner()
    learn.fit(2)
    assert capsys.readouterr().out == "" and len(learn.recorder.values) == 2


def test_a_scheduler_can_be_used_again():
    learn = learner()
    cycle = OneCycleScheduler(learn, 0.1)
    for _ in range(2):
        learn.fit(2, callbacks=cycle)
        assert np.allclose(list(learn.recorder.lrs), [one_cycle(0.1)(p) for p in places(6, 0.3)])
        learn.opt.mom = 0.7
    learn.fit(1, callbacks=cycle)
    assert learn.opt.mom == 0.7
