"""Grading a saved workbook: the student's cells run, and nothing that they do gets out."""
import csv
import io
import subprocess
import sys

import grade
import grade_one
import nbformat
import pytest
import try_workbook
from notebooks import ROOT, read

import workbooks

(LESSON,) = workbooks.numbered("01")
HOSTILE = '''
import os, subprocess, shutil, socket, torch
stolen = []
for attack in [lambda: open("{outside}/new", "w"), lambda: torch.save([1], "{outside}/torch"),
               lambda: os.remove("{outside}/kept"), lambda: os.rename("{outside}/kept", "kept"),
               lambda: open("{outside}/kept", "a").write("!"), lambda: os.mkdir("{outside}/folder"),
               lambda: shutil.rmtree("{outside}"), lambda: os.system("touch {outside}/shell"),
               lambda: subprocess.run(["touch", "{outside}/child"]),
               lambda: os.kill(os.getppid(), 9),
               lambda: socket.create_connection(("127.0.0.1", 9), 1)]:
    try: stolen.append(attack())
    except (OSError, RuntimeError): pass
'''


def page(*changes, lesson=LESSON):
    "A workbook filled with right answers, with (old, new) texts changed in one cell each."
    notebook, answers = read(workbooks.WORKBOOKS / lesson.name), list(try_workbook.filled(lesson))
    for old, new in changes:
        (i,) = [i for i, text in enumerate(answers) if old in text and (
            text.startswith("#| write: matmul") or "%%check" in old or "def refuses" in old)]
        answers[i] = answers[i].replace(old, new)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, text in zip(codes, answers, strict=True): cell.source = text
    return notebook


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "Workbooks that students may hand in; a folder that none of them may touch beside it."
    place = tmp_path_factory.mktemp("handed in")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kept").write_text("kept")
    hostile = HOSTILE.format(outside=outside)
    dot = "out[i, j] = (a[i] * b[:, j]).sum()"
    pages = {
        "right": page(), "empty": read(workbooks.WORKBOOKS / LESSON.name),
        "unreadable": page(("return torch.einsum", "retrun torch.einsum")),
        "cheated": page((dot, dot.replace("sum", "prod")), ("%%check a dot product", "%%check no"),
                        ("def refuses(multiply):", "def refuses(multiply): pass\ndef other(x):")),
        "hostile": page(("def matmul_dot", hostile + "def matmul_dot")),
        "leaves": page((dot, "import os; os._exit(0)")),
        "endless": page((dot, "\n            while True: pass"))}
    for name, notebook in pages.items(): nbformat.write(notebook, place / f"{name}.ipynb")
    shuffled = page()
    shuffled.cells = [c for c in shuffled.cells if not c.source.startswith("%%check")]
    nbformat.write(shuffled, place / "no checks.ipynb")
    nbformat.write(read(LESSON), place / "lesson.ipynb")
    (place / "broken.ipynb").write_text("{", encoding="utf-8")
    return place, outside


@pytest.fixture(scope="module")
def rows(folder):
    "What `make workbook-check` prints for the folder, and its exit status."
    place, _ = folder
    before = {path: path.read_bytes() for path in place.iterdir()}
    command = [sys.executable, ROOT / "tools" / "grade.py", place, "--cell-seconds", "8"]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert {path: path.read_bytes() for path in place.iterdir()} == before, "only read"
    assert ran.returncode == 1 and ran.stderr == "", ran.stderr
    table = csv.DictReader(io.StringIO(ran.stdout))
    return {row["file"].removesuffix(".ipynb"): row for row in table}


def test_right_answers_pass_also_without_check_cells(rows):
    for name in ("right", "no checks"):
        assert rows[name]["checks passed"] == rows[name]["checks"] != "0", rows[name]
        assert rows[name]["blanks written"] == rows[name]["blanks"]
        assert (rows[name]["problem"], rows[name]["not passed"]) == ("", "")
        assert rows[name]["lesson"] == LESSON.stem


@pytest.mark.parametrize("lesson", [p for p in workbooks.numbered() if p != LESSON],
                         ids=lambda path: path.stem)
