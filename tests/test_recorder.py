"Lesson 07: numbers, tables, curves and bars are those of loops by hand, in every kind of place."
import csv
import gc
import inspect
import io
import math
import os
import re
import subprocess
import sys
import tracemalloc
import weakref
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from notebooks import ROOT
from torch import nn
from torch.nn.functional import cross_entropy

from exp import anneal, callbacks, early_stopping, recorder
from exp.anneal import ParamScheduler, one_cycle, one_cycle_momentum
from exp.callbacks import AvgStatsCallback, Callback, DataBunch, Learner
from exp.callbacks import Runner as PlainRunner
from exp.early_stopping import (
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    LRFinder,
    Runner,
    StopAfterNBatches,
)
from exp.minibatch_training import Optimizer, accuracy
from exp.recorder import AverageMetric, ProgressCallback, Record, Recorder, SmoothenValue

matplotlib.use("agg")

LAW = settings(deadline=None, max_examples=30)
NUMBERS = st.floats(-1e3, 1e3)
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=9)
SEEDS = st.integers(0, 2**31)
BETAS = st.floats(0, 0.999)
RUNNERS = pytest.mark.parametrize("kind", [Runner, PlainRunner])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    "Tensors as small as these are slower with several threads, and much slower on a busy machine."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_figures():
    "Whatever a test draws is closed after it."
    yield
    plt.close("all")


def generator(seed): return torch.Generator().manual_seed(seed)


def batches(seed, sizes, n_in=4, n_classes=3):
    "A random batch of each size."
    g = generator(seed)
    return [(torch.randn(n, n_in, generator=g), torch.randint(n_classes, (n,), generator=g))
            for n in sizes]


def classifier(seed=0, momentum=0.9):
    "A small learner on ragged batches, always the same for a seed."
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    opt = torch.optim.SGD(model.parameters(), 0.1, momentum=momentum)
    return Learner(model, opt, cross_entropy,
                   DataBunch(batches(seed, [5, 5, 5, 2]), batches(seed + 1, [6, 6, 1])))


class Echo(nn.Module):
    "Gives back its input; the parameter is there for the optimizer."
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x): return x + 0 * self.weight


def told(train=((1, 2), (4, 1)), valid=((1, 3), (5, 1))):
    "A learner for which each (number, size) is a batch with that loss and so many samples."
    net = Echo()
    made = [[(torch.full((n, 1), float(x)), torch.zeros(n)) for x, n in part]
            for part in (train, valid)]
    return Learner(net, torch.optim.SGD(net.parameters(), 0.25), lambda pred, yb: pred.mean(),
                   DataBunch(*made))


def double(pred, yb): return 2 * pred.mean()


class At(Callback):
    "Does something at an event of one epoch; `where` asks for training, validation or either."
    def __init__(self, event, action, epoch=1, training=None, order=-5):
        self.event, self.action, self.when, self.training = event, action, epoch, training
        self.order = order

    def meet(self, event):
        run = self.run
        if event != self.event or run.epoch != self.when: return None
        if self.training is not None and run.in_train != self.training: return None
        return self.action()

    def begin_epoch(self): return self.meet("begin_epoch")
    def after_pred(self): return self.meet("after_pred")
    def begin_validate(self): return self.meet("begin_validate")
    def after_epoch(self): return self.meet("after_epoch")


def raising(problem):
    "A function that raises it."
    def action(): raise problem
    return action


def quietly(run, *args):
    "Fit and return what was printed; an interrupt, or another error, ends in the test."
    with redirect_stdout(io.StringIO()) as printed: run.fit(*args)
    return printed.getvalue()


def test_exports_are_those_of_the_lesson():
    names = {"SmoothenValue", "AverageMetric", "Record", "Recorder", "ProgressCallback"}
    assert set(recorder.__all__) == names


def test_every_event_of_every_callback_says_what_it_does():
    found = 0
    for module in (callbacks, anneal, early_stopping, recorder):
        for cls in vars(module).values():
            if not (inspect.isclass(cls) and issubclass(cls, Callback)): continue
            for event in Runner.events.keys() & vars(cls).keys():
                doc = vars(cls)[event].__doc__
                assert doc and "\n" not in doc.strip(), f"{cls.__name__}.{event}"
                found += 1
    assert found > 25


# SmoothenValue

def smooth(values, beta):
    "The weighted mean by its definition, in float64."
    weights = beta ** np.arange(len(values))[::-1].astype(float)
    return float(weights @ np.array(values, dtype=float) / weights.sum())


@LAW
@given(st.lists(NUMBERS, min_size=1, max_size=50), BETAS)
def test_smoothed_value_is_the_weighted_mean_by_its_definition(values, beta):
    smoother = SmoothenValue(beta)
    for n, value in enumerate(values, 1):
        smoother.add_value(value)
        expected = smooth(values[:n], beta)
        assert smoother.smooth == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert min(values[:n]) - 1e-6 <= smoother.smooth <= max(values[:n]) + 1e-6


