"Lesson 11: what is printed, drawn and measured is what the loop does, and looking changes nothing."
import contextlib
import copy
import importlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from exp import training_loop as module
from exp.callbacks import DataBunch
from exp.early_stopping import (
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
)
from exp.learner import (
    EVENTS,
    Callback,
    CancelTrainException,
    CancelValidException,
    Checkpoint,
    GradientAccumulation,
    Learner,
    ParamScheduler,
    synth_learner,
)
from exp.training_loop import StepThrough, TimeShares, Trace, callbacks_page, explain

LAW = settings(deadline=None, max_examples=15)
LEVELS = {"batch": CancelBatchException, "train": CancelTrainException,
          "validate": CancelValidException, "epoch": CancelEpochException,
          "fit": CancelFitException}
FIRST = ["before_fit", "before_epoch", "before_train"]
IN_TRAINING = ("before_batch after_pred after_loss before_backward before_step after_step "
               "after_batch").split()
IN_VALIDATION = "before_batch after_pred after_loss after_batch".split()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    plt.close("all")


def with_events(cls, action, events=EVENTS):
    "`cls`, with a method for each event that calls `action(self, event)`."
    def method(event): return lambda self: action(self, event)
    for event in events: setattr(cls, event, method(event))
    return cls


def printed(function, *args, **options):
    "The text that a call prints."
    out = io.StringIO()
    with contextlib.redirect_stdout(out): function(*args, **options)
    return out.getvalue()


def bare(**options):
    "A small learner without callbacks of its own."
    return synth_learner(**{"n_train": 3, "n_valid": 2, "default_cbs": False} | options)


# The listing

PLAIN = """\
Start Fit
   - before_fit     : [TrainEvalCallback, Recorder, ProgressCallback]
  Start Epoch Loop
     - before_epoch   : [Recorder, ProgressCallback]
    Start Train
       - before_train   : [TrainEvalCallback, Recorder, ProgressCallback]
      Start Batch Loop
         - before_batch   : []
         - after_pred     : []
         - after_loss     : []
         - before_backward: []
         - before_step    : []
         - after_step     : []
         - after_cancel_batch: []
         - after_batch    : [TrainEvalCallback, Recorder, ProgressCallback]
      End Batch Loop
    End Train
     - after_cancel_train: [Recorder]
     - after_train    : [Recorder, ProgressCallback]
    Start Valid
       - before_validate: [TrainEvalCallback, Recorder, ProgressCallback]
      Start Batch Loop
         - before_batch   : []
         - after_pred     : []
         - after_loss     : []
         - after_cancel_batch: []
         - after_batch    : [TrainEvalCallback, Recorder, ProgressCallback]
      End Batch Loop
    End Valid
     - after_cancel_validate: [Recorder]
     - after_validate : [Recorder, ProgressCallback]
  End Epoch Loop
   - after_cancel_epoch: []
   - after_epoch    : [Recorder]
End Fit
 - after_cancel_fit: []
 - after_fit      : [ProgressCallback]
"""
VERBOSE = """\
Start Fit
   - before_fit:
     - Late:~
       - Say hello, and count from 1 < 2.
  Start Epoch Loop
     - before_epoch:
    Start Train
       - before_train:
      Start Batch Loop
         - before_batch:
           - Early:~
             - Shift the batch.
           - Late:~
             - In two lines, of which both are shown.
         - after_pred:
         - after_loss:
           - Early:~
         - before_backward:
         - before_step:
         - after_step:
         - after_cancel_batch:
         - after_batch:
      End Batch Loop
    End Train
     - after_cancel_train:
     - after_train:
    Start Valid
       - before_validate:
      Start Batch Loop
         - before_batch:
           - Late:~
             - In two lines, of which both are shown.
         - after_pred:
         - after_loss:
         - after_cancel_batch:
         - after_batch:
      End Batch Loop
    End Valid
     - after_cancel_validate:
     - after_validate:
  End Epoch Loop
   - after_cancel_epoch:
   - after_epoch:
     - Early:~
       - It hears of epochs although it sits validation out.
End Fit
 - after_cancel_fit:
 - after_fit:
""".replace("~", " ")  # a space at the end of a line, as it is printed


class Late(Callback):
    "Comes late."
    order = 7

    def before_fit(self): "Say hello, and count from 1 < 2."

    def before_batch(self):
        """In two lines,
           of which both are shown.
        """


class Early(Callback):
    "Comes early."
    order, run_valid = -7, False
    def before_batch(self): "Shift the batch."
    def after_loss(self): return None
    def after_epoch(self): "It hears of epochs although it sits validation out."


def shortened(text, name=r"\w+"):
    "A plain listing without some of its names."
    text = re.sub(rf"\b{name}(, )?(?=[^\[\n]*\])", "", text)
    return text.replace(", ]", "]")


