"""Run one saved workbook and answer its checks: python tools/grade_one.py FILE ANSWERS SECONDS

Called by tools/grade.py, in a process of its own. The student's cells are run, and the checks of
the workbook as it was made, whatever the file's own checks say. The answers are appended to the
file ANSWERS one by one, so that they survive what comes later. A cell may take SECONDS.
"""
import contextlib
import io
import json
import re
import signal
import sys
from pathlib import Path

import matplotlib
from notebooks import read

from workbooks import numbered, workbook


def texts(path): return [c.source for c in read(path).cells if c.cell_type == "code"]


def made_from(stem):
    "The code cells of a lesson's workbook, made anew: the file in workbooks/ may be written in."
    (path,) = (path for path in numbered() if path.stem == stem)
    notebook, _ = workbook(path)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def lesson_of(cells):
    "The lesson whose workbook these cells are from, as their `begin` says; else None."
    found = [re.match(r"begin\([\"'](\w+)[\"']\)", text) for text in cells]
    return next((match[1] for match in found if match), None)


def defines(text, names):
    "Whether a cell defines one of `names`; a look at the text, since it may be no Python."
    return any(re.search(rf"^((def|class)\s+{name}\b|{name}\s*=)", text, re.M) for name in names)


def in_order(theirs, made):
    """The cells to run: those of the workbook as it was made, and after each blank page of it what
    the student has up to the last cell that fills it.
    """
    own = [text for text in theirs if text not in made and not text.startswith("%%check")]
    for text in made:
        if text.startswith(("#| setup", "begin(", "progress(")): continue
        yield text, False
        if not text.startswith("#| write: "): continue
        names = text.partition("\n")[0].removeprefix("#| write: ").split(", ")
        last = max((i for i, cell in enumerate(own) if defines(cell, names)), default=-1)
        yield from ((cell, True) for cell in own[:last + 1])
        own = own[last + 1:]


@contextlib.contextmanager
def limited(seconds):
    "A time limit for what is done inside; where there are no alarms, grade.py's own holds alone."
    def stop(*_): raise TimeoutError(f"stopped after {seconds:g} seconds")
    if not hasattr(signal, "setitimer"): return (yield)
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # and again, should the code catch it
    try: yield
    finally: signal.setitimer(signal.ITIMER_REAL, 0)


def shell():
    "An IPython that keeps no history on disk."
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config
    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(config=config)


def main():
    path, answers, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    theirs = texts(path)
    stem = lesson_of(theirs)
    made = made_from(stem)
    matplotlib.use("agg")
    import sklearn.datasets  # noqa: F401  before the lock: importing may write a cache
    import torch
    from confine import confine

    from exp import workbook as answering
    torch.set_num_threads(1)
    notebook, out = shell(), open(answers, "a", encoding="utf-8")
    confine(answers.parent)

    def note(**facts): print(json.dumps(facts, ensure_ascii=False), file=out, flush=True)

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        answering.begin(stem)
        book = answering._begun()
        order = list(in_order(theirs, made))
        wanted = {text for text, own in order if own or text.startswith(("#| write", "%%check"))}
        needed = answering.needed_cells([text for text, _ in order], wanted.__contains__)
        for text, is_theirs in (order[i] for i in needed):  # what only shows something is left out
            title, _, source = text.removeprefix("%%check ").partition("\n")
            with limited(seconds):
                if text.startswith("%%check"):
                    answer = book.check(title, source)
                    note(title=title, mark=answer.mark, text=repr(answer))
                elif (error := notebook.run_cell(text)) and is_theirs and not error.success:
                    error = error.error_before_exec or error.error_in_exec
                    note(error=f"{type(error).__name__}: {error}", cell=text.strip()[:60])
            import matplotlib.pyplot as plt
            plt.close("all")
    blanks = sum(map(len, book.facts["pieces"].values()))
    note(written=blanks - len(book.unwritten(book.facts["pieces"])), blanks=blanks)


if __name__ == "__main__":
    main()
