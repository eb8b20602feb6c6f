"""Do a lesson's own checks notice plausible mistakes? python tools/mutants.py [lesson ...]

tests/mutants/NN_name.py lists wrong versions of the lesson's exported code: (exported name, text,
wrong text). Each is put in place of the right one, and the lesson's `#| check` cells, with the
cells that they build on, are run: one must fail. `--every N` tries each N-th of a list.
"""
import argparse
import contextlib
import importlib
import io
import linecache
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
import tempfile
import types
import warnings
from multiprocessing.connection import wait
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from confine import confine
from notebooks import ROOT, directive, lessons, module_of, read

from exp import workbook

SECONDS = 20        # for the checks of one wrong version
AT_ONCE = 2         # processes


def warm_up():
    """Import what torch and scikit-learn import only when first used: whatever this process has,
    the processes forked from it need not import again, each for itself.
    """
    torch.testing.assert_close(torch.ones(1), torch.ones(1))
    torch.optim.SGD([torch.ones(1)], lr=1)
    for name in ("sklearn.datasets", "IPython.display"): importlib.import_module(name)


def listed(stem, what="MUTANTS"):
    "The wrong versions listed for a lesson; or another list of its file."
    path = ROOT / "tests" / "mutants" / f"{stem}.py"
    if not path.exists(): return []
    return runpy.run_path(str(path)).get(what, [])


def exported(stem):
    "The names that a lesson exports of its own, and not only hands on."
    module = importlib.import_module(module_of(stem))
    return [name for name in module.__all__ if name in vars(module)]


def needed_cells(notebook):
    "The code cells to run, in order: exports, checks, and what binds a name that those use."
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"
             and directive(cell)[0] not in ("setup", "default_exp")]
    wanted = {cell.source for cell in cells if directive(cell)[0] in ("export", "check")}
    return [cells[i] for i in workbook.needed_cells([c.source for c in cells], wanted.__contains__)]


def run_cell(cell, module, name):
    "Execute one cell in `module`, its source at hand for `inspect`."
    linecache.cache[name] = len(cell.source), None, cell.source.splitlines(keepends=True), name
    exec(compile(cell.source, name, "exec"), module.__dict__)


def failing_check(module, cells):
    "The title and error of the first check that fails, or None; other cells may fail unnoticed."
    for i, cell in enumerate(cells):
        kind, title = directive(cell)
        try:
            with contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
                run_cell(cell, module, f"<{module.__name__} {kind} {i} of {len(cells)}>")
        except Exception as error:
            if kind == "check": return title, f"{type(error).__name__}: {error}"
        finally: plt.close("all")


def move_scratch(module, folder):
    """Copy the lesson's temporary folders into `folder` and go on with the copies: processes that
    shared them would find each other's files.
    """
    held = dict(vars(module))
    for old in [v for v in held.values() if isinstance(v, tempfile.TemporaryDirectory)]:
        old._finalizer.detach()  # they are not this process's to remove
        new = shutil.copytree(old.name, Path(folder, Path(old.name).name))
        for name, value in held.items():
            if isinstance(value, Path) and value.is_relative_to(old.name):
                setattr(module, name, new / value.relative_to(old.name))


def in_own_process(module, cells, source, seconds, folder, answer):
    "Send the failing check, or None, of the cells when `source` stands for the first one."
    signal.alarm(seconds)  # nobody catches it: the process ends
    tempfile.tempdir = folder
    os.chdir(folder)
    sys.dont_write_bytecode = True
    move_scratch(module, folder)
    confine(folder)
    first = types.SimpleNamespace(cell_type="code", source=source)
    noticed = failing_check(module, [first, *cells[1:]])
    answer.send(noticed and (noticed[0], noticed[1][:1000]))  # a pipe holds no more than 64 kB


def started(task, folder):
    "A process of its own for the cells in `task`, the pipe for its answer, and its folder."
    fork, own = multiprocessing.get_context("fork"), tempfile.mkdtemp(dir=folder)
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=in_own_process, args=(*task, own, send))
    process.start()
    send.close()
    return process, receive, own


def finished(process, receive, own):
    "What a process answered: the check's title and error, or None; its traces are removed."
    process.join()
    try: answer = receive.recv()
    except EOFError: answer = "(no answer in time, or a crash)", ""
    receive.close()
    shutil.rmtree(own)
    return answer


def try_apart(module, cells, sources, seconds=SECONDS):
    """What notices each of the `sources` in place of the first cell: the check's title and error,
    or None. Each is tried in a process of its own, forked from this one, which has run all cells
    before: so none sees what another left behind, and none runs those cells again.
    """
    warm_up()
    results, running, waiting = {}, {}, list(enumerate(sources))[::-1]
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                i, source = waiting.pop()
                one = started((module, cells, source, seconds), folder)
                running[one[0].sentinel] = i, one
            for sentinel in wait(list(running)):
                i, one = running.pop(sentinel)
                results[i] = finished(*one)
    return [results[i] for i in range(len(sources))]


def unfit(stem, cells, wrong):
    "What is wrong with a lesson's list of mutants: texts not found once, names, too few."
    sources = [cell.source for cell in cells if directive(cell)[0] == "export"]
    for name, right, _ in wrong:
        found = sum(source.count(right) for source in sources)
        if found != 1: yield f"{stem}: {name}: {right!r} stands {found} times in the exported cells"
        if name not in exported(stem): yield f"{stem}: {name} is not exported"
    for name in exported(stem):
        count = sum(mutant[0] == name for mutant in wrong)
        if count < 3: yield f"{stem}: {name} has {count} wrong versions; it needs three"


def changed(cell, wrong):
    "The wrong versions of this cell, and its source with each of them."
    here = [m for m in wrong if directive(cell)[0] == "export" and m[1] in cell.source]
    return here, [cell.source.replace(right, new) for _, right, new in here]


def report(stem, every=1):
    "Every line to print for a lesson, of each N-th wrong version; and the complaints among them."
    cells = needed_cells(read(next(p for p in lessons() if p.stem == stem)))
    module = sys.modules[stem] = types.ModuleType(stem)
    lines, complaints = [], list(unfit(stem, cells, listed(stem)))
    for i, cell in enumerate(cells):
        here, sources = changed(cell, listed(stem)[::every])
        for mutant, noticed in zip(here, try_apart(module, cells[i:], sources)):
            right, wrong = (text.strip()[:40] for text in mutant[1:])
            result = f"caught by: {noticed[0]}" if noticed else "NOT CAUGHT"
            lines.append(f"{stem}  {mutant[0]:<24} {right!r} -> {wrong!r}: {result}")
            if not noticed: complaints.append(lines[-1])
        if failed := failing_check(module, [cell]):
            complaints.append(f"{stem}: the lesson's own code fails {failed}")
    return lines, complaints


def main():
    if "fork" not in multiprocessing.get_all_start_methods(): sys.exit("This needs fork.")
    os.environ["MPLBACKEND"] = "agg"
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("lessons", nargs="*", default=[""])
    parser.add_argument("--every", type=int, default=1)
    given, complaints, total = parser.parse_args(), [], 0
    for stem in [path.stem for only in given.lessons for path in lessons(only)]:
        lines, wrong = report(stem, given.every)
        print("\n".join(lines), flush=True)
        complaints += wrong
        total += len(lines)
    print(f"\n{total} wrong versions tried; complaints: {len(complaints)}", *complaints, sep="\n")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
