"""Does a workbook answer rightly? python tools/try_workbook.py [lesson] [--wrong N]

Plays each workbook in this process: empty, filled with the lesson's own answers, and filled with
wrong versions from tests/mutants (N for each exported name; default 1). An empty one must say
"not written yet" everywhere, a right one ✓, and a wrong piece must fail checks about that piece
and no others.
"""
import argparse
import contextlib
import functools
import importlib
import io
import multiprocessing
import os
import signal
import sys
import tempfile
import types
import warnings

import matplotlib
import matplotlib.pyplot as plt
import torch
from lesson_code import Lesson, without_directive
from mutants import listed, move_scratch, warm_up
from notebooks import module_of

from exp.workbook import Workbook, _body, _run, needed_cells
from workbooks import WORKBOOKS, notes, numbered, parted, workbook

SECONDS = 60


def fresh(facts):
    "A Workbook in a module of its own, where pickle finds what is defined."
    module = sys.modules["workbook"] = types.ModuleType("workbook")
    return Workbook(vars(module), facts)


def is_wanted(source): return source.startswith(("%%check", "#| write"))


def sources(notebook): return [c.source for c in notebook.cells if c.cell_type == "code"]


@functools.cache
def filled(path):
    "The texts of a workbook's code cells, with the lesson's own definitions in place of blanks."
    lesson = Lesson(path, notes(path.stem).GIVEN)
    own = {cell.id: parted(without_directive(cell.source))[0] for cell in lesson.cells
           if lesson.is_practice(cell)}
    page, _ = workbook(path)
    return tuple("\n".join([c.source.partition("\n")[0], own[c.id]]) if c.id in own else c.source
                 for c in page.cells if c.cell_type == "code")


def run_cell(book, source):
    "Run one cell as the notebook would; the Answer when it is a check."
    magic = source.partition("\n")[0]
    if magic.startswith("begin(") or source.startswith("#| setup"): return None
    if magic.startswith("%%check"): return book.check(magic.removeprefix("%%check "), _body(source))
    if magic.startswith("%%needs") and book.unwritten(magic[8:].split(", ")): return None
    with contextlib.suppress(Exception): _run(_body(source), f"<{source[:60]}>", book.namespace)


def quietly(book, cells):
    "Run cells; nothing is shown."
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), \
            warnings.catch_warnings():
        for source in cells:
            run_cell(book, source)
            plt.close("all")
    return book


def needed(cells): return [cells[i] for i in needed_cells(cells, is_wanted)]


def stops(*_): raise TimeoutError(f"no answer within {SECONDS} s")


STATE = []


def try_wrong(wrong):
    "The answers of a forked process in which the first of the remaining cells is wrong."
    book, rest = STATE
    signal.signal(signal.SIGALRM, stops)
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        move_scratch(sys.modules["workbook"], folder)
        quietly(book, [rest[0].replace(*wrong), *rest[1:]])
    return {title: (answer.mark, repr(answer)) for title, answer in book.answers.items()}


def is_exported(source, module):
    "Whether a cell defines a piece of `exp`: practice on the way there is not mutated."
    if not source.startswith("#| write: "): return False
    return hasattr(module, source.partition("\n")[0].removeprefix("#| write: ").split(", ")[0])


def some(listed_versions, many):
    "The first `many` wrong versions of each name."
    counts = {}
    for version in listed_versions:
        counts[version[0]] = counts.get(version[0], 0) + 1
        if counts[version[0]] <= many: yield version


def wrong_versions(path, book, versions):
    """(name, right, wrong, {title: (mark, text)}) for each of `versions`: (name, right, wrong).
    The fresh `book` itself is filled with right answers on the way.
    """
    warm_up()
    cells, versions = needed(filled(path)), list(versions)
    module = importlib.import_module(module_of(path.stem))
    for i, source in enumerate(cells):
        chosen = [v for v in versions if is_exported(source, module) and source.count(v[1]) == 1]
        STATE[:] = book, cells[i:]
        if chosen:
            with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
                results = pool.map(try_wrong, [version[1:] for version in chosen], chunksize=1)
            for version, answers in zip(chosen, results): yield *version, answers
        quietly(book, [source])


def pieces_with(lesson, text):
    "The pieces whose text holds `text`."
    return [piece for piece in lesson.pieces if text.strip("\n") in lesson.sources[piece]]


def about(facts, pieces):
    "The titles of the checks about some pieces."
    return [t for t, fact in facts["checks"].items() if set(pieces) & set(fact["about"])]


def complaints(path, many):
    "What is wrong with a workbook's answers, one line each."
    page, facts = workbook(path)
    lesson = Lesson(path, notes(path.stem).GIVEN)
    empty = quietly(fresh(facts), sources(page))
    for title in facts["checks"]:
        answer = repr(empty.answers.get(title))
        if "not written yet" not in answer: yield f"empty: {answer}"
    full = fresh(facts)
    tried = list(wrong_versions(path, full, some(listed(path.stem), many)))
    for title in facts["checks"]:
        if full.answers[title].mark != "✓": yield f"filled: {full.answers[title]!r}"
    for name, right, wrong, answers in tried:
        failed = [title for title, (mark, _) in answers.items() if mark == "✗"]
        holders = pieces_with(lesson, right)
        if not holders: continue  # a table beside the blanks: it is given
        others = [t for t in failed if not set(holders) & set(facts["checks"][t]["about"])]
        change = f"{name}: {right!r} -> {wrong!r}"
        passed = [title for title, (mark, _) in answers.items() if mark == "✓"]
        if all(title in passed for title in about(facts, holders)): yield f"all pass: {change}"
        if others: yield f"a check about something else fails: {change}: {answers[others[0]][1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson", nargs="?", default="")
    parser.add_argument("--wrong", type=int, default=1)
    args = parser.parse_args()
    matplotlib.use("agg")
    torch.set_num_threads(1)
    os.chdir(WORKBOOKS)
    found = [f"{path.stem}: {line}" for path in numbered(args.lesson)
             for line in complaints(path, args.wrong)]
    print(*found, sep="\n")
    print(f"complaints: {len(found)}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
