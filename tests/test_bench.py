"The benchmark: its competitors compute the same, and its table has a row for each of them."
import re
import subprocess
import sys

import loops
import pytest
import torch
from notebooks import ROOT

import bench

WRITTEN = [ROOT / "README.md", bench.RESULTS, ROOT / "images" / "bench.png"]  # by a whole run


@pytest.fixture(scope="module")
def before(): return [path.read_bytes() for path in WRITTEN]


@pytest.fixture(scope="module")
def printed(before):
    "What `make bench QUICK=1` prints."
    ran = subprocess.run([sys.executable, "bench/bench.py", "--quick"], cwd=ROOT,
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def rows(text, title):
    "{first column: the others} of the table whose head begins with `title`."
    lines = text[text.index(f"| {title}"):].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: others for first, *others in cells}


def test_the_table_has_a_row_for_each_competitor_with_two_ratios(printed):
    found = rows(printed, "an epoch of the small model")
    assert list(found) == list(loops.OURS)
    for spread, lean in found.values():
        assert re.fullmatch(r"\d+\.\d\d \(\d+\.\d\d–\d+\.\d\d\)", spread)
        assert re.fullmatch(r"\d+\.\d\d", lean)
    assert found[bench.REFERENCE][0] == "1.00 (1.00–1.00)" and found[bench.LEAN][1] == "1.00"


def test_the_table_has_widths_and_everything_else_that_is_measured(printed):
    found = rows(printed, "width of the hidden layer")
    assert list(found) == list(loops.OURS)[1:]
    assert all(len(ratios) == 2 and all(map(float, ratios)) for ratios in found.values())
    what_else = " ".join(rows(printed, "what else"))
    for part in ["10 to nothing", "100 to every event", "get_dls", "DataLoader, plain",
                 "bytes kept per batch, Runner", "bytes kept per batch, Learner, all defaults",
                 "import", "97 % on digits", "matmul_loops", "matmul_broadcast", "GPU"]:
        assert part in what_else, part
    assert re.search(r"Measured on: .+ torch \d", printed)


def test_a_quick_run_leaves_readme_and_results_alone(before, printed):
    assert [path.read_bytes() for path in WRITTEN] == before


def test_a_competitor_that_does_less_is_found():
    def no_step(model, batches):
        epoch = loops.lean(model, batches)
        def other():
            weights = [p.detach().clone() for p in model.parameters()]
            found = epoch()
            with torch.no_grad():
                for p, kept in zip(model.parameters(), weights): p.copy_(kept)
            return found
        return other

    def wrong_average(model, batches):
        epoch = loops.lean(model, batches)
        return lambda: (epoch()[0], 0.5)
    for name, cheat in [("no step", no_step), ("no average", wrong_average)]:
        with pytest.raises(AssertionError, match=name):
            bench.prepared(loops.OURS | {name: cheat}, 50, bench.digits(8))


def test_ratios_are_taken_within_each_turn():
    times = {"a": [1., 10., 100.], "b": [2., 20., 200.]}
    assert bench.ratios(times, "b", "a") == {"ratio": 2., "low": 2., "high": 2.}
    calls = []
    timed = bench.turns({name: lambda name=name: calls.append(name) for name in "xyz"}, 9)
    turns = ["".join(calls[i:i + 3]) for i in range(0, len(calls), 3)]
    assert len(turns) == 10 and {"".join(sorted(turn)) for turn in turns} == {"xyz"}
    assert len(set(turns)) > 2, "not always the same one after another"
    assert [*timed] == [*"xyz"] and [len(seconds) for seconds in timed.values()] == [9] * 3


def test_readme_has_the_table_of_the_last_whole_run():
    found = bench.stored()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == bench.in_readme(readme, bench.shown(found))
    assert set(found["cost"]) == {*loops.OURS, *loops.PEERS}
    assert "images/bench.png" in readme and (ROOT / "images" / "bench.png").exists()