@LAW
@given(st.lists(NUMBERS, min_size=1, max_size=20), BETAS, st.floats(-5, 5), NUMBERS)
def test_smoothing_keeps_scale_and_shift(values, beta, scale, shift):
    plain, moved = SmoothenValue(beta), SmoothenValue(beta)
    for value in values:
        plain.add_value(value)
        moved.add_value(scale * value + shift)
    assert moved.smooth == pytest.approx(scale * plain.smooth + shift, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("value", [3, 3., torch.tensor(3.), torch.tensor([3]),
                                   torch.tensor([[3.]])])
def test_one_number_in_any_form_is_that_number(value):
    smoother = SmoothenValue(0.7)
    for _ in range(4):
        smoother.add_value(value)
        assert type(smoother.smooth) is float and smoother.smooth == pytest.approx(3)


def test_smoothing_keeps_no_graph():
    smoother, weight = SmoothenValue(0.9), torch.ones(3, requires_grad=True)
    hidden = weight * 2
    smoother.add_value(hidden.sum())
    gone = weakref.ref(hidden)
    del hidden
    gc.collect()
    assert gone() is None and smoother.smooth == pytest.approx(6)


@pytest.mark.parametrize("beta", [1, 1.0001, -1e-9, math.inf, math.nan])
def test_a_share_that_is_none_is_refused(beta):
    with pytest.raises(ValueError, match=f"beta is {beta}"): SmoothenValue(beta)
    assert math.isnan(SmoothenValue(0).smooth)


# AverageMetric

def weighted(values, sizes):
    "The mean over samples, in float64."
    return float(np.average(np.array(values, dtype=float), weights=sizes))


@LAW
@given(SIZES, SEEDS)
def test_a_function_is_averaged_over_samples(sizes, seed):
    made = batches(seed, sizes)
    def largest(pred, target): return pred.max() * 3
    for func in (accuracy, largest, partial(largest), lambda pred, target: 0.25):
        metric = AverageMetric(func)
        for pred, target in made: metric.accumulate(pred, target)
        expected = weighted([float(func(*pair)) for pair in made], sizes)
        assert metric.value == pytest.approx(expected, rel=1e-12) and metric.count == sum(sizes)


def macro(pred, target, n_classes, score):
    "The mean over classes of a score of (right, said, there), in float64; classes never seen left."
    said, scores = pred.argmax(1).numpy(), []
    for c in range(n_classes):
        right = ((said == c) & (target.numpy() == c)).sum()
        n_said, n_there = (said == c).sum(), (target.numpy() == c).sum()
        if n_said + n_there: scores.append(score(float(right), float(n_said), float(n_there)))
    return float(np.mean(scores))


def f1(right, said, there): return 2 * right / (said + there)
def recall(right, said, there): return right / there if there else 0.


@LAW
@given(SIZES, SEEDS)
def test_torchmetrics_objects_are_exact_over_ragged_batches_and_passes_do_not_mix(sizes, seed):
    classification = pytest.importorskip("torchmetrics.classification")
    for cls, score in [("MulticlassF1Score", f1), ("MulticlassAccuracy", recall)]:
        metric = AverageMetric(getattr(classification, cls)(num_classes=3, average="macro"))
        for each in (seed, seed + 1):
            made = batches(each, sizes, n_in=3)
            for pred, target in made: metric.accumulate(pred.requires_grad_(), target)
            whole = [torch.cat(part).detach() for part in zip(*made)]
            assert metric.value == pytest.approx(macro(*whole, 3, score), abs=1e-6)
            assert metric.value == metric.value, "it can be asked twice"
            metric.reset()
            assert math.isnan(metric.value) and metric.count == 0


def test_metrics_are_named_after_their_function_or_class():
    classification = pytest.importorskip("torchmetrics.classification")
    f1_score = classification.MulticlassF1Score(num_classes=3)
    names = [AverageMetric(f).name for f in (accuracy, partial(accuracy), f1_score)]
    assert names == ["accuracy", "accuracy", "multiclass_f1_score"]


def test_a_torchmetrics_object_works_in_a_recorder_beside_avg_stats():
    classification = pytest.importorskip("torchmetrics.classification")
    metric = classification.MulticlassF1Score(num_classes=3, average="macro")
    run = Runner([Recorder(metric, add_time=False), AvgStatsCallback(accuracy, quiet=True)])
    learn = classifier()
    run.fit(2, learn)
    assert run.recorder.names[3:] == ["accuracy", "multiclass_f1_score"]
    with torch.no_grad():
        pairs = [(learn.model(xb), yb) for xb, yb in learn.data.valid_dl]
    whole = [torch.cat(part) for part in zip(*pairs)]
    assert run.recorder.values[-1][4] == pytest.approx(macro(*whole, 3, f1), abs=1e-6)
    assert run.stats["multiclass_f1_score"] == run.recorder.values[-1][4]


@pytest.mark.parametrize("func", [lambda pred, target: (pred * 2).mean(), "object"])
def test_a_metric_keeps_no_prediction(func):
    class Kept:
        "A metric that keeps whatever it is given."
        def reset(self): self.seen = []
        def update(self, pred, target): self.seen.append(pred)
        def compute(self): return torch.stack(self.seen).mean()

    metric, weight = AverageMetric(Kept() if func == "object" else func), torch.ones(2, 2)
    hidden = weight.requires_grad_() * 1
    pred = hidden * 3
    metric.accumulate(pred, torch.zeros(2))
    gone = weakref.ref(hidden)
    del hidden, pred
    gc.collect()
    assert gone() is None and metric.value in (6, 3)


# Record

def test_a_hundred_thousand_batches_take_few_bytes_and_no_graph():
    record, weight, refs = Record(), torch.ones(1, requires_grad=True), []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(100_000):
        if i % 20_000 == 0:
            hidden = weight * i
            refs.append(weakref.ref(hidden))
            record.add_batch(hidden.sum(), 0.1, 0.9)
            del hidden
        else: record.add_batch(i / 7, 0.1, 0.9)
    assert len(record.losses) == 100_000
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    gc.collect()
    assert used <= 64 * 100_000 and not any(ref() is not None for ref in refs)
    assert sum(a.itemsize for a in (record.lrs, record.moms, record.losses)) <= 64


@LAW
@given(st.lists(NUMBERS, max_size=600), st.sets(st.integers(0, 600), max_size=5), BETAS)
def test_the_record_is_the_same_whenever_it_is_asked(values, asked, beta):
    record = Record(beta)
    for i, value in enumerate(values):
        record.add_batch(torch.tensor(value, dtype=torch.float64) if i % 3 else value, i, -i)
        if i in asked: assert record.losses[i] == value
    assert list(record.losses) == values and list(record.lrs) == [*range(len(values))]
    assert list(record.moms) == [-i for i in range(len(values))]
    if values: assert record.smooth_loss == pytest.approx(smooth(values, beta), rel=1e-7, abs=1e-7)
    else: assert math.isnan(record.smooth_loss)


def table(names, rows):
    "A Record with this table."
    record = Record()
    record.reset(names)
    for row in rows: record.add_epoch(dict(zip(names, row)))
    return record


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("metrics", [[], ["a"], ["a", "b", "c"]])
def test_the_table_is_read_by_column_and_metrics_are_what_stands_behind_the_loss(metrics, timed):
    names = ["epoch", "train_loss", "valid_loss", *metrics] + ["time"] * timed
    rows = [[float(10 * i + j) for j in range(len(names))] for i in range(3)]
    record = table(names, rows)
    assert record.values == rows and record.names == names
    for j, name in enumerate(names): assert record.column(name) == [row[j] for row in rows]
    assert record.val_losses == [2., 12., 22.]
    assert record.metrics == [row[3:3 + len(metrics)] for row in rows]
    record.add_epoch({"valid_loss": 1., "not a column": 2})
    assert record.values[-1] == [1. if name == "valid_loss" else None for name in names]
    assert record.metric_names == metrics
    record.reset(names)
    assert record.values == record.ends == record.metrics == []


def test_a_loop_without_validation_has_a_record_too():
    record = table(["epoch", "train_loss", "time"], [[0, 1.5, 2.], [1, 1.25, 2.]])
    record.add_batch(1.5, 0.1)
    assert record.metric_names == [] and record.metrics == [[], []]
    assert set(drawn(record.plot_losses())) == {"each batch", "smoothed"}
    (ax,) = record.plot_metrics()
    assert "nothing to draw yet" in ax.texts[0].get_text()


@LAW
@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_is_never_shown_as_zero_unless_it_is(value):
    (text,) = table(["loss"], []).format_stats([value])
    assert float(text) == pytest.approx(value, rel=6e-3, abs=6e-5 if abs(value) >= 1e-3 else 0)
    assert (float(text) == 0) == (value == 0)


@LAW
@given(st.floats(0, 1e6))
def test_the_time_is_in_minutes_and_seconds(seconds):
    (text,) = table(["time"], []).format_stats([seconds])
    minutes, rest = re.fullmatch(r"(\d\d+):([0-5]\d)", text).groups()
    assert 60 * int(minutes) + int(rest) == int(seconds)


def test_what_is_not_there_and_whole_numbers_are_shown_as_they_are():
    record = table(["epoch", "a", "b", "time"], [])
    assert record.format_stats([12, None, 0, None]) == ["12", "–", "0", "–"]
    assert record.format_stats([0, math.nan, math.inf, 0.]) == ["0", "nan", "inf", "00:00"]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_table_in_a_file_has_every_digit(tmp_path, kind):
    names = ["epoch", "valid_loss", "größe, €", "time"]
    record = table(names, [[0, 1 / 3, None, 1e-17], [1, -0.1, 2 / 7, 123456.789]])
    path = kind(tmp_path / "run.csv")
    for _ in range(2): record.to_csv(path)
    with open(path, newline="", encoding="utf-8") as file: read = list(csv.reader(file))
    assert read[0] == names and [p.name for p in tmp_path.iterdir()] == ["run.csv"]
    for row, texts in zip(record.values, read[1:], strict=True):
        assert [float(text) if text else None for text in texts] == row


def test_a_write_that_fails_leaves_the_older_file(tmp_path):
    class Unwritable:
        def __str__(self): raise OSError("disk full")

    path = tmp_path / "run.csv"
    record = table(["epoch", "a"], [[i, i / 3] for i in range(3)])
    record.to_csv(path)
    before = path.read_bytes()
    record.add_epoch({"epoch": 3, "a": Unwritable()})
    with pytest.raises(OSError, match="disk full"): record.to_csv(path)
    assert path.read_bytes() == before


# curves

def drawn(ax):
    "The lines of some axes: {label: (xs, ys)}, or numbers for labels."
    lines = [(line.get_label(), line.get_xdata(), line.get_ydata()) for line in ax.get_lines()]
    return {label: ([*map(float, xs)], [*map(float, ys)]) for label, xs, ys in lines}


def curve(ax):
    "The only line of some axes."
    (only,) = drawn(ax).values()
    return only


@pytest.fixture(scope="module")
def run():
    "A Runner after three epochs of one cycle."
    cbs = [Recorder(accuracy), ParamScheduler("lr", one_cycle(0.5)),
           ParamScheduler("momentum", one_cycle_momentum())]
    made = Runner(cbs)
    made.fit(3, classifier())
    return made


def test_the_curves_of_a_fit_are_its_numbers(run):
    record = run.recorder
    n, smoothed = [float(i) for i in range(12)], []
    for i in range(12): smoothed.append(smooth(list(record.losses)[:i + 1], 0.98))
    lines = drawn(record.plot_losses())
    assert lines["each batch"] == (n, list(record.losses))
    assert lines["smoothed"] == (n, pytest.approx(smoothed))
    assert lines["validation"] == ([4., 8., 12.], record.val_losses)
    assert curve(record.plot_lr()) == (n, list(record.lrs))
    both = record.plot_lr(show_moms=True)
    assert curve(both[0]) == (n, list(record.lrs)) and curve(both[1]) == (n, list(record.moms))
    (ax,) = record.plot_metrics()
    assert curve(ax) == ([0., 1., 2.], record.column("accuracy"))
    assert curve(record.plot()) == (list(record.lrs), pytest.approx(smoothed))


def all_plots(record):
    "The axes of every plot."
    return [record.plot_losses(), record.plot_lr(), *record.plot_lr(show_moms=True),
            *record.plot_metrics(), record.plot()]


@pytest.mark.parametrize("full", [True, False])
def test_plots_have_labels_with_and_without_data_and_say_which(run, full):
    record = run.recorder if full else Record()
    for ax in all_plots(record):
        assert ax.get_xlabel() and ax.get_ylabel()
        words = [text.get_text() for text in ax.texts]
        assert bool(ax.get_lines()) == full
        assert full or ("nothing to draw yet" in words[0] and len(words) == 1)
        assert not full or not words


def test_every_plot_is_a_figure_of_its_own_that_shows_no_more_than_it_returns(run):
    figures = [ax.figure for ax in all_plots(run.recorder)]
    assert len(set(figures)) == 5, "the two axes with momentum share theirs"
    assert figures[2] is figures[3]


def test_a_metric_without_a_number_leaves_a_gap():
    record = table(["epoch", "valid_loss", "a"], [[0, 1., 5.], [1, None, None], [2, 3., 7.]])
    (ax,) = record.plot_metrics()
    assert curve(ax) == ([0., 2.], [5., 7.]) and ax.get_ylabel() == "a"


# Recorder

def by_hand(epochs, learn, lrs, moms):
    "The loop written out: losses of all batches, and exact means for each epoch."
    losses, rows = [], []
    for _ in range(epochs):
        means = []
        for train, dl in ((True, learn.data.train_dl), (False, learn.data.valid_dl)):
            values, right, sizes = [], [], []
            for xb, yb in dl:
                if train:
                    i = len(losses)
                    learn.opt.param_groups[0].update(lr=lrs(i), momentum=moms(i))
                with torch.set_grad_enabled(train):
                    pred = learn.model(xb)
                    loss = cross_entropy(pred, yb)
                if train:
                    losses.append(loss.item())
                    loss.backward()
                    learn.opt.step()
                    learn.opt.zero_grad()
                values.append(loss.item())
                right.append((pred.argmax(1) == yb).float().mean().item())
                sizes.append(len(yb))
            means.append((weighted(values, sizes), weighted(right, sizes)))
        rows.append(means)
    return losses, rows


@RUNNERS
@pytest.mark.parametrize("who", ["avg", "recorder", "both"])
def test_the_record_is_that_of_a_loop_by_hand(kind, who):
    lr, mom = (lambda pos: 0.3 - 0.2 * pos), (lambda pos: 0.5 + 0.4 * pos)
    losses, rows = by_hand(3, classifier(3), lambda i: lr(i / 12), lambda i: mom(i / 12))
    cbs = [Recorder(None if who == "avg" else accuracy, add_time=False, train_metrics=True),
           ParamScheduler("lr", lr), ParamScheduler("momentum", mom)]
    if who != "recorder": cbs.append(AvgStatsCallback(accuracy if who == "avg" else None, True))
    run = kind(cbs)
    run.fit(3, classifier(3))
    record = run.recorder
    assert list(record.losses) == losses
    assert list(record.lrs) == pytest.approx([lr(i / 12) for i in range(12)])
    assert list(record.moms) == pytest.approx([mom(i / 12) for i in range(12)])
    assert record.names == ["epoch", "train_loss", "train_accuracy", "valid_loss", "accuracy"]
    for epoch, ((_, train_right), (valid, right)) in enumerate(rows):
        smoothed = smooth(losses[:4 * epoch + 4], 0.98)
        expected = [epoch, smoothed, train_right, valid, right]
        assert record.values[epoch] == pytest.approx(expected, rel=1e-6)
    (train, train_right), (valid, right) = rows[-1]
    exact = {"train_loss": train, "train_accuracy": train_right, "valid_loss": valid,
             "accuracy": right}
    assert run.stats == pytest.approx(exact, rel=1e-6)
    assert run.stats["train_loss"] != pytest.approx(record.smooth_loss), "two different things"


@LAW
@given(SIZES, SIZES, SEEDS)
def test_means_are_exact_however_the_samples_are_cut(train, valid, seed):
    def tell(sizes, g): return [(float(torch.rand(1, generator=g)), n) for n in sizes]
    g = generator(seed)
    train, valid = tell(train, g), tell(valid, g)
    run = Runner(Recorder(double, train_metrics=True))
    run.fit(1, told(train, valid))
    for part, loss, metric in [(train, "train_loss", "train_double"),
                               (valid, "valid_loss", "double")]:
        expected = weighted(*zip(*part))
        assert run.stats[loss] == pytest.approx(expected, rel=1e-6)
        assert run.stats[metric] == pytest.approx(2 * expected, rel=1e-6)


@pytest.mark.parametrize("make,expected", [
    (lambda params: torch.optim.AdamW(params, 0.25, betas=(0.6, 0.9)), 0.6),
    (lambda params: torch.optim.RMSprop(params, 0.25, momentum=0.3), 0.3),
    (lambda params: torch.optim.Adadelta(params, 0.25), math.nan),
    (lambda params: Optimizer(params, 0.25), math.nan)])
def test_momentum_is_found_where_an_optimizer_has_it(make, expected):
    learn = told()
    learn.opt = make(learn.model.parameters())
    run = Runner(Recorder())
    run.fit(1, learn)
    assert list(run.recorder.moms) == pytest.approx([expected] * 2, nan_ok=True)
    assert list(run.recorder.lrs) == [0.25] * 2


@pytest.mark.parametrize("add_time", [True, False])
def test_the_time_is_the_last_column_if_there_is_one(add_time):
    run = Runner(Recorder(double, add_time=add_time))
    run.fit(2, told())
    assert ("time" in run.recorder.names) == add_time
    assert run.recorder.names[4 if add_time else 3] == ("time" if add_time else "double")
    assert all(len(row) == len(run.recorder.names) for row in run.recorder.values)
    if add_time: assert all(seconds >= 0 for seconds in run.recorder.column("time"))


WHOLE = pytest.approx([0, 2.51515, 2., 4.], rel=1e-5)


@pytest.mark.parametrize("avg", [True, False])
@pytest.mark.parametrize("event,training,row,n", [
    ("begin_epoch", None, [1, None, None, None], 2), ("after_pred", True, [1, None, None, None], 2),
    ("begin_validate", None, [1, "smooth", None, None], 4),
    ("after_pred", False, [1, "smooth", None, None], 4)])
def test_a_cancelled_epoch_has_a_row_without_means(avg, event, training, row, n):
    cbs = [Recorder(None if avg else double, add_time=False),
           At(event, raising(CancelEpochException()), training=training)]
    run = Runner(cbs + [AvgStatsCallback(double, quiet=True)] * avg)
    run.fit(3, told())
    record = run.recorder
    assert record.values[0] == WHOLE and record.values[2][2:] == [2., 4.]
    smoothed = smooth([1, 4, 1, 4], 0.98)
    assert record.values[1] == pytest.approx([smoothed if x == "smooth" else x for x in row])
    assert record.ends[:2] == [2, n] and len(record.losses) == n + 2


@RUNNERS
@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_validation_leaves_no_mean(kind, problem):
    run = kind([Recorder(double, add_time=False),
                At("after_pred", raising(problem("x")), training=False)])
    with pytest.raises(problem): run.fit(3, told())
    record = run.recorder
    assert record.values[0] == WHOLE and list(record.losses) == [1., 4.] * 2
    broken = [[1, pytest.approx(2.51515, rel=1e-5), None, None]] * (kind is Runner)
    assert record.values[1:] == broken, "lesson 04's Runner does not end an epoch that fails"
    assert run.stats == {"train_loss": 2., "valid_loss": 2., "double": 4.}, "the last whole one's"


@RUNNERS
@pytest.mark.parametrize("avg", [True, False])
def test_what_is_skipped_has_no_number(kind, avg):
    cbs = [Recorder(None if avg else double, add_time=False)]
    cbs += [AvgStatsCallback(double, quiet=True)] * avg
    run = kind([*cbs, At("begin_validate", lambda: True)])
    run.fit(2, told())
    assert run.recorder.values == [WHOLE, [1, pytest.approx(2.51515, rel=1e-5), None, None]]
    assert run.stats == {"train_loss": 2.} | ({"train_double": 4.} if avg else {})
    run = kind([*cbs, At("begin_epoch", lambda: True, epoch=0)])
    run.fit(1, told())
    assert run.recorder.values == [[0, None, 2., 4.]] and run.recorder.ends == [0]


def test_a_cancelled_batch_counts_where_its_loss_was_known():
    class Every(Callback):
        "Cancels each second batch, before or after the others have its loss."
        def __init__(self, order): self.order, self.n = order, 0

        def after_loss(self):
            self.n += 1
            if self.n % 2 == 0: raise CancelBatchException

    for order, losses in [(-1, [1., 3.]), (9, [1., 2., 3., 4.])]:
        run = Runner([Recorder(), Every(order)])
        run.fit(1, told([(1, 1), (2, 1), (3, 1), (4, 1)], []))
        assert list(run.recorder.losses) == losses and run.stats["train_loss"] == np.mean(losses)


@RUNNERS
def test_a_second_fit_begins_a_new_record(kind):
    run = kind([Recorder(double, add_time=False), ProgressCallback()])
    first = quietly(run, 2, told())
    values = run.recorder.values
    assert quietly(run, 2, told()) == first and run.recorder.values == values
    assert run.recorder.values is not values and len(run.recorder.losses) == 4
    quietly(run, 1, told([(7, 1)], [(8, 1)]))
    assert run.recorder.values == [[0, pytest.approx(7), 8., 16.]] and run.recorder.ends == [1]


def test_one_recorder_can_serve_two_runners():
    kept = Recorder(add_time=False)
    for kind, n in [(Runner, 1), (PlainRunner, 3)]:
        kind(kept).fit(n, told())
        assert len(kept.values) == n and len(kept.losses) == 2 * n


# ProgressCallback in this process

class Terminal(io.StringIO):
    "A stand-in for a terminal."
    def isatty(self): return True


def screen(written):
    "The lines that a terminal shows: \\r goes to the line's beginning, the rest overwrites."
    lines = []
    for part in written.replace("\r\n", "\n").split("\n"):
        line = []
        for piece in part.split("\r"): line[:len(piece)] = piece
        lines.append("".join(line).rstrip())
    return [line for line in lines if line]


HEADER = "epoch     train_loss  valid_loss"
ROWS = [HEADER, "0         2.5152      2.0000", "1         2.5152      2.0000"]


class Clock:
    "A clock that a test sets."
    def __init__(self, monkeypatch):
        self.now = 0.
        monkeypatch.setattr(recorder.time, "monotonic", lambda: self.now)


class Beat(Callback):
    "Moves a clock by some seconds with each batch."
    order = -6
    def __init__(self, clock, seconds): self.clock, self.seconds = clock, seconds
    def after_pred(self): self.clock.now += self.seconds


def on_terminal(monkeypatch, cbs, learn, epochs=2, seconds=1., kind=Runner):
    "What a fit writes to a terminal, each batch taking some seconds."
    beat = Beat(Clock(monkeypatch), seconds)
    with redirect_stdout(Terminal()) as stream:
        kind([ProgressCallback(), Recorder(add_time=False), beat, *cbs]).fit(epochs, learn)
    return stream.getvalue()


class Endless:
    "A loader that does not know how long it is."
    def __init__(self, dl): self.dl = dl
    def __iter__(self): return iter(self.dl)


@RUNNERS
def test_a_loader_without_a_length_has_a_bar_without_a_total(monkeypatch, kind):
    learn = told([(1, 2)] * 4, [(2, 1)] * 3)
    learn.data.train_dl = Endless(learn.data.train_dl)
    learn.data.valid_dl = Endless(learn.data.valid_dl)
    written = on_terminal(monkeypatch, [], learn, kind=kind)
    for part in ("[1/? ", "[4/? ", "[3/? "): assert part in written
    assert "[1/4" not in written and len(screen(written)) == 3
    lines = quietly(kind([ProgressCallback(), Recorder(add_time=False)]), 2, learn).splitlines()
    assert lines == screen(written)


class Asked(Recorder):
    "A Recorder that counts how often the smoothed loss is asked for."
    asked = 0

    @property
    def name(self): return "recorder"

    @property
    def smooth_loss(self):
        self.asked += 1
        return super().smooth_loss


@pytest.mark.parametrize("stream,seconds,times", [
    (io.StringIO, 1., 0), (Terminal, 0., 0), (Terminal, 1., 30), (Terminal, 0.125, 15),
    (Terminal, 0.0625, 7)])
def test_the_smoothed_loss_is_fetched_only_when_a_bar_is_drawn(monkeypatch, stream, seconds, times):
    kept, beat = Asked(), Beat(Clock(monkeypatch), seconds)
    with redirect_stdout(stream()):
        Runner([ProgressCallback(), kept, beat]).fit(1, told([(1, 1)] * 24, [(1, 1)] * 6))
    assert kept.asked == times + 1, "and once for the row"


def test_every_batch_is_counted_also_those_that_are_not_drawn(monkeypatch):
    written = on_terminal(monkeypatch, [], told([(1, 1)] * 50, [(1, 1)]), 1, seconds=0.1)
    counts = [int(n) for n in re.findall(r"\[(\d+)/50 ", written)]
    assert counts[0] == 0 and counts == sorted(set(counts)) and 20 <= len(counts) <= 26


@pytest.mark.parametrize("problem", [None, KeyboardInterrupt(), ValueError("x")])
@RUNNERS
def test_a_terminal_is_clean_afterwards_however_the_fit_ended(monkeypatch, kind, problem):
    beat = Beat(Clock(monkeypatch), 1.)
    for training in (True, False):
        cbs = [At("after_pred", raising(problem), training=training)] if problem else []
        with redirect_stdout(Terminal()) as stream:
            try: kind([ProgressCallback(), Recorder(add_time=False), beat, *cbs]).fit(2, told())
            except type(problem): pass
        assert "Epoch 2/2" in stream.getvalue(), "a bar was there"
        broken = ["1         –           –", "1         2.5152      –"][not training]
        last = [broken] if kind is Runner else []
        assert screen(stream.getvalue()) == (ROWS[:2] + last if problem else ROWS)


def test_cancelling_or_finding_a_rate_leaves_the_screen_clean(monkeypatch):
    finder, stops = LRFinder(num_it=7, stop_div=False), StopAfterNBatches(3)
    written = on_terminal(monkeypatch, [finder], told(), 1)
    assert "Epoch 1/4" in written and len(screen(written)) == 5
    assert len(screen(on_terminal(monkeypatch, [stops], told(), 5))) == 3
    cancel = At("begin_epoch", raising(CancelFitException()), epoch=0)
    assert screen(on_terminal(monkeypatch, [cancel], told()))[1:] == ["0         –           –"]


@pytest.mark.parametrize("order", [-30, 0, 7, 30])
@RUNNERS
def test_other_averages_are_hushed_for_the_fit_and_speak_again(kind, order):
    loud, quiet = AvgStatsCallback(double), AvgStatsCallback(quiet=True)
    loud.order = order
    fails = At("after_pred", raising(RuntimeError("no")), training=False)
    cbs = [ProgressCallback(), Recorder(add_time=False), loud, quiet]
    assert "valid  loss" not in quietly(kind(cbs), 2, told())
    assert loud.quiet is False and quiet.quiet is True
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(RuntimeError, match="no"):
        kind([*cbs, fails]).fit(2, told())
    assert "valid  loss" not in printed.getvalue()
    assert loud.quiet is False and quiet.quiet is True
    assert quietly(kind(loud), 1, told()).splitlines() == [
        "epoch 0  train  loss 2.0000  double 4.0000", "epoch 0  valid  loss 2.0000  double 4.0000"]


def test_without_a_recorder_a_fit_is_refused_and_nothing_is_hushed():
    loud = AvgStatsCallback()
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(ValueError, match="a Recorder"):
        Runner([ProgressCallback(), loud]).fit(1, told())
    assert loud.quiet is False and printed.getvalue() == ""


def test_a_graph_is_drawn_nowhere_but_in_a_notebook(monkeypatch):
    monkeypatch.setattr(ProgressCallback, "_draw_graph", raising(AssertionError("drawn")))
    for stream in (Terminal(), io.StringIO()):
        with redirect_stdout(stream):
            Runner([ProgressCallback(plot=True), Recorder(add_time=False)]).fit(2, told())
        assert screen(stream.getvalue()) == ROWS


def test_each_row_is_in_a_log_before_the_next_epoch_begins():
    seen = []
    log = At("begin_epoch", lambda: seen.extend(printed.getvalue().splitlines()))
    with redirect_stdout(io.StringIO()) as printed:
        Runner([ProgressCallback(), Recorder(add_time=False), log]).fit(2, told())
    assert seen == ROWS[:2]


# ProgressCallback in processes of its own

PROGRAM = '''
import sys, time
from contextlib import suppress
import torch
from torch import nn
from exp.callbacks import AvgStatsCallback, Callback, DataBunch, Learner
from exp.early_stopping import EarlyStoppingCallback, Runner
from exp.recorder import ProgressCallback, Recorder

class Echo(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
    def forward(self, x): return x + 0 * self.weight

class Interrupts(Callback):
    order = -5
    def after_pred(self):
        if self.run.epoch == 1 and not self.in_train: raise KeyboardInterrupt

def double(pred, yb): return 2 * pred.mean()

def learner():
    net = Echo()
    data = [[(torch.full((n, 1), float(x)), torch.zeros(n)) for x, n in part]
            for part in ([(1, 2), (4, 1)] * 4, [(1, 3), (5, 1)])]
    return Learner(net, torch.optim.SGD(net.parameters(), 0.1), lambda p, y: p.mean(),
                   DataBunch(*data))

def fit(epochs, *cbs, plot=False):
    run = Runner([ProgressCallback(plot), Recorder(add_time=False), AvgStatsCallback(double), *cbs])
    with suppress(KeyboardInterrupt): run.fit(epochs, learner())
    return run
'''
GOLDEN = ["epoch     train_loss  valid_loss  double",
          "0         2.5152      2.0000      4.0000",
          "1         2.5152      2.0000      4.0000"]


def environment():
    "This process's, with the package at hand, UTF-8, and nothing said about a terminal's width."
    others = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    return others | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg",
                     "OMP_NUM_THREADS": "1"}


