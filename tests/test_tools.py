"""The commands beneath make: what they do when something is wrong, and what they write."""
import os
import re
import subprocess
import sys

import callbacks_page
import course
import links
import nbformat
import pytest
import run_lessons
from notebooks import ROOT, directive, lessons, read


def notebook(*sources):
    "A notebook of code cells."
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])


@pytest.fixture
def house(tmp_path, monkeypatch):
    "An empty house: run_lessons works on `nbs` and `_run` in it."
    (tmp_path / "nbs").mkdir()
    monkeypatch.setattr("notebooks.NBS", tmp_path / "nbs")
    monkeypatch.setattr(run_lessons, "NBS", tmp_path / "nbs")
    monkeypatch.setattr(run_lessons, "RUN", tmp_path / "_run")
    return tmp_path


def run_tool(monkeypatch, *arguments):
    "Call run_lessons as from the command line; returns the exit status."
    monkeypatch.setattr(sys, "argv", ["run_lessons.py", *arguments])
    try: run_lessons.main()
    except SystemExit as stop: return stop.code
    return 0


def test_a_good_run_reports_and_leaves_the_lessons_alone(house, monkeypatch, capsys):
    path = house / "nbs" / "01_one.ipynb"
    cells = "#| check: adds\nassert 1 + 1 == 2", "#| result: score\nprint(0.5)"
    nbformat.write(notebook(*cells), path)
    before = path.read_bytes()
    assert run_tool(monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "01_one" in printed and "score 0.5" in printed and "2/2 cells" in printed
    assert path.read_bytes() == before and (house / "_run" / "01_one.ipynb").exists()


def test_a_failing_lesson_shows_its_cell_and_traceback_and_exits_with_1(house, monkeypatch, capsys):
    sources = {"01_one": "x = 1", "02_two": "y = 2\nz = y / 0", "03_three": "x = 1"}
    for name, source in sources.items():
        nbformat.write(notebook(source), house / "nbs" / f"{name}.ipynb")
    assert run_tool(monkeypatch) == 1
    printed = capsys.readouterr().out
    assert "02_two failed in cell 0" in printed
    assert "z = y / 0" in printed and "ZeroDivisionError" in printed
    assert "03_three" not in printed, "the next lesson may build on the one that failed"
    assert run_tool(monkeypatch, "01") == 0 and run_tool(monkeypatch, "02") == 1
    assert run_tool(monkeypatch, "--jobs", "2") == 1


def test_an_unknown_lesson_is_named(house, monkeypatch):
    nbformat.write(notebook("x = 1"), house / "nbs" / "01_one.ipynb")
    assert "'99'" in run_tool(monkeypatch, "99") and "01_one" in run_tool(monkeypatch, "99")


def test_a_failing_lesson_never_renews_outputs(house, monkeypatch, capsys):
    path = house / "nbs" / "01_one.ipynb"
    nbformat.write(notebook("print(1)", "1 / 0"), path)
    before, called = path.read_bytes(), []
    monkeypatch.setattr(run_lessons, "nbdev", called.append)
    assert run_tool(monkeypatch, "--in-place") == 1
    assert path.read_bytes() == before and called == ["export"]


def test_refresh_renews_outputs_and_cleans(house, monkeypatch, capsys):
    path, called = house / "nbs" / "01_one.ipynb", []
    nbformat.write(notebook("print(6 * 7)"), path)
    monkeypatch.setattr(run_lessons, "nbdev", called.append)
    assert run_tool(monkeypatch, "--in-place") == 0
    assert nbformat.read(path, 4).cells[0].outputs[0].text == "42\n"
    assert called == ["export", "clean"]


@pytest.mark.parametrize("path", lessons(), ids=lambda p: p.stem)
def test_links_write_an_address_into_set_up_cell_and_header_and_take_it_out_again(path):
    address = "https://github.com/someone/course"
    linked = links.linked(read(path), path, address)
    (setup,) = [c for c in linked.cells if directive(c)[0] == "setup"]
    assert f'repository = "{address}"' in setup.source
    opener = "https://colab.research.google.com/github/someone/course/blob/main/nbs/"
    assert f"{opener}{path.name}" in linked.cells[0].source
    assert links.linked(linked, path, address) == linked, "a second time changes nothing"
    assert links.linked(linked, path, "") == links.linked(read(path), path, "")


def test_an_address_that_colab_cannot_open_makes_no_link():
    path = lessons()[0]
    linked = links.linked(read(path), path, "https://example.org/course.git")
    assert "colab" not in linked.cells[0].source.lower()


def test_readme_has_no_dead_links_while_there_is_no_address():
    if links.git_url(): pytest.skip("the course has a public home")
    assert "colab.research" not in (ROOT / "README.md").read_text(encoding="utf-8")
    assert not any("colab.research" in c.source for p in lessons() for c in read(p).cells)


def run_set_up(environment):
    "Run the set-up cell in a Python that has no `exp`; returns what it printed and its error."
    code = links.SETUP.format(address="")
    elsewhere = {k: v for k, v in os.environ.items() if k != "COLAB_RELEASE_TAG"}
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True,
                          env=elsewhere | environment)


def test_the_set_up_cell_does_nothing_outside_colab():
    ran = run_set_up({})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_without_an_address_the_set_up_cell_says_what_to_do():
    ran = run_set_up({"COLAB_RELEASE_TAG": "release"})
    assert ran.returncode == 1 and "repository" in ran.stderr and "opened from" in ran.stderr


def test_an_environment_that_is_up_to_date_is_left_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "installed").write_text(course.fingerprint("constraints.txt"))
    monkeypatch.setattr(course.venv, "create", lambda *_, **__: pytest.fail("it was made again"))
    course.set_up(tmp_path)
    assert capsys.readouterr().out == ""


def test_a_failed_installation_is_tried_again_next_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(course.venv, "create", lambda *_, **__: None)
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(course.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SystemExit, match="installation failed"): course.set_up(tmp_path)
    assert not (tmp_path / "installed").exists()


def test_an_old_python_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(course.sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit, match="3.10 or newer and this is 3.9.1"): course.set_up(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_command_lists_the_commands():
    command = [sys.executable, "tools/course.py", "runn"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1 and "'runn'" in ran.stderr and "refresh" in ran.stderr


def test_the_page_of_all_callbacks_is_in_step(tmp_path, monkeypatch, capsys):
    text = callbacks_page.page()
    assert callbacks_page.PAGE.read_text(encoding="utf-8") == text, "call `make links`"
    targets = re.findall(r"\]\((.*?)\)", text)
    assert len(targets) == text.count("\n| `") > 25 and all((ROOT / t).exists() for t in targets)
    assert "](CALLBACKS.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(callbacks_page, "PAGE", tmp_path / "CALLBACKS.md")
    callbacks_page.main(), callbacks_page.main()
    assert (tmp_path / "CALLBACKS.md").read_text(encoding="utf-8") == text
    assert capsys.readouterr().out.count("written") == 1
    called = []
    monkeypatch.setattr(course, "call", lambda *command: called.append(command))
    course.write_links()
    assert called == [("tools/links.py",), ("tools/callbacks_page.py",)]
