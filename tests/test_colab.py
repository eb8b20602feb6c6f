"""Colab, played: a notebook alone in a folder, torch and Jupyter, and a repository's address."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import links
import nbformat
import pytest
from notebooks import ROOT, lessons, outputs, read, results

OURS = ("PYTHON", "EXP_", "JUPYTER")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
ENVIRONMENT |= {"COLAB_RELEASE_TAG": "release", "JUPYTER_PREFER_ENV_PATH": "1",
                "PIP_NO_COMPILE": "0"}  # pip takes 0 for yes: most of torch is never imported


def run(*command, **kwargs):
    "Run a command; a failure shows what it printed."
    ran = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    assert ran.returncode == 0, f"{command} failed:\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture
def repository(tmp_path):
    "A bare repository that holds the project as it is in the working tree."
    work, bare = tmp_path / "work", tmp_path / "course.git"
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in filter(lambda name: (ROOT / name).exists(), listed):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, work / name)
    git = ["git", "-c", "user.name=course", "-c", "user.email=course@example.org"]
    run(*git, "init", "-q", cwd=work)
    run(*git, "add", "-A", cwd=work)
    run(*git, "commit", "-qm", "the course", cwd=work)
    run("git", "clone", "-q", "--bare", work, bare)
    shutil.rmtree(work)
    return bare.as_uri()


@pytest.fixture
def colab(tmp_path):
    "The interpreter of a fresh environment with the pinned torch and Jupyter's kernel and client."
    run(sys.executable, "-m", "venv", tmp_path / "env")
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = ["torch", "ipykernel", "nbclient"]
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *wanted]
    ran = subprocess.run(list(map(str, install)), capture_output=True, text=True, env=ENVIRONMENT)
    if ran.returncode:
        pytest.skip(f"torch and Jupyter cannot be installed here: {ran.stderr[-300:]}")
    return python


def test_notebooks_alone_run_in_colab(tmp_path, repository, colab):
    "A lesson, a workbook and the milestone, which finds the workbook that is saved beside it."
    folder = tmp_path / "content"
    folder.mkdir()
    workbook, milestone = (ROOT / "workbooks" / f"{name}.ipynb"
                           for name in ("03_minibatch_training", "milestone_1"))
    paths = [lessons("04")[0], workbook, milestone]
    for path in paths:
        nbformat.write(links.linked(read(path), path, repository), folder / path.name)
    executed = {}
    for path in paths:
        run(colab, "-m", "jupyter", "execute", "--inplace", path.name, cwd=folder, env=ENVIRONMENT)
        executed[path] = nbformat.read(folder / path.name, 4)
        assert not [o for o in outputs(executed[path]) if o.output_type == "error"], path.name
    _, *others = ("".join(o.get("text", "") for o in outputs(executed[p])) for p in paths)
    assert float(results(executed[paths[0]])["validation accuracy"]) > 0.9
    assert "not written yet" in others[0] and "\n0 of " in others[0]
    assert "exp: not written yet" in others[1] and "no saved workbook" in others[1]
    installed = run(colab, "-m", "pip", "show", "-f", "exp", cwd=folder, env=ENVIRONMENT)
    location = next(line for line in installed.splitlines() if line.startswith("Location:"))
    assert Path(location.split()[1]).is_relative_to(tmp_path / "env"), (
        "the package must come from the repository")
