"""The workbooks: in step with their lessons, without answers, and answering rightly."""
import ast
import base64
import importlib
import inspect
import json
import os
import re
import sys

import nbformat
import pytest
import teaching
import try_workbook
from lesson_code import Lesson, free, functions_in
from mutants import listed
from nbclient import NotebookClient
from notebooks import module_of, read

import workbooks

PATHS = workbooks.numbered()
STEMS = [path.stem for path in PATHS]
each_lesson = pytest.mark.parametrize("path", PATHS, ids=STEMS)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="tries run in forked processes")


@pytest.fixture(scope="module")
def made():
    "{lesson: (workbook, facts)}, made anew."
    return {path.stem: workbooks.workbook(path) for path in PATHS}


@each_lesson
def test_workbooks_are_in_step_with_the_lessons(path, made):
    notebook, facts = made[path.stem]
    assert read(workbooks.WORKBOOKS / path.name) == notebook, "call `make workbooks`"
    assert json.loads(workbooks.FACTS.read_text(encoding="utf-8"))[path.stem] == facts
    assert workbooks.workbook(path) == (notebook, facts), "the same every time"


def test_there_is_nothing_else_in_the_folder_of_workbooks():
    files = {p.name for p in workbooks.WORKBOOKS.glob("*.ipynb") if ".new" not in p.name}
    milestones = {f"milestone_{n}.ipynb" for n in (1, 2, 3)}
    assert files - {f"{stem}.ipynb" for stem in STEMS} == milestones
    assert list(json.loads(workbooks.FACTS.read_text(encoding="utf-8"))) == sorted(STEMS)


def texts(cell): return "".join(output.get("text", "") for output in cell.outputs)


def code(cell):
    "A code cell's text as Python: without the magic in its first line."
    return re.sub(r"\A%%.*\n", "", cell.source)


@each_lesson
def test_no_answer_in_any_cell_output_or_metadata(path, made):
    notebook, _ = made[path.stem]
    lesson = Lesson(path, workbooks.notes(path.stem).GIVEN)
    for cell in notebook.cells:
        is_code = cell.cell_type == "code"
        text = code(cell) if is_code else re.sub(r"base64,[\w+/=]*", "", cell.source)
        assert not workbooks.leaks(lesson, text, is_code), cell.source[:200]
        assert not cell.metadata and not workbooks.leaks(lesson, texts(cell) if is_code else "")
        if cell.source.startswith(("#| write", "%%")): assert not cell.outputs
    assert set(notebook.metadata) == {"kernelspec", "exp"}
    assert set(notebook.metadata["exp"]) == {"made"}


@each_lesson
def test_what_leaks_is_noticed(path):
    "The lesson itself gives every answer away that consists of several statements."
    lesson = Lesson(path, workbooks.notes(path.stem).GIVEN)
    answers = "\n\n".join(lesson.sources[piece] for piece in lesson.pieces)
    found = workbooks.leaks(lesson, answers, is_code=True)
    long = [name for blanks in lesson.pieces.values() for name, function in blanks.items()
            if len(set(workbooks.telling(workbooks.body_of(function)).values())) > 1]
    assert long and set(long) <= set(found)


@each_lesson
def test_every_blank_is_empty_has_a_hint_and_keeps_its_signature(path, made):
    notebook, facts = made[path.stem]
    noted, lesson = workbooks.notes(path.stem), Lesson(path, workbooks.notes(path.stem).GIVEN)
    written = {}
    for cell in notebook.cells:
        if not cell.source.startswith("#| write: "): continue
        for node in ast.parse(cell.source).body:
            for name, function in functions_in(node): written[name] = function
    blanks = {name: f for found in lesson.pieces.values() for name, f in found.items()}
    assert blanks and blanks.keys() == {b for bs in facts["pieces"].values() for b in bs}
    for name, original in blanks.items():
        (statement,) = workbooks.body_of(written[name])
        assert ast.unparse(statement) == f"todo({noted.HINTS[name]!r})"
        assert ast.dump(written[name].args) == ast.dump(original.args)
        assert ast.get_docstring(written[name]) == ast.get_docstring(original)
        assert len(noted.HINTS[name]) <= 100 and "\n" not in noted.HINTS[name]
    assert noted.HINTS.keys() == blanks.keys(), "hints for what is no blank"


@each_lesson
def test_every_piece_has_a_check_and_every_check_a_slip(path, made):
    _, facts = made[path.stem]
    about = {piece for check in facts["checks"].values() for piece in check["about"]}
    assert about == facts["pieces"].keys() == facts["answers"].keys()
    for title, check in facts["checks"].items(): assert check["slip"], f"no slip for {title!r}"
    assert workbooks.notes(path.stem).SLIPS.keys() == facts["checks"].keys()


@each_lesson
def test_given_functions_are_private_or_small(path):
    "Whatever is public and a function of `exp`, or a class with one, is a blank."
    noted, sources = workbooks.notes(path.stem), Lesson(path).sources
    for name in noted.GIVEN:
        assert sources[name.partition(".")[0]], f"{name} is given and is not in the lesson"
    exported = importlib.import_module(module_of(path.stem))
    pieces = Lesson(path, noted.GIVEN).pieces
    for name in exported.__all__:
        thing = getattr(exported, name)
        has_code = not isinstance(thing, type) or any(map(inspect.isroutine, vars(thing).values()))
        if callable(thing) and has_code: assert name in pieces, f"{name} is given away"


