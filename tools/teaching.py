"""Write TEACHING.md: for each lesson what a teacher needs to know, with what the checks answer to
the commonest slips. [lesson]
"""
import os
import re
import sys

import matplotlib
import torch
from course import ROOT
from notebooks import header, read
from try_workbook import fresh, wrong_versions

from workbooks import WORKBOOKS, notes, numbered, workbook

PAGE = ROOT / "TEACHING.md"
PART = "<!-- {stem} -->\n{text}<!-- end of {stem} -->\n"
SHOWN = ("failed", "expected", "came", "in", "slip?")  # the rows of an answer that are quoted


def before(notebook):
    "What a lesson's header says must be known, with its links as seen from the project's folder."
    found = re.search(r"before this: (.*)", notebook.cells[0].source)[1]
    return re.sub(r"\]\((\w+\.ipynb)\)", r"](nbs/\1)", found)


def quoted(answer):
    "The part of an answer that is shown on the page, as one block of text."
    first, *rows = answer.splitlines()
    kept = [row for row in rows if row.split()[0] in SHOWN]
    short = [line if len(line) <= 170 else line[:169] + "…" for line in [first, *kept]]
    return "\n".join(["  ```", *(f"  {line}" for line in short), "  ```"])


def slips(path, noted, facts):
    "Each of the common slips, with what the first check that fails says to it."
    told = {change: words for words, change in noted.COMMON}
    versions = [("", *change) for change in told]
    for _, right, wrong, answers in wrong_versions(path, fresh(facts), versions):
        failed = [text for mark, text in answers.values() if mark == "✗"]
        if not failed: raise SystemExit(f"{path.stem}: no check fails for {right!r} -> {wrong!r}")
        yield f"- {told.pop((right, wrong))}\n\n{quoted(failed[0])}\n"
    if told: raise SystemExit(f"{path.stem}: {list(told)} is not in one exported cell")


def lesson_page(path):
    "What TEACHING.md says of one lesson."
    notebook, noted = read(path), notes(path.stem)
    facts, (_, known) = header(notebook), workbook(path)
    blanks = sum(map(len, known["pieces"].values()))
    lines = [f"## {facts['title']}", "",
             f"[Lesson](nbs/{path.name}), {facts['minutes']} minutes to read · "
             f"[workbook](workbooks/{path.name}), {blanks} blanks, {len(known['checks'])} checks",
             "",
             f"**Before this:** {before(notebook)}", "", "**Afterwards, students can**", ""]
    lines += [f"- {objective}" for objective in noted.OBJECTIVES]
    lines += ["", "**Two moments for the room**", ""]
    lines += [f"{i}. {moment}" for i, moment in enumerate(noted.MOMENTS, 1)]
    lines += ["", "**Common slips, and what the checks answer**", "", *slips(path, noted, known)]
    return "\n".join(lines) + "\n"


def with_lesson(text, path):
    "The page's text with one lesson's part as it should be; a new part goes to the end."
    part = PART.format(stem=path.stem, text=lesson_page(path))
    old = re.search(rf"<!-- {path.stem} -->.*<!-- end of {path.stem} -->\n", text, re.S)
    return text.replace(old[0], part) if old else f"{text}\n{part}"


def main():
    matplotlib.use("agg")
    torch.set_num_threads(1)
    os.chdir(WORKBOOKS)
    for path in numbered(*sys.argv[1:]):
        PAGE.write_text(with_lesson(PAGE.read_text(encoding="utf-8"), path), encoding="utf-8")


if __name__ == "__main__":
    main()
