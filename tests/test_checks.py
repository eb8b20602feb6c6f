"""Every exported name has three wrong versions or more, the lessons' checks notice each, and
README's scores of the checks are those of the lessons as they are.
"""
import contextlib
import io
import json
import multiprocessing
import os
import socket
import sys
import tempfile
import time
import types
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import mutants
import pytest
import score
from notebooks import lessons

needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(),
                                reason="each wrong version is tried in a forked process")


def scores(): return json.loads(score.SCORES.read_text(encoding="utf-8"))


def told(stem, every):
    "What tools/mutants.py prints for each N-th wrong version of a lesson, and its exit status."
    sys.argv, said = ["mutants.py", stem, "--every", str(every)], io.StringIO()
    with contextlib.redirect_stdout(said):
        try: mutants.main()
        except SystemExit as stop: return said.getvalue(), stop.code
    return said.getvalue(), "no exit status"


@needs_fork
@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_checks_notice_wrong_versions(path):
    "All that are listed; a part of them, if all were tried for the score of the lesson as it is."
    is_scored = scores().get(path.stem, {}).get("fingerprint") == score.fingerprint(path)
    mutants.warm_up()
    fork = multiprocessing.get_context("fork")  # a process for each lesson, and nothing to import
    with ProcessPoolExecutor(1, mp_context=fork) as pool:
        printed, status = pool.submit(told, path.stem, 10 if is_scored else 1).result()
    assert status == 0, printed.partition("wrong versions tried")[2]
    assert "complaints: 0" in printed
    assert "caught by" in printed or not mutants.listed(path.stem), "a lesson may define nothing"


def cell(source): return types.SimpleNamespace(cell_type="code", source=source)


def notices(first, check, sources, **options):
    "The titles of what notices each source in place of the cell `first`."
    cells = [cell(first), cell(f"#| check: it\n{check}")]
    found = mutants.try_apart(types.ModuleType("lesson"), cells, sources, **options)
    return [noticed and noticed[0] for noticed in found]


@needs_fork
def test_a_harmless_change_does_not_pass_for_noticed():
    double, module = "#| export\ndef double(x): return ", types.ModuleType("lesson")
    cells = [cell(double + "x + x"), cell("#| check: doubles\nassert double(3) == 6")]
    results = mutants.try_apart(module, cells, [double + e for e in ("2 * x", "x * x", "x +")])
    assert [noticed and noticed[0] for noticed in results] == [None, "doubles", "doubles"]
    assert not vars(module).get("double"), "nothing of it stays"


@needs_fork
def test_what_does_not_end_or_crashes_counts_as_noticed():
    start = time.perf_counter()
    endless = ["try:\n    while True: pass\nexcept BaseException: pass", "import os; os._exit(1)"]
    assert all(notices("", "", endless, seconds=1)) and time.perf_counter() - start < 30


@needs_fork
def test_wrong_versions_write_nowhere_but_in_their_own_folder_and_reach_no_network(tmp_path):
    "Each attempt must fail; the last two, in the lesson's own scratch folder, must not."
    (tmp_path / "there").write_text("old")
    tries = [f"open({str(tmp_path / 'new')!r}, 'w')", f"os.mkdir({str(tmp_path / 'folder')!r})",
             f"os.remove({str(tmp_path / 'there')!r})", "os.system('true')",
             f"os.replace({str(tmp_path / 'there')!r}, 'here')",
             "socket.create_connection(('127.0.0.1', 9), 0.1)",
             "open('new', 'w'); os.replace('new', 'newer')", "open(os.devnull, 'w')"]
    allowed = "try: {}\nexcept PermissionError: refused = True\nelse: refused = False"
    found = notices("refused = None", "import os, socket\nassert refused",
                    [f"import os, socket\n{allowed.format(each)}" for each in tries])
    assert found == [None] * 6 + ["it"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert socket.socket and os.getcwd() == str(Path.cwd())


@needs_fork
def test_wrong_versions_do_not_share_the_lessons_scratch_folder():
    module = types.ModuleType("lesson")
    module.scratch = tempfile.TemporaryDirectory()
    module.place = Path(module.scratch.name) / "file"
    module.place.write_text("old")
    check = "import time\nassert place.read_text() == 'old'\nplace.write_text(mine)\n" \
            "time.sleep(0.3)\nassert place.read_text() == mine"
    cells = [cell(""), cell("#| check: it\n" + check)]
    assert mutants.try_apart(module, cells, [f"mine = {i!r}" for i in "abcd"]) == [None] * 4
    assert module.place.read_text() == "old"


def test_a_list_of_wrong_versions_that_does_not_fit_is_complained_about(monkeypatch):
    monkeypatch.setattr(mutants, "exported", lambda stem: ["double"])
    cells = [cell("#| export\ndef double(x): return x + x")]
    listed = [("double", "x", "y"), ("half", "x + x", "x")]
    complaints = list(mutants.unfit("lesson", cells, listed))
    for part in ("'x' stands", "half is not exported", "double has 1 wrong"):
        assert any(part in complaint for complaint in complaints), complaints


def test_readme_has_the_scores_of_the_lessons_as_they_are():
    rows = scores()
    for path in lessons():
        assert path.stem in rows, f"call: make mutants L={path.stem}"
        row = rows[path.stem]
        assert row["fingerprint"] == score.fingerprint(path), f"call: make mutants L={path.stem}"
        assert score.score(row) >= score.WANTED, path.stem
        assert row["tried"] == row["caught"] + row["equivalent"] + row["survived"]
    readme = score.README.read_text(encoding="utf-8")
    assert readme == score.with_scores(readme, rows) and "| score |" in readme
    assert list(rows) == sorted(path.stem for path in lessons())


def test_the_score_leaves_out_what_is_equivalent():
    row = {"tried": 1003, "caught": 999, "equivalent": 3, "survived": 1}
    assert score.score(row) == 0.999 and score.percent(row) == "99.9 %"
    row = {"tried": 20_003, "caught": 19_999, "equivalent": 3, "survived": 1}
    assert score.percent(row) == "99.9 %", "never rounded up"


@needs_fork
def test_survivors_are_judged_by_the_list_of_equivalents(monkeypatch):
    source = "#| export\ndef double(x):\n    done = 1\n    return x + x"
    cells = [cell(source), cell("#| check: doubles\nassert double(3) == 6")]
    equivalent = [("double", "done = 1", "done = 2", "nobody reads it"),
                  ("double", "done = 1", "pass", "likewise"),
                  ("double", "return x + x", "return None", "not so")]
    lists = {"MUTANTS": [("double", "x + x", "2 * x")], "EQUIVALENT": equivalent}
    monkeypatch.setattr(score, "needed_cells", lambda notebook: cells)
    monkeypatch.setattr(score, "read", lambda path: None)
    monkeypatch.setattr(score, "listed", lambda stem, what="MUTANTS": lists[what])
    row, left, complaints = score.judged(Path("lesson.ipynb"))
    assert [(m.name, m.line, m.wrong) for m in left] == [("double", 3, "done = 0"),
                                                         ("double", 4, "2 * x")]
    assert (row["tried"], row["caught"], row["equivalent"], row["survived"]) == (7, 3, 2, 2)
    assert len(complaints) == 2 and "return None" in complaints[0]
    assert complaints[1] == "listed as wrong, and not caught: double: 2 * x"