def golden():
    "The table of PROGRAM's learner, computed by the definition."
    losses = [1, 4] * 8
    means = [smooth(losses[:n], 0.98) for n in (8, 16)]
    return [GOLDEN[0]] + [f"{i}         {mean:.4f}      2.0000      4.0000"
                          for i, mean in enumerate(means)]


def test_a_pipe_gets_the_rows_of_the_table_and_not_a_character_more():
    code = PROGRAM + "fit(2)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment())
    text = made.stdout.decode()
    assert made.returncode == 0 and made.stderr == b"", made.stderr.decode()
    assert text == "\n".join(golden()) + "\n" == "\n".join(GOLDEN) + "\n"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), "no control characters"


def in_terminal(code, columns=120):
    "What a program writes to a real pseudo-terminal."
    fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, bytes([40, 0, columns, 0, 0, 0, 0, 0]))
    process = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=environment(), close_fds=True)
    os.close(theirs)
    parts = []
    while True:
        try: part = os.read(ours, 65536)
        except OSError: break  # Linux says so when the other end is closed
        if not part: break
        parts.append(part)
    os.close(ours)
    assert process.wait() == 0, b"".join(parts).decode()
    return b"".join(parts).decode()


STOPPED = "epoch 1: valid_loss has not improved for 1 epochs; the best was 2.0000 in epoch 0"
TICKS = "ticks = iter(range(10**6))\ntime.monotonic = lambda: next(ticks)\n"