@each_lesson
def test_the_outline_names_every_piece_before_its_cell(path, made):
    notebook, facts = made[path.stem]
    first, outline = notebook.cells[0].source, notebook.cells[1].source
    assert f"](../nbs/{path.name})" in first and outline.startswith("## The outline")
    for piece, blanks in facts["pieces"].items():
        assert f"`{piece}`" in outline
        for blank in blanks: assert f"`{blank.split('.')[-1]}`" in outline
        assert f"**{facts['answers'][piece][0]}**" in outline
    lesson = read(path).cells[0].source
    assert f"[Practise](../workbooks/{path.name})" in lesson


def executed(notebook, folder):
    "A notebook after a run in a real kernel, errors allowed."
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True,
                            resources={"metadata": {"path": folder}})
    client.extra_arguments = ["--log-level=ERROR"]
    client.execute()
    return notebook


@pytest.fixture(scope="module")
def empty(made):
    "{lesson: its empty workbook after a run}, all in one kernel, which forgets names between them."
    pages = {stem: nbformat.from_dict(page) for stem, (page, _) in made.items()}
    together = nbformat.v4.new_notebook()
    for page in pages.values():
        together.cells += [nbformat.v4.new_code_cell("%reset -f"), *page.cells]
    executed(together, workbooks.WORKBOOKS)  # each cell is filled where it is
    return pages


@each_lesson
def test_an_empty_workbook_runs_and_says_what_is_not_written(path, made, empty):
    notebook, checks = empty[path.stem], 0
    for cell in notebook.cells:
        if cell.cell_type != "code": continue
        kinds = {output.output_type for output in cell.outputs}
        assert "error" not in kinds, cell.source + texts(cell)
        assert not any(o.get("name") == "stderr" for o in cell.outputs), texts(cell)
        if cell.source.startswith("%%check"):
            checks += 1
            assert texts(cell).startswith("– ") and "not written yet" in texts(cell), cell.source
        if cell.source.startswith("%%needs"): assert texts(cell).startswith("waits for ")
    assert checks == len(made[path.stem][1]["checks"])
    assert texts(notebook.cells[-1]).splitlines()[-1].startswith(f"0 of {checks} checks pass, 0 of")


@needs_fork
@each_lesson
def test_right_answers_pass_and_wrong_ones_fail_the_checks_about_them(path):
    found = list(try_workbook.complaints(path, 1))
    assert not found, "\n".join(found)


@needs_fork
def test_a_wrong_answer_is_told_apart_from_a_harmless_change():
    (path,) = workbooks.numbered("01")
    book = try_workbook.fresh(workbooks.workbook(path)[1])
    versions = [("matmul_dot", ".sum()", ".sum() + 0"), ("matmul_dot", ".sum()", ".mean()")]
    same, wrong = (answers for *_, answers in try_workbook.wrong_versions(path, book, versions))
    assert {mark for mark, _ in same.values()} == {"✓"}
    assert sorted({mark for mark, _ in wrong.values()}) == sorted("✓✗–")


def test_targets_are_pictures_that_the_lesson_shows(made):
    found = 0
    for path in PATHS:
        pictures = {o["data"]["image/png"].replace("\n", "") for c in read(path).cells
                    for o in c.get("outputs", []) if "image/png" in o.get("data", {})}
        for cell in made[path.stem][0].cells:
            for picture in re.findall(r"base64,([\w+/=]*)", cell.source):
                assert picture in pictures and base64.b64decode(picture)[1:4] == b"PNG"
                assert cell.source.startswith("<details><summary>What you should see")
                found += 1
    assert found > 10


def test_work_is_never_overwritten(tmp_path, made, capsys):
    notebook, _ = made["01_matmul"]
    path = tmp_path / "01_matmul.ipynb"
    workbooks.save(notebook, path)
    workbooks.save(notebook, path)
    assert capsys.readouterr().out.count("written") == 1, "what is as it should be stays"
    older = nbformat.from_dict(read(path))
    older.cells[3].source += "\n# an earlier edition"
    older.metadata["exp"]["made"] = workbooks.fingerprint(older)
    nbformat.write(older, path)
    workbooks.save(notebook, path)
    assert read(path) == notebook, "an older edition that nobody has written in is renewed"
    work = read(path)
    work.cells[-1].source += "\n# my own note"
    nbformat.write(work, path)
    before = path.read_bytes()
    workbooks.save(notebook, path)
    assert path.read_bytes() == before
    assert read(tmp_path / "01_matmul.new.ipynb") == notebook
    work.metadata["exp"] = {}
    nbformat.write(work, tmp_path / "01_matmul.new.ipynb")
    workbooks.save(notebook, path)
    assert read(tmp_path / "01_matmul.new.ipynb") == work, "work in the new one stays as well"
    assert read(tmp_path / "01_matmul.new.new.ipynb") == notebook
    path.write_text("not a notebook any more")
    workbooks.save(notebook, path)
    assert path.read_text() == "not a notebook any more"
    assert not list(tmp_path.glob("*.part"))


