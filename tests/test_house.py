"""The rules of the house: exp in step with nbs, clean notebooks, the form of lessons."""
import ast
import importlib
import inspect
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import links
import pytest
from course import settings
from notebooks import ROOT, cells, header, lessons, module_of, outputs, read, reading_order

PATHS = lessons()
MODULES = {path.stem: module_of(path.stem) for path in PATHS}
STEMS = list(MODULES)
every_lesson = pytest.mark.parametrize("path", PATHS, ids=STEMS)
every_module = pytest.mark.parametrize("stem", STEMS)


def source(stem):
    "The text of the module that a lesson exports."
    return (ROOT / "exp" / f"{MODULES[stem].removeprefix('exp.')}.py").read_text(encoding="utf-8")


def program(name):
    "The path of one of this environment's programs."
    return Path(sys.executable).with_name(name)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    "A copy of the project's files that nbdev reads and writes."
    folder = tmp_path_factory.mktemp("project")
    for name in ("nbs", "exp"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "settings.ini"): shutil.copy(ROOT / name, folder)
    return folder


def test_exp_is_in_step_with_nbs(copy):
    for module in copy.glob("exp/*.py"): module.unlink()
    subprocess.run([program("nbdev-export")], cwd=copy, check=True)
    made, kept = ({p.name: p.read_text(encoding="utf-8") for p in folder.glob("exp/*.py")
                   if p.name != "_modidx.py"} for folder in (copy, ROOT))
    assert sorted(made) == sorted(kept), "call `nbdev-export`, or `make refresh`"
    for name in made: assert made[name] == kept[name], f"exp/{name} is not what nbs/ exports"


def test_notebooks_are_clean(copy):
    subprocess.run([program("nbdev-clean")], cwd=copy, check=True)
    for path in PATHS:
        cleaned = (copy / "nbs" / path.name).read_text(encoding="utf-8")
        assert cleaned == path.read_text(encoding="utf-8"), path.name


def test_one_notebook_makes_one_module():
    assert sorted(p.stem for p in ROOT.glob("exp/*.py") if p.stem[0] != "_") == sorted(
        name.removeprefix("exp.") for name in MODULES.values())


@every_lesson
def test_committed_outputs_are_those_of_a_good_run(path):
    for output in outputs(read(path)):
        assert output.output_type != "error" and output.get("name") != "stderr", output
        text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
        assert not re.search(r"Warning|(^|[\s'\"])/(\w+/)+|[A-Z]:\\|0x[0-9a-f]{6}", text), text
        if "image/png" in output.get("data", {}):
            words = output.metadata["image/png"]["alt"].split()
            assert len(words) >= 6, "a figure needs alternative text"


@every_lesson
def test_cells_that_show_something_have_been_run(path):
    for cell in read(path).cells:
        if cell.cell_type != "code": continue
        for call, kind in [(r"^show\(", "image/png"), (r"^print\(", "text")]:
            if re.search(call, cell.source, re.M):
                assert any(kind in o.get("data", o) for o in cell.outputs), cell.source


@every_lesson
def test_a_lesson_reads_as_one(path):
    notebook = read(path)
    assert set(header(notebook)) == {"title", "summary", "minutes"}
    code = [i for i, c in enumerate(notebook.cells) if c.cell_type == "code"]
    led = sum(notebook.cells[i - 1].cell_type == "markdown" for i in code) / len(code)
    assert led >= 0.9
    for cell in (notebook.cells[i] for i in code):
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        most = 40 if re.search(r"^class ", cell.source, re.M) else 25
        assert lines <= most, f"{lines} lines: {cell.source[:90]}"
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert not re.search(r"\b(simply|just|obviously|easily|trivial(ly)?)\b", prose, re.I)
    assert "![" not in prose, "no image by address"
    if path.stem[0].isdigit():
        assert prose.count("**Predict") >= 3 and prose.count("<details>") >= 2
        assert "## What you built" in prose
        assert "draw_map(" in "\n".join(notebook.cells[i].source for i in code)


@every_lesson
def test_set_up_cell_and_links_are_written_by_the_tool(path):
    notebook = read(path)
    assert len(cells(notebook, "setup")) == 1
    assert links.linked(notebook, path, links.git_url()) == notebook, "call `make links`"


