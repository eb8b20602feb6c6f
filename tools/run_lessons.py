"""Execute the lessons top-down, each in a fresh kernel, and report.

Executed copies go to `_run/`; the lessons themselves stay as they are, unless `--in-place` asks for
their outputs to be renewed, which happens only when every one of them ran. Exit status 1 when a
lesson fails.
"""
import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebooks import NBS, ROOT, cells, directive, lessons, outputs, read, results

RUN = ROOT / "_run"


def say(line, live):
    "Show a lesson's line: rewritten in place on a terminal, printed once it is final elsewhere."
    if sys.stdout.isatty(): print(f"\r{line:<78}", end="" if live else "\n", flush=True)
    elif not live: print(line, flush=True)


def execute(path, show=True):
    "Run one lesson; returns its notebook, the seconds it took and, on failure, (cell, error)."
    notebook = read(path)
    client = NotebookClient(notebook, timeout=1200, kernel_name="python3",
                            resources={"metadata": {"path": NBS}})
    total = sum(c.cell_type == "code" for c in notebook.cells)
    start, reached = time.perf_counter(), 0

    def progress(cell=None, cell_index=0, live=True, **_):
        nonlocal reached
        reached = cell_index
        done = sum(c.cell_type == "code" for c in notebook.cells[:cell_index])
        bar = "#" * (20 * done // max(1, total))
        seconds = time.perf_counter() - start
        line = f"{path.stem:<24} [{bar:<20}] {done:3}/{total} cells {seconds:6.1f} s"
        if show or not live: say(line, live)

    client.extra_arguments = ["--log-level=ERROR"]
    client.on_cell_start = progress
    failure = None
    try:
        client.execute()
        reached = len(notebook.cells)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = reached, error
    seconds = time.perf_counter() - start
    progress(cell_index=reached, live=False)
    return notebook, seconds, failure


def complain(path, notebook, index, error):
    "Show the cell that failed, where it stands, and its traceback."
    name, text = directive(notebook.cells[index])
    headings = [line for c in notebook.cells[:index] if c.cell_type == "markdown"
                for line in c.source.splitlines() if line.startswith("#")]
    where = f" under {headings[-1]!r}" if headings else ""
    title = f" ({name}: {text})" if name else ""
    print(f"\n{path.stem} failed in cell {index}{where}{title}:\n{error}", flush=True)


def table(rows):
    "Print one line per lesson, and the results of the last one that has any."
    print(f"\n{'lesson':<24}{'seconds':>9}{'cells':>7}{'checks':>8}{'figures':>9}")
    for path, notebook, seconds in rows:
        figures = sum("image/png" in o.get("data", {}) for o in outputs(notebook))
        count = sum(c.cell_type == "code" for c in notebook.cells)
        checks = len(cells(notebook, "check"))
        print(f"{path.stem:<24}{seconds:>9.1f}{count:>7}{checks:>8}{figures:>9}")
    print(f"{'together':<24}{sum(seconds for _, _, seconds in rows):>9.1f}")
    for path, notebook, _ in reversed(rows):
        if found := results(notebook):
            print("\n" + "\n".join(f"{path.stem}: {name} {text}" for name, text in found.items()))
            break


def run(paths, jobs):
    "Execute the lessons into `_run/`, `jobs` at a time; returns the table's rows and if all ran."
    RUN.mkdir(exist_ok=True)
    rows, all_ran = [], True
    with ThreadPoolExecutor(jobs) as pool:
        in_turn = map if jobs == 1 else pool.map
        executed = in_turn(lambda path: execute(path, show=jobs == 1), paths)
        for path, (notebook, seconds, failure) in zip(paths, executed):
            nbformat.write(notebook, RUN / path.name)
            rows.append((path, notebook, seconds))
            if failure is None: continue
            complain(path, notebook, *failure)
            all_ran = False
            if jobs == 1: break  # later lessons build on this one
    return rows, all_ran


def nbdev(command):
    "Call one of nbdev's programs in the project's folder; stop when it fails."
    subprocess.run([Path(sys.executable).with_name(f"nbdev-{command}")], cwd=ROOT, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson", nargs="?", default="",
                        help="run only the lessons whose name starts with this")
    parser.add_argument("--jobs", type=int, default=1, help="how many lessons run at a time")
    parser.add_argument("--in-place", action="store_true",
                        help="renew the outputs of nbs/ and clean them")
    args = parser.parse_args()
    # This environment's kernel, not one of the user's by the same name.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # One thread is the fastest for tensors as small as these; more would fight for the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    paths = lessons(args.lesson)
    if args.in_place: nbdev("export")
    rows, all_ran = run(paths, args.jobs)
    table(rows)
    if not all_ran: sys.exit(1)
    if args.in_place:
        for path in paths: shutil.copy(RUN / path.name, path)
        nbdev("clean")


if __name__ == "__main__":
    main()
