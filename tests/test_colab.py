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
    ran = subprocess.run(list(map(str, install)), capture_output=True, text=True)
    if ran.returncode:
        pytest.skip(f"torch and Jupyter cannot be installed here: {ran.stderr[-300:]}")
    return python


def test_a_lesson_alone_runs_in_colab(tmp_path, repository, colab):
    path = lessons("04")[0]
    folder = tmp_path / "content"
    folder.mkdir()
    nbformat.write(links.linked(read(path), path, repository), folder / path.name)
    ours = ("PYTHON", "EXP_", "JUPYTER")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {"COLAB_RELEASE_TAG": "release", "JUPYTER_PREFER_ENV_PATH": "1"}
    run(colab, "-m", "jupyter", "execute", "--inplace", path.name, cwd=folder, env=environment)
    executed = nbformat.read(folder / path.name, 4)
    assert not [o for o in outputs(executed) if o.output_type == "error"]
    assert float(results(executed)["validation accuracy"]) > 0.9
    installed = run(colab, "-m", "pip", "show", "-f", "exp", cwd=folder, env=environment)
    location = next(line for line in installed.splitlines() if line.startswith("Location:"))
    assert Path(location.split()[1]).is_relative_to(tmp_path / "env"), (
        "the package must come from the repository")