def test_the_listing_of_the_default_callbacks():
    learn = synth_learner()
    assert printed(learn.show_training_loop) == PLAIN
    assert printed(learn.show_training_loop, False, None) == PLAIN


def test_the_listing_with_ones_own_callbacks_in_their_order():
    learn = bare(cbs=[Late(), Early()])
    expected = shortened(PLAIN)
    for old, new in [("before_fit     : []", "before_fit     : [Late]"),
                     ("before_batch   : []", "before_batch   : [Early, Late]"),
                     ("after_loss     : []", "after_loss     : [Early]"),
                     ("after_epoch    : []", "after_epoch    : [Early]")]:
        expected = expected.replace(old, new, 1)
    training, validation = expected.split("    Start Valid\n")
    validation = validation.replace("before_batch   : []", "before_batch   : [Late]")
    assert printed(learn.show_training_loop) == f"{training}    Start Valid\n{validation}"


def test_the_verbose_listing_has_a_line_for_each_callback_and_its_docstring():
    assert printed(bare(cbs=[Late, Early]).show_training_loop, verbose=True) == VERBOSE


def test_the_verbose_listing_of_the_defaults_has_their_docstrings():
    learn = synth_learner()
    text = printed(learn.show_training_loop, True)
    for listeners in learn.listeners.values():
        for event, methods in listeners.items():
            for method in methods:
                name, words = type(method.__self__).__name__, re.escape(method.__doc__)
                assert re.search(rf"\n +- {name}: \n +- {words}\n", text), (event, method)
    assert [line.strip("- :") for line in text.splitlines() if line.strip("- :") in EVENTS] == [
        line.split(":")[0].strip("- ") for line in PLAIN.splitlines() if ":" in line]


@pytest.mark.parametrize("given", [Late, Late(), [Late()], (Late(), Early)])
def test_callbacks_can_be_added_for_one_listing_only(given):
    learn = bare(cbs=type("Own", (Callback,), {"before_batch": lambda self: None}))
    before, table = printed(learn.show_training_loop), learn.listeners
    with_them = printed(learn.show_training_loop, cbs=given)
    assert "[Late]" in with_them and "[Own, Late]" in with_them.replace("Early, ", "")
    assert ("[Early, Own, Late]" in with_them) == isinstance(given, tuple)
    assert printed(learn.show_training_loop) == before and len(learn.cbs) == 1
    assert learn.listeners == table
    assert "Late" in printed(learn.show_training_loop, True, given)
    assert "Late" in learn.loop_tree(given).text and "Late" not in learn.loop_tree().text


@LAW
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=6))
def test_callbacks_stand_in_the_order_of_their_calls(orders):
    called = []
    kinds = [with_events(type(f"Cb{i}", (Callback,), {"order": order}),
                         lambda self, event: called.append((event, type(self).__name__)))
             for i, order in enumerate(orders)]
    learn = bare(n_train=1, n_valid=1, cbs=kinds)
    learn.fit(1)
    listed = re.findall(r"- (\w+) *: \[(.*)\]", printed(learn.show_training_loop))
    assert called == [(event, name) for event, names in listed if "cancel" not in event
                      for name in names.split(", ")]


# The listing against real fits: its text is played by the rule that every level ends

class Level:
    "A level of the listing: its name, and what stands between its Start and its End."
    def __init__(self, name): self.name, self.body = name, []


NAMES = {"Fit": "fit", "Epoch Loop": "epoch", "Train": "train", "Valid": "validate",
         "Batch Loop": "batch"}


def parsed(text):
    "The Fit of a listing, from its printed lines; the two events of each level's end come last."
    lines = [line.split(":")[0].strip(" -") for line in text.splitlines()]
    open_levels, level = [Level(None)], None
    while lines:
        what = lines.pop(0)
        if what.startswith("Start "):
            level = Level(NAMES[what.removeprefix("Start ")])
            open_levels[-1].body.append(level)
            open_levels.append(level)
        elif what.startswith("End "):
            level = open_levels.pop()
            assert level.name == NAMES[what.removeprefix("End ")]
            # A batch ends before its End, where the next one begins; all others after theirs.
            if level.name == "batch": ends, level.body = level.body[-2:], level.body[:-2]
            else: ends, lines = lines[:2], lines[2:]
            assert ends == [f"after_cancel_{level.name}", f"after_{level.name}"]
        else: open_levels[-1].body.append(what)
    (outside,) = open_levels
    assert outside.body == [level]
    return level


class Ended(Exception):
    "A cancel of a level, or an error where it is None."
    def __init__(self, level): self.level = level