def test_one_workbook_can_be_made_alone(tmp_path, monkeypatch):
    known = workbooks.notes("01_matmul")
    monkeypatch.setattr(workbooks, "notes", lambda stem: known)
    monkeypatch.setattr(workbooks, "WORKBOOKS", tmp_path)
    monkeypatch.setattr(workbooks, "FACTS", tmp_path / "workbook.json")
    monkeypatch.setattr(sys, "argv", ["workbooks.py", "01"])
    workbooks.main()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["01_matmul.ipynb", "workbook.json"]


def test_names_that_code_takes_from_outside():
    tree = ast.parse("def f(a, b=c):\n    d = a\n    return d + e + sum(g for g in h)\n"
                     "class A(B):\n    x = 1\n    y = x\n    def m(self): return z")
    assert set().union(*map(free, tree.body)) == {"c", "e", "sum", "h", "B", "z"}
    now = set().union(*(free(node, later=False) for node in tree.body))
    assert now == {"c", "B"}


@needs_fork
@each_lesson
def test_the_teachers_page_is_in_step(path, monkeypatch):
    def words(text): return re.sub(r"-?\d+\.\d*(e-?\d+)?|\s", "", text)  # the last digits may vary
    page = teaching.PAGE.read_text(encoding="utf-8")
    noted = workbooks.notes(path.stem)
    assert 3 <= len(noted.OBJECTIVES) <= 5 and len(noted.MOMENTS) == 2 and len(noted.COMMON) >= 4
    for _, change in noted.COMMON: assert change in [tuple(m[1:]) for m in listed(path.stem)]
    monkeypatch.chdir(workbooks.WORKBOOKS)
    assert words(teaching.lesson_page(path)) in words(page), "call `make workbooks`"


def save_filled(stem, folder, piece="", right="", wrong=""):
    "Save a workbook filled with the lesson's own answers, but for a slip in one piece."
    (path,) = workbooks.numbered(stem)
    notebook = read(workbooks.WORKBOOKS / path.name)
    answers = iter(try_workbook.filled(path))
    for cell in notebook.cells:
        if cell.cell_type != "code": continue
        cell.source = next(answers)
        if piece and piece in cell.source and right in cell.source:
            cell.source = cell.source.replace(right, wrong)
    nbformat.write(notebook, folder / path.name)


def milestone(name, folder):
    "What a milestone says when the workbooks are in `folder`."
    notebook = executed(read(workbooks.WORKBOOKS / f"{name}.ipynb"), folder)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in outputs)
    return "".join(o.get("text", "") for o in outputs)


def test_a_milestone_uses_what_was_written_and_says_so(tmp_path):
    save_filled("03", tmp_path, "def accuracy", "dim=1", "dim=0")
    said = milestone("milestone_1", tmp_path)
    assert re.search(r"log_softmax +yours", said) and re.search(r"fit +yours", said) is None
    assert re.search(r"accuracy +exp: a check does not pass", said)
    assert re.search(r"lin +exp: there is no saved workbook", said)
    results = re.findall(r"loss ([\d.]{8})  accuracy ([\d.]{6})", said)
    assert len(results) == 2 and results[0] == results[1]


def test_what_belongs_together_is_taken_as_a_whole(tmp_path):
    "A slip in one piece of lesson 04's loop: all of that loop is the course's; lesson 06 is ours."
    save_filled("04", tmp_path, "class AvgStatsCallback", "{run.epoch}", "{run.epoch + 1}")
    for stem in ("05", "06"): save_filled(stem, tmp_path)
    said = milestone("milestone_2", tmp_path)
    assert re.search(r"AvgStatsCallback +exp: a check does not pass", said)
    assert re.search(r"AvgStats +yours", said) and re.search(r"one_cycle +yours", said)
    assert "the course's, as one is missing: Callback, TrainEvalCallback, Runner" in said
    assert "yours as a whole: Runner, LRFinder, lr_find, EarlyStoppingCallback" in said
    results = re.findall(r"loss ([\d.]{8})  accuracy ([\d.]{6})  then rate ([\d.]{8})  "
                         r"accuracy ([\d.]{6})", said)
    assert len(results) == 2 and results[0] == results[1]


def test_a_learner_is_taken_with_its_methods(tmp_path):
    "All of lesson 10 is written; then without one of the methods, all of it is the course's."
    save_filled("10", tmp_path)
    said = milestone("milestone_3", tmp_path)
    assert re.search(r"Learner +yours", said) and "yours as a whole" in said
    results = re.findall(r"rate ([\d.]{8})  loss ([\d.]{8})  accuracy ([\d.]{6})", said)
    assert len(results) == 2 and results[0] == results[1] and "bit for bit the same" in said
    answer = "    averages = Averages()\n"
    save_filled("10", tmp_path, "def validate", answer, '    todo("later")\n' + answer)
    said = milestone("milestone_3", tmp_path)
    assert "the course's, as these are missing: validate" in said
