"""The benchmark: python bench/bench.py [--quick]

Everything is a ratio within one run: the things to compare take turns, and what is printed is the
median of the ratios of each turn, with the quartiles. Before anything is timed, all competitors
train from the same weights and must arrive at the same weights and averages. Writes
bench/results.json, images/bench.png and README's table; with --quick it prints alone.
"""
import argparse
import gc
import io
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
import tracemalloc
from contextlib import redirect_stdout
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import torch
import torch.nn.functional as F
from loops import OURS, PEERS, Batches, accuracy, learner, quietly
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import exp.matmul
from exp.callbacks import DataBunch
from exp.data import get_data, normalize
from exp.learner import EVENTS, Callback, Learner
from exp.minibatch_training import Dataset, get_dls

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"
CPU = torch.device("cpu")
BS, WIDTHS = 64, (50, 200, 500, 1000, 2000)
REFERENCE, LEAN = list(OURS)[:2]


# How things are timed

def waited(device):
    "Seconds, when all that the device was given is done."
    if device.type == "cuda": torch.cuda.synchronize()
    return time.perf_counter()


def turns(actions, rounds, device=CPU):
    "Seconds of each action, `rounds` times; the first turn does not count, and orders vary."
    times, orders = {name: [] for name in actions}, random.Random(0)
    for i in range(rounds + 1):
        gc.collect()
        for name in orders.sample(list(actions), len(actions)):
            start = waited(device)
            actions[name]()
            if i: times[name].append(waited(device) - start)
    return times


def ratios(times, name, reference):
    "Median, lower and upper quartile of one's times against the reference's in the same turn."
    low, middle, high = statistics.quantiles(
        [a / b for a, b in zip(times[name], times[reference])], n=4, method="inclusive")
    return {"ratio": middle, "low": low, "high": high}


def against(times, reference): return {name: ratios(times, name, reference) for name in times}


# What is trained

def digits(n_batches, device=CPU):
    "Batches of 64 of the offline digits, again and again."
    x, y, _, _ = get_data("digits")
    pairs = zip(x.to(device).split(BS), y.to(device).split(BS))
    batches = Batches(islice(cycle([(xb, yb) for xb, yb in pairs if len(xb) == BS]), n_batches))
    batches.device = device
    return batches


def mlp(width=50, n_in=64, n_out=10):
    "One hidden layer; the same weights each time."
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, n_out))


def prepared(loops, width, batches):
    "An epoch of each competitor, all from the same weights; they must compute the same."
    models = {name: mlp(width).to(batches.device) for name in loops}
    epochs = {name: quietly(quietly(make)(models[name], batches)) for name, make in loops.items()}
    found = {name: epoch() for name, epoch in epochs.items()}
    expected, weights = found[REFERENCE], list(models[REFERENCE].parameters())
    for name, model in models.items():
        torch.testing.assert_close(list(model.parameters()), weights, rtol=0, atol=1e-5,
                                   msg=lambda text, name=name: f"{name}: {text}")
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-5,
                                   msg=lambda text, name=name: f"{name}: {text}")
    return epochs


# What is measured

def cost(loops, quick, device=CPU):
    "Time of an epoch of each competitor, against both loops written by hand."
    n = 64 if quick else 1024
    times = turns(prepared(loops, 50, digits(n, device)), 3 if quick else 21, device)
    found = against(times, REFERENCE)
    for name, row in found.items():
        row["to lean"] = ratios(times, name, LEAN)["ratio"]
        if device.type == "cuda": row["seconds"] = statistics.median(times[name]) / n
    return found


def cost_on_gpu(loops, quick):
    "The same on a GPU, with seconds per batch; None where there is none."
    if not torch.cuda.is_available(): return None
    device = torch.device("cuda")
    return {"device": torch.cuda.get_device_name()} | cost(loops, quick, device)


def widths(loops, quick):
    "The same for wider models: where does a loop stop to matter?"
    found = {}
    for width in WIDTHS[::4] if quick else WIDTHS:
        epochs = prepared(loops, width, digits(32 if quick else 128))
        found[width] = against(turns(epochs, 2 if quick else 11), REFERENCE)
    return found


def listening(n, events):
    "So many callbacks that listen to these events and do nothing."
    kind = type("Listens", (Callback,), {event: lambda self: None for event in events})
    return [kind() for _ in range(n)]


def callbacks(quick):
    "A Learner with more and more callbacks that listen to nothing, or to all, against none."
    batches = digits(128 if quick else 512)
    made = {f"{n} to {what}": listening(n, events) for n in (0, 10, 100)
            for what, events in [("nothing", ()), ("every event", EVENTS)]}
    epochs = {name: learner(mlp(), batches, cbs) for name, cbs in made.items()}
    return against(turns(epochs, 2 if quick else 15), "0 to nothing")


