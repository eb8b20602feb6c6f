"""Answer the checks of a saved workbook, or of a folder of them: python tools/grade.py FILE

For one workbook, the table of its checks; for a folder, a CSV with a row for each. Exit status 0
when every check of every workbook passes, 1 when one does not, 2 when there is nothing to grade.
Each workbook runs in a process of its own, with a time limit, that can write nowhere but in a
temporary folder. That is protection against accidents and mischief; for code that may be an
attack, use a container as well.
"""
import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from course import ROOT
from grade_one import lesson_of, texts

from workbooks import FACTS

COLUMNS = ["file", "lesson", "checks passed", "checks", "blanks written", "blanks", "problem",
           "not passed"]


def run_apart(path, folder, seconds, cell_seconds):
    "Run grade_one.py on a workbook; what it noted, and what was wrong with the run itself."
    answers = Path(folder, "answers")
    environment = {**os.environ, "HOME": folder, "IPYTHONDIR": folder, "XDG_CACHE_HOME": folder,
                   "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    child = subprocess.Popen(
        [sys.executable, ROOT / "tools" / "grade_one.py", path.resolve(), answers,
         str(cell_seconds)], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    problem = ""
    try:
        _, errors = child.communicate(timeout=seconds)
        if child.returncode:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["without a word"]
            problem = f"the run ended early, {last[0]}"
    except subprocess.TimeoutExpired: problem = f"stopped after {seconds} seconds"
    finally:
        if hasattr(os, "killpg"):
            try: os.killpg(child.pid, signal.SIGKILL)  # with all that it has started
            except ProcessLookupError: pass
        child.kill()
        child.wait()
    lines = answers.read_text(encoding="utf-8").splitlines() if answers.exists() else []
    return [json.loads(line) for line in lines], problem


def graded(path, seconds=180, cell_seconds=30):
    "A workbook's row: its lesson, {title: (mark, text)}, blanks, and what was wrong."
    row = {"file": path.name, "answers": {}, "blanks written": 0, "blanks": 0, "problem": ""}
    known = json.loads(FACTS.read_text(encoding="utf-8"))
    try: stem = lesson_of(texts(path))
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError, ValueError) as error:
        return {**row, "problem": f"cannot be read: {str(error)[:80]!r}"}
    if stem not in known:
        return {**row, "problem": "is no workbook: no cell says begin(…) with a lesson's name"}
    with tempfile.TemporaryDirectory() as folder:
        noted, row["problem"] = run_apart(path, folder, seconds, cell_seconds)
    row["answers"] = {title: (" ", f"  {title}") for title in known[stem]["checks"]}
    for fact in noted:
        if "title" in fact: row["answers"][fact["title"]] = fact["mark"], fact["text"]
        if "error" in fact and not row["problem"]:
            row["problem"] = f"{fact['error']} in the cell {fact['cell']!r}"
        if "written" in fact: row["blanks written"] = fact["written"]
    if not row["problem"] and not any("written" in fact for fact in noted):
        row["problem"] = "the run ended before its end"
    row["blanks"] = sum(map(len, known[stem]["pieces"].values()))
    return {**row, "lesson": stem}


def passes(row):
    "Whether every check of a row's workbook passes; one without checks does not."
    return bool(row["answers"]) and all(mark == "✓" for mark, _ in row["answers"].values())


def table(row):
    "The answers of one workbook as text."
    lines = [text for _, text in row["answers"].values()]
    passed = sum(mark == "✓" for mark, _ in row["answers"].values())
    lines.append(f"{row['file']}: {passed} of {len(row['answers'])} checks pass, "
                 f"{row['blanks written']} of {row['blanks']} blanks are written")
    return "\n".join([*lines, *([f"problem: {row['problem']}"] if row["problem"] else [])])


def write_csv(rows, file):
    "A line for each workbook."
    writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        marks = {title: mark for title, (mark, _) in row["answers"].items()}
        left = [f"{mark} {title}" for title, mark in marks.items() if mark != "✓"]
        writer.writerow({**row, "checks": len(marks), "checks passed": len(marks) - len(left),
                         "not passed": "; ".join(left)})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a saved workbook, or a folder of them")
    parser.add_argument("--seconds", type=float, default=180, help="the most that one may take")
    parser.add_argument("--cell-seconds", type=float, default=30, help="and each of its cells")
    args = parser.parse_args()
    paths = sorted(args.file.rglob("*.ipynb")) if args.file.is_dir() else [args.file]
    paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    if not paths or not args.file.exists():
        print(f"{args.file}: there is no workbook here; give a saved .ipynb file or a folder",
              file=sys.stderr)
        sys.exit(2)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(lambda path: graded(path, args.seconds, args.cell_seconds), paths))
    if args.file.is_dir(): write_csv(rows, sys.stdout)
    else: print(table(rows[0]))
    sys.exit(not all(map(passes, rows)))


if __name__ == "__main__":
    main()
