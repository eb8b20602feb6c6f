"""Do a lesson's own checks notice plausible mistakes? python tools/mutants.py [lesson ...]

tests/mutants/NN_name.py lists wrong versions of the lesson's exported code: (exported name, text,
wrong text). Each is put in place of the right one, and the lesson's `#| check` cells, with the
cells that they build on, are run: one must fail.
"""
import ast
import contextlib
import importlib
import importlib.util
import io
import linecache
import multiprocessing
import os
import signal
import sys
import types
import warnings

import matplotlib.pyplot as plt
import torch
from notebooks import ROOT, directive, lessons, read

SECONDS = 60
STATE = []  # what a forked process works on: the module and the cells


def mutants(stem):
    "The wrong versions listed for a lesson."
    path = ROOT / "tests" / "mutants" / f"{stem}.py"
    if not path.exists(): return []
    spec = importlib.util.spec_from_file_location(f"mutants_{stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTANTS


def exported(stem):
    "The names that a lesson exports."
    return importlib.import_module(f"exp.{stem.split('_', 1)[1]}").__all__


def used_and_bound(source):
    "The names that a cell takes from earlier cells, and those that it leaves to later ones."
    used, bound = set(), set()
    for statement in ast.parse(source).body:
        nodes = list(ast.walk(statement))
        names = [n for n in nodes if isinstance(n, ast.Name)]
        imports = [n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))]
        used |= {n.id for n in names if isinstance(n.ctx, ast.Load)} - bound
        bound |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
        bound |= {(a.asname or a.name).split(".")[0] for n in imports for a in n.names}
        bound |= {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    return used, bound


def needed_cells(notebook):
    "The code cells to run, in order: exports, checks, and what binds a name that those use."
    chosen, wanted = [], set()
    for cell in reversed(notebook.cells):
        if cell.cell_type != "code" or directive(cell)[0] in ("setup", "default_exp"): continue
        used, bound = used_and_bound(cell.source)
        if directive(cell)[0] in ("export", "check") or bound & wanted:
            chosen.append(cell)
            wanted = (wanted - bound) | used
    return chosen[::-1]


def run_cell(cell, module, name):
    "Execute one cell in `module`, its source at hand for `inspect`."
    linecache.cache[name] = len(cell.source), None, cell.source.splitlines(keepends=True), name
    exec(compile(cell.source, name, "exec"), module.__dict__)


def too_slow(*_):
    raise TimeoutError(f"no answer within {SECONDS} s")


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


def try_mutant(module, cells, mutant):
    "'caught …' with the check that noticed the wrong version of `cells[0]`, or 'NOT CAUGHT'."
    _, right, wrong = mutant
    first = types.SimpleNamespace(cell_type="code", source=cells[0].source.replace(right, wrong))
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS)
    noticed = failing_check(module, [first, *cells[1:]])
    signal.alarm(0)
    return f"caught by: {noticed[0]}" if noticed else "NOT CAUGHT"


def try_in_turn(task): return try_mutant(*STATE, task)


def try_apart(module, cells, listed):
    """Try each mutant of `cells[0]` in a process of its own, forked from this one, which has run
    all cells before: so none sees what another left behind, and none runs those cells again.
    """
    STATE[:] = module, cells
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        return pool.map(try_in_turn, listed, chunksize=1)


def unfit(stem, cells, listed):
    "What is wrong with a lesson's list of mutants: texts not found once, names, too few."
    sources = [cell.source for cell in cells if directive(cell)[0] == "export"]
    for name, right, _ in listed:
        found = sum(source.count(right) for source in sources)
        if found != 1: yield f"{stem}: {name}: {right!r} stands {found} times in the exported cells"
        if name not in exported(stem): yield f"{stem}: {name} is not exported"
    for name in exported(stem):
        count = sum(mutant[0] == name for mutant in listed)
        if count < 3: yield f"{stem}: {name} has {count} wrong versions; it needs three"


def report(stem):
    "Every line to print for a lesson, and the complaints among them."
    cells = needed_cells(read(next(p for p in lessons() if p.stem == stem)))
    module = sys.modules[stem] = types.ModuleType(stem)
    listed, lines = mutants(stem), []
    complaints = list(unfit(stem, cells, listed))
    for i, cell in enumerate(cells):
        here = [m for m in listed if directive(cell)[0] == "export" and m[1] in cell.source]
        for mutant, result in zip(here, try_apart(module, cells[i:], here) if here else []):
            right, wrong = (text.strip()[:40] for text in mutant[1:])
            lines.append(f"{stem}  {mutant[0]:<24} {right!r} -> {wrong!r}: {result}")
            if not result.startswith("caught"): complaints.append(lines[-1])
        if failed := failing_check(module, [cell]):
            complaints.append(f"{stem}: the lesson's own code fails {failed}")
    return lines, complaints


def main():
    if "fork" not in multiprocessing.get_all_start_methods(): sys.exit("This needs fork.")
    os.environ["MPLBACKEND"] = "agg"
    torch.set_num_threads(1)
    complaints, total = [], 0
    for stem in [path.stem for only in sys.argv[1:] or [""] for path in lessons(only)]:
        lines, wrong = report(stem)
        print("\n".join(lines), flush=True)
        complaints += wrong
        total += len(lines)
    print(f"\n{total} wrong versions tried; complaints: {len(complaints)}", *complaints, sep="\n")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