def data(quick):
    "An epoch over 50,000 × 784 without training, against slices written by hand."
    n = 5_000 if quick else 50_000
    x, y = torch.randn(n, 784), torch.randint(10, (n,))

    def slices():
        order = torch.randperm(n)
        for i in range(0, n, BS): yield x[order[i:i + BS]], y[order[i:i + BS]]
    ours, _ = get_dls(Dataset(x, y), Dataset(x[:1], y[:1]), BS)
    plain = DataLoader(TensorDataset(x, y), BS, shuffle=True)
    epochs = {"slices by hand": lambda: [len(xb) for xb, _ in slices()],
              "get_dls": lambda: [len(xb) for xb, _ in ours],
              "DataLoader, plain": lambda: [len(xb) for xb, _ in plain]}
    return against(turns(epochs, 2 if quick else 11), "slices by hand")


def memory(quick):
    "Bytes that a fit still holds per training batch, in the batches after the first ones."
    first, more = (100, 300) if quick else (1_000, 100_000)
    def held(make, n):
        batches = Batches([(torch.ones(2, 2), torch.zeros(2, dtype=torch.long))] * n)
        epoch = make(nn.Linear(2, 2), batches)
        gc.collect()
        tracemalloc.start()
        epoch()
        gc.collect()
        current, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return current
    return {name: (held(make, first + more) - held(make, first)) / more
            for name, make in list(OURS.items())[2:]}


def imports(quick):
    "Time to import each module in a new interpreter, against torch."
    modules = sorted(f"exp.{path.stem}" for path in (ROOT / "exp").glob("[a-z]*.py"))
    if quick: modules = ["exp.learner"]

    def importing(module): subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    actions = {module: partial(importing, module) for module in ["torch", *modules]}
    return against(turns(actions, 2 if quick else 5), "torch")


class Reached(Exception):
    "The validation accuracy is high enough."


class Stops(Callback):
    "Ends the fit when the accuracy of an epoch has reached `goal`."
    order = 99
    def __init__(self, goal): self.goal = goal
    def after_epoch(self):
        if self.learn.stats["accuracy"] >= self.goal: raise Reached


def by_hand_until(goal, model, data, n_epochs, lr):
    "One cycle of AdamW in plain PyTorch; the epochs that it took."
    opt = torch.optim.AdamW(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, lr, n_epochs * len(data.train_dl))
    for epoch in range(1, n_epochs + 1):
        model.train()
        for xb, yb in data.train_dl:
            F.cross_entropy(model(xb), yb).backward()
            opt.step()
            opt.zero_grad()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in data.valid_dl)
        if right / len(data.valid_dl.dataset) >= goal: return epoch
    return None


def learner_until(goal, model, data, n_epochs, lr):
    "The same by fit_one_cycle; the epochs that it took."
    learn = Learner(model, data, F.cross_entropy, metrics=accuracy, cbs=Stops(goal))
    with redirect_stdout(io.StringIO()):
        try: learn.fit_one_cycle(n_epochs, lr)
        except Reached: return learn.epoch + 1
    return None


def to_97(quick):
    "Time until 97 % of the validation set are right, against the same written by hand."
    found, sets = {}, ["digits"]
    files = Path(os.environ.get("EXP_DATA_DIR", ".")) / "mnist" / "train-images-idx3-ubyte.gz"
    if files.exists() and not quick: sets.append("mnist")
    for name in sets:
        x, y, x_valid, y_valid = get_data(name)
        mean, std = x.mean(), x.std()
        loaders = DataBunch(*get_dls(Dataset(normalize(x, mean, std), y),
                                     Dataset(normalize(x_valid, mean, std), y_valid), BS))
        took = {"by hand": [], "Learner": []}

        def train(what, until, loaders=loaders, took=took, n_in=x.shape[1]):
            took[what].append(until(0.97, mlp(200, n_in), loaders, 10, 1e-2))
        times = turns({"by hand": partial(train, "by hand", by_hand_until),
                       "Learner": partial(train, "Learner", learner_until)}, 2 if quick else 5)
        found[name] = ratios(times, "Learner", "by hand") | {
            f"epochs, {what}": statistics.median(n or 99 for n in epochs)
            for what, epochs in took.items()}
    return found


def matmul(quick):
    "The rungs of lesson 01, as a share of what this machine reaches with one thread."
    def rate(function, n, seconds):
        a, b = torch.randn(n, n), torch.randn(n, n)
        function(a, b)
        start, times = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            function(a, b)
            times += 1
        return 2 * n ** 3 * times / (time.perf_counter() - start)
    seconds = 0.2 if quick else 1.5
    peak = rate(torch.mm, 512 if quick else 2048, seconds)
    sizes = {"matmul_loops": 24, "matmul_dot": 128, "matmul_broadcast": 256}
    return {name: rate(getattr(exp.matmul, name), sizes.get(name, 512), seconds) / peak
            for name in exp.matmul.__all__}


# How it is shown