class Player:
    "Plays a listing: what is called when at some calls, counted from 0, something is raised."
    def __init__(self, text, counts, plan):
        self.counts, self.plan, self.called, self.running = counts, plan, [], []
        self.outcome = None
        try: self.level(parsed(text))
        except Ended: self.outcome = RuntimeError

    def call(self, event):
        self.called.append(event)
        level = self.plan.get(len(self.called) - 1)
        if level: raise Ended(level if level in self.running else None)

    def level(self, level):
        self.running.append(level.name)
        try:
            try:
                try: self.inside(level)
                finally: self.running.pop()
            except Ended as ended:
                if ended.level != level.name: raise
                self.call(f"after_cancel_{level.name}")
        except Ended:
            self.call(f"after_{level.name}")
            raise
        self.call(f"after_{level.name}")

    def inside(self, level):
        for part in level.body:
            if not isinstance(part, Level): self.call(part)
            else:
                key = (part.name, level.name) if part.name == "batch" else part.name
                for _ in range(self.counts.get(key, 1)): self.level(part)


class Cancels(Callback):
    "Notes each event, and raises at some calls, counted from 0."
    def __init__(self, plan): self.plan, self.called = plan, []

    def meet(self, event):
        self.called.append(event)
        level = self.plan.get(len(self.called) - 1)
        if level: raise LEVELS[level]


with_events(Cancels, Cancels.meet)
COUNTS = {"epoch": 2, ("batch", "train"): 3, ("batch", "validate"): 2}


def held_against_the_listing(plan):
    "Fit for real with cancels as in `plan`, and compare with what the listing says."
    cancels = Cancels(plan)
    learn = bare(cbs=cancels)
    player = Player(printed(learn.show_training_loop), COUNTS, plan)
    outcome = None
    try: learn.fit(2)
    except RuntimeError as error: outcome = type(error)
    assert cancels.called == player.called, plan
    assert outcome is player.outcome, plan
    return player.called


def whole_fit():
    "What is called in a fit that nothing ends."
    train = IN_TRAINING * 3
    epoch = ["before_epoch", "before_train", *train, "after_train", "before_validate",
             *IN_VALIDATION * 2, "after_validate", "after_epoch"]
    return ["before_fit", *epoch, *epoch, "after_fit"]


def test_the_listing_is_the_order_of_a_real_fit():
    assert held_against_the_listing({}) == whole_fit()


PLACES = sorted({(whole_fit().index("before_train") + 8 + i) for i in range(7)}
                | {i for i, event in enumerate(whole_fit()) if event not in IN_TRAINING}
                | {whole_fit().index("before_validate") + 5 + i for i in range(4)})


@pytest.mark.parametrize("level", LEVELS)
def test_the_listing_is_the_order_under_a_cancel_at_any_event(level):
    ended = [held_against_the_listing({place: level}) for place in PLACES]
    assert any(f"after_cancel_{level}" in called for called in ended)
    for called in ended: assert sum("cancel" in event for event in called) <= 1


@pytest.mark.parametrize("second", LEVELS)
@pytest.mark.parametrize("first", LEVELS)
def test_the_listing_is_the_order_when_a_cancel_is_followed_by_another(first, second):
    place = {"validate": whole_fit().index("before_validate")}.get(first, 5)
    called = held_against_the_listing({place: first})
    after = called.index(f"after_cancel_{first}")
    held_against_the_listing({place: first, after: second})


# The tree, in a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which(
    "google-chrome")
