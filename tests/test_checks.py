"""Every exported name has three wrong versions or more, and the lessons' checks notice each."""
import multiprocessing
import subprocess
import sys
import types

import mutants
import pytest
from notebooks import ROOT, lessons

needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(),
                                reason="each wrong version is tried in a forked process")


@needs_fork
@pytest.mark.parametrize("stem", [path.stem for path in lessons()])
def test_checks_notice_wrong_versions(stem):
    ran = subprocess.run([sys.executable, "tools/mutants.py", stem], cwd=ROOT, capture_output=True,
                         text=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stdout.partition("wrong versions tried")[2] + ran.stderr
    assert "caught by" in ran.stdout and "complaints: 0" in ran.stdout


def cell(source): return types.SimpleNamespace(cell_type="code", source=source)


@needs_fork
def test_a_harmless_change_does_not_pass_for_noticed():
    cells = [cell("#| export\ndef double(x): return x + x"),
             cell("#| check: doubles\nassert double(3) == 6")]
    module = types.ModuleType("lesson")
    tried = [("double", "x + x", "2 * x"), ("double", "x + x", "x * x"), ("double", "x + x", "x +")]
    results = mutants.try_apart(module, cells, tried)
    assert results == ["NOT CAUGHT", "caught by: doubles", "caught by: doubles"]
    assert not vars(module).get("double"), "nothing of it stays"


def test_a_list_of_wrong_versions_that_does_not_fit_is_complained_about(monkeypatch):
    monkeypatch.setattr(mutants, "exported", lambda stem: ["double"])
    cells = [cell("#| export\ndef double(x): return x + x")]
    listed = [("double", "x", "y"), ("half", "x + x", "x")]
    complaints = list(mutants.unfit("lesson", cells, listed))
    for part in ("'x' stands", "half is not exported", "double has 1 wrong"):
        assert any(part in complaint for complaint in complaints), complaints