def machine():
    "The machine and the versions, in a line."
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists(): cpu = re.search(r"model name\s*: (.*)", info.read_text() + "model name: ?")[1]
    return (f"{cpu}, one thread of {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"torch {torch.__version__}")


def spread(row): return f"{row['ratio']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def in_columns(head, rows):
    "A Markdown table."
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def others(found):
    "Rows for all that is neither a competitor nor a width."
    for name, row in found["callbacks"].items():
        if not name.startswith("0 "): yield f"Learner with {name}, to none", spread(row)
    for name, row in found["data"].items():
        if name != "slices by hand": yield f"data, {name}, to slices by hand", spread(row)
    for name, size in found["memory"].items(): yield f"bytes kept per batch, {name}", f"{size:.1f}"
    slowest = max(set(found["imports"]) - {"torch"}, key=lambda m: found["imports"][m]["ratio"])
    yield f"slowest import, {slowest}, to torch", spread(found["imports"][slowest])
    for name, row in found["97"].items():
        epochs = f"{row['epochs, Learner']:g} epochs) to a loop by hand ({row['epochs, by hand']:g}"
        yield f"to 97 % on {name}, Learner ({epochs})", spread(row)
    for name, share in found["matmul"].items(): yield f"{name}, share of the peak", f"{share:.1g}"
    if found["gpu"] is None: yield "on a GPU", "skipped: no GPU here"


def table(found):
    "All results as Markdown."
    rows = [(name, spread(row), f"{row['to lean']:.2f}") for name, row in found["cost"].items()]
    tables = [in_columns(["an epoch of the small model", "to the loop with tensor sums",
                          "to the loop with .item()"], rows)]
    wide = [(name, *(f"{row[name]['ratio']:.2f}" for row in found["widths"].values()))
            for name in found["cost"] if name != REFERENCE]
    tables.append(in_columns(["width of the hidden layer", *map(str, found["widths"])], wide))
    if found["gpu"]:
        rows = [(name, spread(row), f"{row['to lean']:.2f}", f"{row['seconds'] * 1e6:.0f}")
                for name, row in found["gpu"].items() if name != "device"]
        tables.append(in_columns([f"on {found['gpu']['device']}", "to the loop with tensor sums",
                                  "to the loop with .item()", "microseconds per batch"], rows))
    return "\n".join([*tables, in_columns(["what else", "result"], others(found))])


def draw(found, path):
    "Bars of the cost per batch, and how it shrinks with the width."
    import matplotlib.pyplot as plt

    from exp.pictures import PALETTE, use_style
    use_style()
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), width_ratios=[3, 4])
    rows = {name: row for name, row in found["cost"].items() if name != REFERENCE}
    own = [PALETTE["blue" if name in OURS else "grey"] for name in rows]
    bars = left.barh(list(rows), [row["ratio"] for row in rows.values()], color=own)
    left.bar_label(bars, [f" {row['ratio']:.2f}" for row in rows.values()])
    left.axvline(1, color=PALETTE["red"], linestyle="--", linewidth=1)
    left.set(xlabel="time per batch, to the loop by hand", xlim=(0, 1.15 * max(
        row["ratio"] for row in rows.values())))
    left.invert_yaxis()
    colors = "blue sky green orange purple red grey black".split()
    for name, color in zip(list(rows)[1:], colors):
        right.plot(range(len(found["widths"])),
                   [row[name]["ratio"] for row in found["widths"].values()], marker="o",
                   label=name, color=PALETTE[color])
    right.axhline(1, color=PALETTE["red"], linestyle="--", linewidth=1)
    right.set(xticks=range(len(found["widths"])), xticklabels=found["widths"], yscale="log",
              yticks=[1, 1.5, 2, 3, 5, 8], yticklabels=["1", "1.5", "2", "3", "5", "8"],
              xlabel="width of the hidden layer", ylabel="time per batch, to the loop by hand")
    right.minorticks_off()
    right.legend(fontsize=8)
    fig.tight_layout()
    fig.savefig(path, dpi=120)
    plt.close(fig)


def in_readme(text, tables):
    "README's text with this table between its marks."
    return re.sub(r"(<!-- benchmark: written by make bench -->\n).*?(<!-- end of benchmark -->)",
                  lambda m: m[1] + tables + m[2], text, flags=re.S)


def shown(found):
    "The tables, and where they come from."
    return f"{table(found)}\nMeasured on: {found['machine']}.\n"


def stored():
    "The results of the last whole run; JSON has made texts of the widths."
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    loops = OURS if quick else OURS | PEERS
    parts = {"cost": partial(cost, loops), "gpu": partial(cost_on_gpu, loops),
             "widths": partial(widths, loops), "callbacks": callbacks, "data": data,
             "97": to_97, "matmul": matmul, "memory": memory, "imports": imports}
    found = {"machine": machine()}
    for name, measure in parts.items():
        start = time.perf_counter()
        found[name] = measure(quick)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(shown(found))
    if quick: return
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draw(found, ROOT / "images" / "bench.png")
    readme = ROOT / "README.md"
    readme.write_text(in_readme(readme.read_text(encoding="utf-8"), shown(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