def imported_names(tree):
    "Names from the course's own modules, {name: module}, and all that is imported with a star."
    named, starred = {}, []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom): continue
        module = ("exp." if node.level else "") + (node.module or "")
        starred += [module for alias in node.names if alias.name == "*"]
        if module.split(".")[0] == "exp":
            named |= {alias.asname or alias.name: module for alias in node.names}
    return named, starred


@every_lesson
def test_imports_run_downhill_and_by_name(path):
    below = [MODULES[p.stem] for p in PATHS if reading_order(p) < reading_order(path)]
    code = "\n".join(c.source for c in read(path).cells if c.cell_type == "code")
    for text in (code, source(path.stem)):
        named, starred = imported_names(ast.parse(text))
        assert not starred and "import exp" not in text
        others = set(named.values()) - set(below)
        assert not others, f"{others} is not below {path.stem}"


@every_lesson
def test_no_lesson_rebinds_an_imported_name(path):
    tree = ast.parse("\n".join(c.source for c in read(path).cells if c.cell_type == "code"))
    named, _ = imported_names(tree)
    bound = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    bound |= {n.id for s in tree.body for n in ast.walk(s)
              if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert not bound & set(named), f"rebound: {bound & set(named)}"


@every_lesson
def test_exported_cells_only_define(path):
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    for cell in cells(read(path), "export"):
        others = [s for s in ast.parse(cell.source).body if not isinstance(s, allowed)]
        assert not others, f"prints or runs: {cell.source[:90]}"


def functions(stem):
    "Every function and method of a module, with its number of lines after signature and docstring."
    for node in ast.walk(ast.parse(source(stem))):
        if not isinstance(node, ast.FunctionDef): continue
        body = node.body[1:] if ast.get_docstring(node) else node.body
        yield node, (body[-1].end_lineno - body[0].lineno + 1 if body else 0)


def test_functions_are_short():
    lengths = {f"{stem} {node.name}": n for stem in STEMS for node, n in functions(stem)}
    assert statistics.median(lengths.values()) <= 5
    assert not {name: n for name, n in lengths.items() if n > 25}


@every_module
def test_everything_public_says_what_it_does(stem):
    module = importlib.import_module(MODULES[stem])
    for name in module.__all__:
        thing = getattr(module, name)
        if not callable(thing): continue
        assert thing.__doc__ and "\n" not in thing.__doc__.strip(), f"{name} needs one line"
        if not inspect.isclass(thing): continue
        for attribute, method in vars(thing).items():
            if attribute.startswith("_") or not callable(method): continue
            one_liner = len(inspect.getsource(method).strip().splitlines()) == 1
            assert one_liner or inspect.getdoc(method), f"{name}.{attribute} needs one line"


@every_module
def test_importing_is_cheap(stem):
    code = f"import {MODULES[stem]}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code],
                            capture_output=True, text=True, check=True)
    assert not {"matplotlib", "sklearn", "fastprogress", "IPython"} & set(loaded.stdout.split())
    assert loaded.stderr == ""


def test_readme_table_and_figure_are_in_step():
    stale = [str(path.relative_to(ROOT)) for path, text in links.derived().items()
             if not links.same(path, text)]
    assert not stale and links.figure_is_current(), "call `make links`"


def test_readme_code_runs(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path,
                         capture_output=True, text=True, check=True)
    names, *rows = [line.split() for line in ran.stdout.splitlines()]
    assert len(rows) == 10 and float(rows[-1][names.index("accuracy")]) > 0.95, ran.stdout


def test_every_fact_about_the_package_has_one_place():
    facts = settings()
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    for requirement in [*facts["requirements"].split(), *facts["dev_requirements"].split()]:
        name = re.match(r"[\w-]+", requirement)[0]
        assert name in pinned, f"{requirement} is not pinned: call `make lock`"
    assert pinned["torch"] == "2.13.0"
    for name in ("setup.py", "pyproject.toml"):
        assert facts["version"] not in (ROOT / name).read_text()


def test_tracked_files_name_no_machine():
    command = ["git", "ls-files"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    listed = ran.stdout.split()
    path = r"(^|[^\w.])/(root|home|work|tmp|Users)/\w"
    host = r"py" r"pi\.org|python" r"hosted|download\." r"pytorch"
    assert len(listed) > 30
    for name in listed:
        text = (ROOT / name).read_text(encoding="utf-8", errors="ignore")
        assert not re.search(path, text), f"an absolute path in {name}"
        assert not re.search(host, text), f"a registry's host in {name}"
