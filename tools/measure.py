"""The figures that the course promises, measured on this machine: python tools/measure.py

Ratios only, each taken within one run, with the things to compare taking turns; printed are the
median and the quartiles.
"""
import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from contextlib import redirect_stdout
from functools import partial
from io import StringIO

import torch
import torch.nn.functional as F
from notebooks import lessons, module_of
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from exp.anneal import ParamScheduler
from exp.callbacks import AvgStatsCallback, DataBunch, Learner
from exp.callbacks import Runner as PlainRunner
from exp.early_stopping import Runner
from exp.learner import Averages, Callback, TrainEvalCallback
from exp.learner import Learner as WholeLearner
from exp.learner import ParamScheduler as LearnerScheduler
from exp.minibatch_training import Dataset, accuracy, get_dls
from exp.recorder import ProgressCallback, Recorder

N_BATCHES, BS, ROUNDS = 200, 64, 41


def interleaved(actions, rounds):
    "Seconds of each action, `rounds` times, taking turns: {name: [seconds]}."
    times = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - start)
    return times


def show(title, times, reference):
    "Print each action's time as a ratio to the reference's in the same round."
    for name, seconds in times.items():
        if name == reference: continue
        ratios = [t / ref for t, ref in zip(seconds, times[reference])]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{title:<10} {name + ' / ' + reference:<76} {middle:.3f}  ({low:.3f} to {high:.3f})")


def make_learner():
    "MLP 64-50-10 with SGD on random batches of 64; training data only."
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    batch = torch.randn(BS, 64), torch.randint(10, (BS,))
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    return Learner(model, opt, F.cross_entropy, DataBunch([batch] * N_BATCHES, []))


def by_hand(learn):
    "The reference: a plain loop that keeps loss and accuracy as running sums of tensors."
    model, opt, loss_func = learn.model, learn.opt, learn.loss_func
    model.train()
    total_loss, total_right, count = torch.zeros(()), torch.zeros(()), 0
    for xb, yb in learn.data.train_dl:
        pred = model(xb)
        loss = loss_func(pred, yb)
        total_loss += loss.detach() * len(xb)
        total_right += accuracy(pred, yb) * len(xb)
        count += len(xb)
        loss.backward()
        opt.step()
        opt.zero_grad()
    return total_loss.item() / count, total_right.item() / count


def by_hand_lean(learn):
    "The leaner form: the same averages kept as Python numbers with .item()."
    model, opt, loss_func = learn.model, learn.opt, learn.loss_func
    model.train()
    total_loss, total_right, count = 0., 0., 0
    for xb, yb in learn.data.train_dl:
        pred = model(xb)
        loss = loss_func(pred, yb)
        n = len(xb)
        total_loss += loss.item() * n
        total_right += accuracy(pred, yb).item() * n
        count += n
        loss.backward()
        opt.step()
        opt.zero_grad()
    return total_loss / count, total_right / count


def constant(pos):
    "The learning rate of the other loops, so that all compute the same."
    return 0.01


CALLBACKS = {  # name of a loop: its Runner and what makes its callbacks
    "Runner of 04 + AvgStats": (PlainRunner, lambda: [AvgStatsCallback(accuracy)]),
    "Runner of 06 + AvgStats": (Runner, lambda: [AvgStatsCallback(accuracy)]),
    "the same + Recorder, ParamScheduler, ProgressCallback": (Runner, lambda: [
        AvgStatsCallback(accuracy), Recorder(), ParamScheduler("lr", constant),
        ProgressCallback()])}


class Silent(Callback):
    "Listens to no event of a batch."
    def before_fit(self): pass
    def after_epoch(self): pass


def scheduler(): return LearnerScheduler("lr", constant)


LEARNERS = {  # name of a loop of lesson 10: what makes the options of its Learner
    "Learner, averages only": lambda: {"default_cbs": False, "cbs": [TrainEvalCallback, Averages]},
    "Learner with its defaults": dict,
    "the same + its ParamScheduler": lambda: {"cbs": [scheduler()]},
    "the same + 100 silent callbacks": lambda: {
        "cbs": [scheduler(), *(Silent() for _ in range(100))]}}


def with_callbacks(name, learn):
    "One epoch of a Runner with its callbacks, or of a Learner of lesson 10."
    with redirect_stdout(StringIO()):
        if name in LEARNERS: learn.fit(1)
        else: run_of(name).fit(1, learn)


def run_of(name):
    "A Runner with its callbacks."
    runner, make = CALLBACKS[name]
    return runner(make())


def learner_for(name):
    "What a loop works on: lesson 10's Learner with its callbacks, or lesson 04's bundle."
    parts = make_learner()
    if name not in LEARNERS: return parts
    return WholeLearner(parts.model, parts.data, parts.loss_func, lr=0.01, metrics=accuracy,
                        opt_func=lambda params, lr: parts.opt, **LEARNERS[name]())


def loop():
    "Time per batch of the Runners with their callbacks against both hand-written loops."
    by_hands = {"by hand, tensor sums": by_hand, "by hand, .item()": by_hand_lean}
    loops = by_hands | {name: partial(with_callbacks, name) for name in [*CALLBACKS, *LEARNERS]}
    learners = {name: learner_for(name) for name in loops}
    actions = {name: partial(f, learners[name]) for name, f in loops.items()}
    interleaved(actions, 3)
    times = interleaved(actions, ROUNDS)
    for reference in by_hands:
        chosen = [*CALLBACKS, *LEARNERS, reference]
        show("loop", {name: times[name] for name in chosen}, reference)
    pair = ["the same + 100 silent callbacks", "the same + its ParamScheduler"]
    show("loop", {name: times[name] for name in pair}, pair[1])
    weights = [learner.model[0].weight for learner in learners.values()]
    assert all(torch.equal(weights[0], w) for w in weights), "the loops must compute the same"


def data():
    "An epoch over 50,000 × 784 through get_dls against PyTorch's loader over a plain dataset."
    x, y = torch.randn(50_000, 784), torch.randint(10, (50_000,))
    ours, _ = get_dls(Dataset(x, y), Dataset(x[:1], y[:1]), BS)
    plain = DataLoader(TensorDataset(x, y), BS, shuffle=True)
    epochs = {"get_dls": lambda: list(map(len, ours)),
              "DataLoader, plain": lambda: list(map(len, plain))}
    times = interleaved(epochs, 5)
    show("data", times, "DataLoader, plain")


def imports():
    "Importing each module against importing torch, each in a fresh interpreter."
    def fresh(module):
        return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    modules = [module_of(path.stem) for path in lessons()]
    times = interleaved({module: fresh(module) for module in ["torch", *modules]}, 7)
    show("import", times, "torch")


def memory():
    "Bytes that stay allocated per training batch with each set of callbacks, over 4,096 batches."
    for name in [*CALLBACKS, *LEARNERS]:
        learn, kept = learner_for(name), []
        fit = learn.fit if name in LEARNERS else partial(run_of(name).fit, learn=learn)
        batches = learn.data.train_dl[:1]
        for n in (512, 4608):
            learn.data.train_dl = batches * n
            gc.collect()
            tracemalloc.start()
            with redirect_stdout(StringIO()): fit(1)
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
        print(f"{'memory':<10} {'bytes kept per training batch, ' + name}: "
              f"{(kept[1] - kept[0]) / 4096:.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for measure in (loop, data, imports, memory): measure()