SCRIPT = """<pre id="out"></pre><script>
const all = [...document.querySelectorAll("details")], found = [];
for (const one of all) {
    const summary = one.querySelector(":scope > summary");
    const inside = [...one.querySelectorAll("*")].filter(e => e.parentElement.closest("summary")
        !== summary && e !== summary);
    const measure = () => [one.open, Math.round(one.getBoundingClientRect().height),
        Math.round(summary.getBoundingClientRect().height),
        inside.filter(e => e.checkVisibility()).length];
    const states = [measure()];
    for (let i = 0; i < 2; i++) { summary.click(); states.push(measure()); }
    found.push({text: summary.innerText, kind: one.className, inside: inside.length,
                states: states});
}
const width = document.documentElement.scrollWidth - document.documentElement.clientWidth;
document.getElementById("out").textContent = JSON.stringify({
    found: found, wide: width, bold: document.querySelectorAll("li b").length,
    texts: [...document.querySelectorAll("li")].map(e => e.textContent),
    lefts: all.map(e => e.getBoundingClientRect().left)});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: the tree is opened in a browser")
def test_levels_of_the_tree_fold_and_unfold_in_a_browser(tmp_path):
    odd = type("Odd", (Callback,), {"before_batch": lambda self: None})
    odd.before_batch.__doc__ = "Is 1 < 2 & <b>bold</b>?"
    tree, page = synth_learner(cbs=odd).loop_tree(), tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{tree.text}{SCRIPT}</body>",
                    encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    ran = subprocess.run([CHROMIUM, *options], capture_output=True, text=True, timeout=120)
    said = re.search(r'<pre id="out">(.*?)</pre>', ran.stdout, re.S)
    assert said, ran.stderr[-2000:]
    answer = json.loads(said[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    levels = [one for one in answer["found"] if one["kind"] == "level"]
    assert [one["text"] for one in levels] == ["Fit", "Epoch Loop", "Train", "Batch Loop", "Valid",
                                               "Batch Loop"]
    events = [one for one in answer["found"] if one["kind"] == "event"]
    assert "before_fit TrainEvalCallback, Recorder, ProgressCallback" in [e["text"] for e in events]
    for one in levels + events:
        assert [state[0] for state in one["states"]] in ([True, False, True], [False, True, False])
        for is_open, height, head, visible in one["states"]:
            if is_open: assert height > head + 10 and visible > 0, one
            else: assert height <= head + 1 and visible == 0, one
    assert all(one["states"][0][0] for one in levels), "levels are open at first"
    assert not any(one["states"][0][0] for one in events), "the callbacks of an event are not"
    assert answer["bold"] == 0 and answer["texts"].count("Odd Is 1 < 2 & <b>bold</b>?") == 2
    assert answer["wide"] <= 0 and len(set(answer["lefts"])) >= 5, "indented, and not too wide"


def test_the_tree_is_html_for_a_notebook_and_says_so_elsewhere():
    tree = synth_learner().loop_tree()
    assert tree._repr_html_() == tree.text and "<script" not in tree.text
    assert "a notebook shows it" in repr(tree) and str(len(tree.text)) in repr(tree)


# The trace

class Noisy(Callback):
    "Uses every source of random numbers, counts, keeps; fails at an event of the second batch."
    def __init__(self, event=None, failure=None):
        self.at, self.failure, self.n, self.kept = event, failure, 0, [[]]

    def meet(self, event):
        torch.rand(1), np.random.rand(), random.random()
        self.n += 1
        self.kept[0].append(event)
        if event == self.at and self.learn.batch in (None, 1): raise self.failure


with_events(Noisy, Noisy.meet)


def lived(*cbs, fits=1, **options):
    "A learner in the middle of its life: buffers, a mixture of modes, a gradient, a memory."
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    x, y = torch.randn(40, 4), torch.randint(3, (40,))
    own = torch.Generator().manual_seed(5)
    train_dl = DataLoader(TensorDataset(x, y), 8, shuffle=True, generator=own)
    learn = Learner(net, DataBunch(train_dl, [(x, y)]), nn.functional.cross_entropy, lr=1e-2,
                    cbs=cbs, **options)
    if fits:
        with contextlib.redirect_stdout(io.StringIO()), learn.no_bar(): learn.fit(fits)
        net[2].train()
        net[0].weight.grad = torch.ones(6, 4)
    return learn


def frozen(value, seen=()):
    "A value as nested tuples of plain data, to compare bit for bit; objects by their attributes."
    if id(value) in seen: return "again"
    if isinstance(value, (Learner, nn.Module, nn.Parameter, type, torch.optim.Optimizer)):
        return id(value)
    seen = (*seen, id(value))
    if torch.is_tensor(value): return str(value.dtype), value.detach().numpy().tobytes()
    if isinstance(value, np.ndarray): return value.tobytes()
    if isinstance(value, dict):
        return tuple((frozen(k, seen), frozen(v, seen)) for k, v in value.items())
    if isinstance(value, (list, tuple)): return tuple(frozen(each, seen) for each in value)
    if hasattr(value, "__self__"): return id(value.__self__), value.__name__
    if hasattr(value, "__dict__") and not callable(value):
        return type(value), frozen(vars(value), seen)
    return re.sub(r" at 0x\w+", "", repr(value))


def snapshot(learn):
    "All that a trace must leave as it is."
    net, opt = learn.model, learn.opt
    parts = {
        "weights and buffers": {k: v.clone() for k, v in net.state_dict().items()},
        "identities": [id(p) for p in (*net.parameters(), *net.modules())],
        "gradients": [p.grad if p.grad is None else p.grad.clone() for p in net.parameters()],
        "modes": [m.training for m in net.modules()],
        "optimizer": opt and copy.deepcopy(opt.state_dict()),
        "random": [torch.get_rng_state(), np.random.get_state(), random.getstate()],
        "loader": getattr(learn.data.train_dl, "generator", None)
        and learn.data.train_dl.generator.get_state(),
        "attributes": [(name, id(value)) for name, value in vars(learn).items()],
        "plain attributes": {k: v for k, v in vars(learn).items()
                             if isinstance(v, (int, float, str, list, dict)) and k != "cbs"
                             and k != "listeners"},
        "class": type(learn), "callbacks": [(id(cb), frozen(vars(cb))) for cb in learn.cbs]}
    return {name: frozen(part) for name, part in parts.items()}


def assert_same(before, after):
    for part in before: assert after[part] == before[part], part


def test_a_trace_leaves_everything_as_it_was_and_trains_meanwhile():
    learn = lived(Noisy(), GradientAccumulation(2))
    before = snapshot(learn)
    for look in (lambda: learn.trace(3, epochs=2), lambda: learn.where_time_goes(4)):
        result = look()
        assert_same(before, snapshot(learn))
        assert isinstance(result, Trace) or result.wall > 0


def test_a_trace_of_a_new_learner_leaves_it_new():
    learn = lived(Noisy(), fits=0)
    before = snapshot(learn)
    learn.trace(), learn.where_time_goes(3)
    assert learn.opt is None and "opt" not in vars(learn)
    assert all(p.grad is None for p in learn.model.parameters())
    assert_same(before, snapshot(learn))


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, CancelFitException])
@pytest.mark.parametrize("event", [event for event in EVENTS if "cancel" not in event])
def test_a_trace_that_is_broken_off_leaves_everything_as_it_was(event, kind):
    for fits in (0, 1):
        learn, failure = lived(Noisy(), fits=fits, default_cbs=False), kind("it")
        learn.noisy.at, learn.noisy.failure = event, failure
        before, came = snapshot(learn), None
        try: learn.trace()
        except BaseException as error: came = error
        if kind is not CancelFitException: assert type(came) is kind and came.args[0] == "it"
        else: assert came is None or event == "after_fit" and isinstance(came, RuntimeError)
        assert_same(before, snapshot(learn))


@pytest.mark.parametrize("part", ["model", "loss", "optimizer", "loader", "a fit inside"])
def test_a_trace_whose_parts_fail_leaves_everything_as_it_was(part):
    def fails(*args, **kwargs): raise OSError(part)
    learn = lived(Noisy())
    if part == "model": learn.model.forward = fails
    if part == "loss": learn.loss_func = fails
    if part == "optimizer": learn.opt.step = fails
    if part == "loader": learn.data = DataBunch(map(fails, [1]), [])
    if part == "a fit inside": learn.noisy.at, learn.noisy.failure = "after_step", OSError(part)
    before = snapshot(learn)
    with pytest.raises(OSError, match=part): learn.trace()
    assert_same(before, snapshot(learn))


def test_a_trace_inside_of_a_fit_is_refused_and_the_fit_goes_on():
    class Traces(Callback):
        def after_step(self):
            with pytest.raises(RuntimeError, match="a fit is running"): self.learn.trace()

    learn, plain = bare(cbs=Traces), bare()
    learn.fit(2), plain.fit(2)
    assert torch.equal(learn.model.weight, plain.model.weight) and learn.running == []


@pytest.mark.parametrize("fits", [0, 1])
def test_training_goes_on_after_a_trace_as_if_it_had_not_been(fits):
    results = []
    for looks in (False, True):
        learn = lived(Noisy(), fits=fits)
        if looks: learn.trace(3), learn.where_time_goes(4), learn.loop_tree()
        with contextlib.redirect_stdout(io.StringIO()), learn.no_bar(): learn.fit_one_cycle(2, 0.1)
        after = snapshot(learn)
        after["record"] = frozen([list(learn.recorder.losses), list(learn.recorder.lrs)])
        results.append(after)
    for part in ("weights and buffers", "gradients", "modes", "optimizer", "random", "loader",
                 "record"):
        assert results[0][part] == results[1][part], part


def test_nothing_is_written_or_shown_by_a_trace(tmp_path, capsys):
    learn = lived(Checkpoint(tmp_path / "file"), type("Says", (Callback,), {
        "after_batch": lambda self: print("said")}), fits=0)
    learn.trace(), learn.where_time_goes(2)
    assert capsys.readouterr() == ("", "") and not list(tmp_path.iterdir())


def test_callbacks_that_cannot_be_copied_or_hold_parts_of_the_model_are_traced_as_well():
    class Holds(Callback):
        def __init__(self, learn):
            self.lock, self.n, self.seen = threading.Lock(), 0, []
            self.layer, self.weight = learn.model[0], learn.model[3].weight

        def after_step(self):
            assert self.layer is self.learn.model[0] and self.weight is self.learn.model[3].weight
            with self.lock: self.n += 1
            self.seen.append(self.n)

    learn = lived()
    learn.add_cbs([Holds(learn), StepThrough("after_loss")])
    before = snapshot(learn)
    trace = learn.trace()
    assert [span.name for span in trace.spans if span.who == "Holds"] == ["after_step"] * 2
    assert_same(before, snapshot(learn))
    assert learn.holds.n == 0 and learn.holds.seen == []


class Touches(Callback):
    "Changes one thing of each kind, at one event each."
    run_valid = False
    def before_batch(self): self.learn.xb = self.learn.xb + 1
    def after_pred(self): self.learn.pred.data.add_(1)
    def after_loss(self): self.learn.hint = "seen"
    def before_backward(self): self.learn.loss = self.learn.loss * 2

    def before_step(self):
        for p in self.learn.model.parameters(): p.grad.clamp_(-1e-3, 1e-3)

    def after_step(self):
        for p in self.learn.model.parameters(): p.data.mul_(0.5)

    def after_batch(self): self.learn.set_lr(0.25)


def test_the_trace_tells_what_each_call_has_changed():
    learn = bare(cbs=[Touches(), GradientAccumulation(1)])
    lines = [line.strip() for line in learn.trace(1).lines()]
    own = [line for line in lines if "Touches" in line]
    patterns = [r"before_batch · Touches set xb: \[16, 1\] float32",
                r"after_pred · Touches changed pred: \[16, 1\] float32",
                r"after_loss · Touches set hint: seen",
                r"before_backward · Touches set loss: \[\] float32 [\d.]+",
                r"before_step · Touches changed gradients: 2, the first \[1, 1\] float32 -?0.001",
                r"after_step · Touches changed weights: 2, the first \[1, 1\] float32 [-\d.]+",
                r"after_batch · Touches set opt.lr: 0.25"]
    assert len(own) == len(patterns)
    for line, pattern in zip(own, patterns): assert re.fullmatch(pattern, line), line
    steps = [line.split(" set ")[0].split(" changed ")[0] for line in lines if "the loop" in line]
    assert steps[3:9] == [f"{name} · the loop" for name in (
        "data", "forward", "loss", "backward", "step", "zero_grad")]
    assert any(re.search("zero_grad · the loop set gradients: 2 × None", line) for line in lines)
    assert lines[0] == "fit" and "epoch 0" in lines and "batch 0" in lines and "validate" in lines
    assert repr(learn.trace(1)).startswith("fit\n")


def test_the_trace_takes_batches_of_any_form():
    "Several inputs in a dict, tensors without a version, and values that are no numbers."
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, a, b): return self.layer(a + b)

    with torch.inference_mode(): targets = torch.ones(3, 1)
    batches = [{"a": torch.ones(3, 2), "b": torch.full((3, 2), torch.nan), "y": targets}] * 2
    learn = Learner(Two(), DataBunch(batches, batches), lambda pred, y: (pred - y.clone()).sum(),
                    n_inp=2, default_cbs=False)
    text = str(learn.trace(1))
    assert "set xb: {a: [3, 2] float32, b: [3, 2] float32}, set yb: [3, 1] float32" in text
    assert "loss · the loop set loss: [] float32 nan" in text


@LAW
@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 5), st.integers(0, 3))
def test_a_trace_has_the_events_of_a_fit_on_so_many_batches(n_train, n_valid, n_batches, epochs):
    def cut(n): return min(n, n_batches)
    counts = {"epoch": epochs, ("batch", "train"): cut(n_train),
              ("batch", "validate"): cut(n_valid)}
    learn = bare(n_train=4, n_valid=3)
    batches = [next(iter(learn.data.train_dl))] * 4
    learn.data = DataBunch(batches[:n_train], iter(batches[:n_valid]) if epochs < 2
                           else batches[:n_valid])
    player = Player(printed(learn.show_training_loop), counts, {})
    trace = learn.trace(n_batches, epochs)
    assert [span.name for span in trace.spans if span.kind == "event"] == player.called
    held_nested(trace.to_json()["traceEvents"], 5e-3)


def held_nested(events, tolerance):
    "Durations lie inside of each other, by a stack: what is open when one begins ends after it."
    open_ends = []
    for event in events:
        start, end = event["ts"], event["ts"] + event["dur"]
        while open_ends and open_ends[-1] <= start + tolerance and len(open_ends) > 1 and (
                open_ends[-1] < end - tolerance or open_ends[-1] <= start):
            open_ends.pop()
        assert not open_ends or end <= open_ends[-1] + tolerance, event
        open_ends.append(end)


def test_the_json_is_a_chrome_trace_with_nested_durations(tmp_path):
    trace = synth_learner(cbs=Touches).trace(2, epochs=2)
    path = tmp_path / "trace.json"
    content = trace.to_json(path)
    assert json.loads(path.read_text(encoding="utf-8")) == content == trace.to_json()
    events = content["traceEvents"]
    for event in events:
        assert set(event) == {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"}
        assert event["ph"] == "X" and event["name"] and (event["pid"], event["tid"]) == (1, 1)
        assert event["ts"] >= 0 and event["dur"] >= 0
        assert all(isinstance(text, str) for text in [event["cat"], *event["args"].values()])
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
    held_nested(events, 5e-3)
    assert events[0]["name"] == "fit" and events[0]["ts"] == 0
    names = [event["name"] for event in events]
    assert names.count("batch 0") == 4 and names.count("forward") == 8
    assert names.count("Recorder.after_batch") == 8 and names.count("backward") == 4
    (first, *_) = [event for event in events if event["name"] == "Touches.before_step"]
    assert first["args"]["gradients"].startswith("changed gradients: 2")
    with pytest.raises(AssertionError):
        held_nested([{"ts": 0, "dur": 10}, {"ts": 5, "dur": 9}], 1e-2)


def test_a_trace_can_be_drawn_also_when_nothing_ran():
    learn = bare(cbs=Touches)
    ax = learn.trace().plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["the loop", "Touches"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "data", "forward", "loss", "backward", "step", "zero_grad"]
    learn.add_cbs(type("Ends", (Callback,), {"before_fit": Ends.before_epoch}))
    assert "after_cancel_fit" in [span.name for span in learn.trace().spans]
    assert learn.trace().plot().get_xlim()[1] > 0


class Ends(Callback):
    "Ends the fit before it has begun."
    def before_epoch(self): raise CancelFitException


# Where the time goes

class Sleeps(Callback):
    "Waits after each batch."
    def after_batch(self): time.sleep(0.004)


def test_the_shares_add_up_and_what_sleeps_is_found():
    "On a busy machine one of several runs is enough."
    def measured():
        learn = lived(Sleeps(), fits=0)
        shares = learn.where_time_goes(5)
        adds_up = abs(sum(shares.values()) - shares.wall) < 0.05 * shares.wall
        return adds_up and max(shares, key=shares.get) == "Sleeps" and shares["Sleeps"] >= 0.02
    assert any(measured() for _ in range(5))


def test_the_shares_add_up_where_there_is_nearly_nothing_to_do(monkeypatch):
    monkeypatch.setattr(time, "perf_counter", time.thread_time)  # what others run does not count
    def off():
        shares = bare(n_train=40).where_time_goes(40)
        return abs(sum(shares.values()) - shares.wall) / shares.wall
    assert min(off() for _ in range(5)) < 0.05


def test_shares_have_a_place_for_each_part_and_can_be_drawn():
    shares = synth_learner().where_time_goes(2, cbs=ParamScheduler("lr", lambda pos: 0.1))
    assert isinstance(shares, TimeShares) and isinstance(shares, dict)
    assert list(shares) == ["data", "forward", "loss", "backward", "step", "zero_grad",
                            "TrainEvalCallback", "Recorder", "ProgressCallback", "ParamScheduler",
                            "the loop"] or set(shares) >= {"ParamScheduler", "the loop"}
    assert all(seconds >= 0 for seconds in shares.values()) and shares.wall > 0
    ax = shares.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(shares)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(
        [seconds / shares.wall for seconds in shares.values()])


def test_shares_of_no_training_pass_are_refused():
    with pytest.raises(ValueError, match="no training pass to measure.*leave that callback out"):
        bare(cbs=Ends).where_time_goes()


# What an event is for

def course_callbacks():
    "{(lesson's module, name): class} of all callbacks that the lessons export."
    found = {}
    for path in Path(module.__file__).parent.glob("*.py"):
        if path.stem.startswith("_") or path.stem in ("pictures", "all"): continue
        lesson = importlib.import_module(f"exp.{path.stem}")
        for name in getattr(lesson, "__all__", []):
            thing = getattr(lesson, name)
            if isinstance(thing, type) and any("Callback" == b.__name__ for b in thing.__mro__[1:]):
                found[path.stem, name] = thing
    return found


def test_an_event_is_explained_with_those_who_use_it():
    for event, meaning in EVENTS.items():
        first, *lines = printed(explain, event).splitlines()
        assert first == f"{event}: {meaning}"
        users = {name for (lesson, name), kind in course_callbacks().items()
                 if lesson in ("learner", "training_loop") and hasattr(kind, event)}
        assert {line.split()[0] for line in lines} == users
        for line in lines:
            kind = course_callbacks()["learner", line.split()[0]]
            assert line.endswith(f"(lesson 10): {getattr(kind, event).__doc__}"), line
    assert "GradientClip" in printed(explain, "before_step")


@pytest.mark.parametrize("wrong, meant", [
    ("befor_step", "before_step"), ("begin_fit", "before_fit"), (3, "")])
def test_an_event_that_there_is_not_is_refused_with_the_one_that_was_meant(wrong, meant):
    with pytest.raises(ValueError) as refused: explain(wrong)
    for part in (repr(wrong), f"did you mean {meant!r}" if meant else "", *EVENTS):
        assert part in str(refused.value)


def test_the_page_has_every_callback_of_the_course_once():
    rows = [line.split(" | ") for line in callbacks_page().splitlines()[2:]]
    kinds = course_callbacks()
    numbers = {"callbacks": "04", "anneal": "05", "early_stopping": "06", "recorder": "07",
               "handler": "09", "learner": "10", "training_loop": "11"}
    listed = {(lesson, name.strip("|` ")) for name, _, lesson, _ in rows}
    assert listed == {(numbers[lesson], name) for lesson, name in kinds}
    assert len(rows) == len(kinds) and callbacks_page().endswith("|\n")
    for (lesson, name), kind in kinds.items():
        (row,) = [r for r in rows if r[0] == f"| `{name}`" and r[2] == numbers[lesson]]
        assert row[1] == kind.__doc__
        events = re.findall(r"`(\w+)`", row[3])
        assert len(events) == len(set(events)) and all(hasattr(kind, event) for event in events)
        if lesson == "learner":
            assert set(events) == {event for event in EVENTS if hasattr(kind, event)}


# To stop, and look around

def stopped(learn, callback, epochs=1):
    "What a fit prints with this callback, and the caller's variables at each stop."
    stops, hook = [], sys.breakpointhook
    sys.breakpointhook = lambda: stops.append(dict(sys._getframe(1).f_locals))
    try: text = printed(learn.fit, epochs, cbs=callback)
    finally: sys.breakpointhook = hook
    return text, stops


@pytest.mark.parametrize("events", ["after_pred", ["before_batch", "after_epoch"], tuple(EVENTS)])
def test_it_stops_at_the_chosen_events_alone_with_all_at_hand(events):
    learn, notes = bare(), Cancels({})
    learn.add_cbs(notes)
    text, stops = stopped(learn, StepThrough(events), 2)
    chosen = [events] if isinstance(events, str) else list(events)
    assert [stop["event"] for stop in stops] == [e for e in notes.called if e in chosen]
    assert all({"learn", "xb", "yb", "pred", "loss"} <= set(stop) for stop in stops)
    assert all(stop["learn"] is learn for stop in stops)
    assert text.count("\n") == len(stops) and f", {chosen[0]}: xb " in text
    listed = printed(learn.show_training_loop, cbs=StepThrough(events))
    assert set(re.findall(r"- (\w+) *: \[Cancels, StepThrough\]", listed)) == set(chosen)


def test_it_stops_only_when_it_is_asked_to_and_after_all_others():
    learn = bare(cbs=Touches)
    text, stops = stopped(learn, StepThrough("before_batch", when=lambda learn: learn.batch == 1))
    assert len(stops) == 2 and all(stop["pred"] is None for stop in stops)
    assert "epoch 0, training batch 1, before_batch: xb [16, 1] float32" in text
    assert "epoch 0, validation batch 1, before_batch: xb [16, 1] float32" in text
    second = learn.data.train_dl[1][0]
    assert torch.equal(stops[0]["xb"], second + 1), "it sees what the others have done"


def test_a_copy_stops_as_well_and_a_trace_does_not():
    stepping = StepThrough("after_loss", when=lambda learn: learn.training)
    for twin in (copy.copy(stepping), copy.deepcopy(stepping)):
        assert len(stopped(bare(), twin)[1]) == 3
    learn, hook = bare(cbs=stepping), sys.breakpointhook
    sys.breakpointhook = lambda: pytest.fail("it stopped, where nobody can see it")
    try: trace = learn.trace()
    finally: sys.breakpointhook = hook
    assert "after_loss · StepThrough" in str(trace)


@pytest.mark.parametrize("wrong", ["after_los", [], "", ["after_loss", "x"], 3])
def test_events_that_there_are_not_are_refused(wrong):
    with pytest.raises(ValueError) as refused: StepThrough(wrong)
    for part in (repr(wrong), "give one or several of", *EVENTS): assert part in str(refused.value)


# The house

def test_importing_it_patches_learner_and_loads_no_pictures():
    code = ("import sys, exp.learner\n"
            "names = 'show_training_loop loop_tree trace where_time_goes'.split()\n"
            "assert not any(hasattr(exp.learner.Learner, name) for name in names)\n"
            "import exp.training_loop as module\n"
            "assert all(callable(getattr(exp.learner.Learner, name)) for name in names)\n"
            "assert all(getattr(exp.learner.Learner, name).__doc__ for name in names)\n"
            "assert all(getattr(module, name) is not None for name in module.__all__)\n"
            "assert not {'matplotlib', 'fastprogress', 'sklearn', 'IPython'} & set(sys.modules)\n")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stderr
    names = "Trace TimeShares StepThrough explain callbacks_page"
    assert set(module.__all__) == set(names.split())