def test_every_lessons_own_answers_pass(lesson, tmp_path):
    nbformat.write(page(lesson=lesson), tmp_path / "right.ipynb")
    row = grade.graded(tmp_path / "right.ipynb")
    assert grade.passes(row) and not row["problem"], grade.table(row)
    assert row["blanks written"] == row["blanks"]


def test_what_was_never_written_is_no_success(rows):
    assert (rows["empty"]["checks passed"], rows["empty"]["blanks written"]) == ("0", "0")
    assert rows["empty"]["problem"] == "" and rows["empty"]["not passed"].count("– ") == int(
        rows["empty"]["checks"])


def test_a_syntax_error_is_the_students_and_named(rows):
    row = rows["unreadable"]
    assert "SyntaxError" in row["problem"] and "matmul_einsum" in row["problem"]
    assert int(row["checks passed"]) == int(row["checks"]) - 2
    assert "– einsum gives" in row["not passed"]


def test_changed_checks_and_helpers_do_not_count(rows):
    assert "✗ a dot product" in rows["cheated"]["not passed"]


def test_checks_come_from_the_lesson_and_not_from_a_file_that_may_be_written_in(monkeypatch):
    def refuse(path): raise AssertionError(f"{path} was asked for the checks")
    monkeypatch.setattr(grade_one, "read", refuse)
    made = grade_one.made_from(LESSON.stem)
    checks = workbooks.workbook(LESSON)[1]["checks"]
    assert [text.partition("\n")[0] for text in made if text.startswith("%%check")] == [
        f"%%check {title}" for title in checks]


def test_hostile_code_gets_nowhere_and_the_rest_is_graded(rows, folder):
    _, outside = folder
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "kept"
    assert rows["hostile"]["checks passed"] == rows["hostile"]["checks"], rows["hostile"]


def test_leaving_early_is_no_success(rows):
    assert rows["leaves"]["problem"] == "the run ended before its end"
    assert rows["leaves"]["checks passed"] == "2", "those before it"


def test_endless_code_is_stopped_and_what_came_before_counts(rows):
    assert "✗ a dot product" in rows["endless"]["not passed"]
    assert "✓" not in rows["endless"]["not passed"] and int(rows["endless"]["checks passed"]) >= 3


def test_code_that_cannot_be_interrupted_is_stopped_as_well(tmp_path):
    stubborn = ("\n            while True:\n                try: sum(iter(int, 1))\n"
                "                except BaseException: pass")
    nbformat.write(page(("out[i, j] = (a[i] * b[:, j]).sum()", stubborn)), tmp_path / "a.ipynb")
    row = grade.graded(tmp_path / "a.ipynb", seconds=25, cell_seconds=8)
    assert row["problem"] == "stopped after 25 seconds" and not grade.passes(row)


def test_what_is_no_workbook_is_said_so(rows):
    assert "no workbook" in rows["lesson"]["problem"]
    assert "cannot be read" in rows["broken"]["problem"]
    assert rows["lesson"]["checks passed"] == rows["broken"]["checks"] == "0"


def test_one_workbook_prints_its_table(folder):
    place, _ = folder
    row = grade.graded(place / "right.ipynb")
    text = grade.table(row).splitlines()
    assert grade.passes(row) and len(text) == len(row["answers"]) + 1
    assert all(line.startswith("✓ ") for line in text[:-1])
    assert f"{len(text) - 1} of {len(text) - 1} checks" in text[-1]


@pytest.mark.parametrize("name", ["nowhere.ipynb", "empty folder"])
def test_nothing_to_grade_is_an_error_of_its_own(tmp_path, name):
    (tmp_path / "empty folder").mkdir()
    ran = subprocess.run([sys.executable, ROOT / "tools" / "grade.py", tmp_path / name],
                         capture_output=True, encoding="utf-8")
    assert ran.returncode == 2 and "no workbook" in ran.stderr and ran.stdout == ""


def test_passing_needs_checks(folder):
    assert not grade.passes({"answers": {}}) and not grade.passes({"answers": {"a": ("–", "")}})
    assert grade.passes({"answers": {"a": ("✓", "")}})