@pytest.mark.parametrize("call,rows", [
    ("fit(2)", GOLDEN),
    ("fit(3, Interrupts())", [*GOLDEN[:2], "1         2.5152      –           –"]),
    ("fit(50, EarlyStoppingCallback(patience=1))", [*GOLDEN, STOPPED])])
def test_a_real_terminal_shows_bars_and_keeps_rows_alone(call, rows):
    written = in_terminal(PROGRAM + TICKS + call)
    assert "█" in written and "[7/8 " in written and "Epoch 2/" in written, "bars were drawn"
    assert screen(written) == rows
    assert written.replace("\r\n", "\n").endswith("\n"), "what comes next begins a line"


def executed(cells, folder):
    "The cells of a notebook after a run in a real kernel."
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = NotebookClient(notebook, timeout=300, kernel_name="python3",
                            resources={"metadata": {"path": folder}})
    client.extra_arguments = ["--log-level=ERROR"]
    client.execute(env=environment() | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    return notebook.cells


NOTEBOOK = {
    "prepare": PROGRAM + TICKS + "import matplotlib.pyplot as plt",
    "whole": "fit(3);", "interrupted": "fit(3, Interrupts());", "graph": "fit(3, plot=True);",
    "interrupted graph": "fit(3, Interrupts(), plot=True);",
    "early": "run = fit(9, EarlyStoppingCallback(patience=1), plot=True)",
    "own figure": "own = plt.figure()\nfit(2, plot=True)\n"
                  "kept = plt.get_fignums() == [own.number] and plt.gcf() is own\n"
                  "plt.close(own)\nassert kept"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    "{name: the outputs that a notebook keeps of a cell}."
    cells = executed(NOTEBOOK.values(), tmp_path_factory.mktemp("notebook"))
    return {name: cell.outputs for name, cell in zip(NOTEBOOK, cells)}


def htmls(outputs):
    "The HTML of each output, without the style sheet that fastprogress shows once."
    found = [output.get("data", {}).get("text/html", "") for output in outputs]
    return [html for html in found if html and "<style>" not in html]


@pytest.mark.parametrize("name,epochs", [("whole", 3), ("interrupted", 2), ("graph", 3),
                                         ("interrupted graph", 2), ("own figure", 2)])
def test_a_notebook_keeps_one_table_with_all_rows_and_nothing_else(saved, name, epochs):
    (html,) = htmls(saved[name])
    assert html.count("<table") == 1 and "<progress" not in html
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.S)
    texts = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]
    assert texts[0] == ["epoch", "train_loss", "valid_loss", "double"]
    assert [row[0] for row in texts[1:]] == [str(i) for i in range(epochs)]
    assert ("–" in html) == name.startswith("interrupted")
    assert all(output.output_type == "display_data" for output in saved[name]), "no stray text"


@pytest.mark.parametrize("name", ["graph", "interrupted graph", "own figure", "early"])
def test_a_live_graph_is_kept_once_with_alternative_text(saved, name):
    images = [o for o in saved[name] if "image/png" in o.get("data", {})]
    (image,) = images
    assert len(image.metadata["image/png"]["alt"].split()) >= 4


def test_a_notebook_without_a_graph_keeps_no_picture(saved):
    assert not [o for o in saved["whole"] + saved["interrupted"] if "image/png" in o.data]


def test_others_may_still_print_in_a_notebook(saved):
    said = "".join(o.get("text", "") for o in saved["early"])
    assert said == STOPPED + "\n" and len(htmls(saved["early"])) == 1
    assert not any(o.get("name") == "stderr" for outputs in saved.values() for o in outputs)
