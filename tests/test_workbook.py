"exp.workbook: blanks, answers to checks, a workbook in a notebook, and one's own code in use."
import functools
import json
import linecache
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import exp.workbook
from exp.data import normalize, read_idx, set_seed
from exp.workbook import (
    Answer,
    Mismatch,
    NotWritten,
    Workbook,
    begin,
    draw_tables,
    is_blank,
    needed_cells,
    progress,
    solution,
    todo,
    yours,
)

# Blanks

def decorated(f):
    @functools.wraps(f)
    def inner(*args): return f(*args)
    return inner


class Page:
    def blank(self): todo("a hint")
    def documented(self):
        "Says what it is for."
        todo("a hint")
    def generator(self):
        yield from todo("a hint")
    @property
    def prop(self): todo("a hint")
    @torch.no_grad()
    def quiet(self): todo("a hint")
    def written(self): return 1
    def later(self, x): return x or todo("a hint")
    def word(self): return "todo"


def test_a_blank_is_what_begins_with_todo():
    blank = [name for name, thing in vars(Page).items() if is_blank(thing)]
    assert blank == ["blank", "documented", "generator", "prop", "quiet"]
    assert is_blank(decorated(Page.blank)) and is_blank(Page().blank)
    assert not any(map(is_blank, [Page, Page(), None, "todo", todo, len, torch.ones(2), sys]))


def test_todo_raises_its_hint():
    with pytest.raises(NotWritten, match="^a hint$"): Page().blank()
    assert issubclass(NotWritten, NotImplementedError)


# Answers

def define(source, namespace, name="<student>"):
    "Execute a student's `source`, its lines at hand for tracebacks."
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    exec(compile(source, name, "exec"), namespace)


def answer(source, check):
    "The Answer to a check about `f`, which `source` defines, and its rows as a dict."
    book = Workbook({"torch": torch}, {"pieces": {"f": ["f"]}, "checks": {"t": {"about": ["f"]}}})
    define(source, book.namespace)
    found = book.check("t", check)
    assert isinstance(found, Answer) and book.answers == {"t": found}
    return found, dict(found.rows)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9), st.integers(0, 9),  # small numbers, of which there is one object each
       st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "is", "is not"]))
def test_a_check_passes_when_its_comparison_does(a, b, sign):
    found, rows = answer(f"f = {a}", f"b = {b}\nassert f {sign} b")
    assert (found.mark == "✓") == eval(f"a {sign} b", {"a": a, "b": b})
    if found.mark == "✗":
        assert rows["failed"] == f"f {sign} b" and rows["for"] == f"f = {a}, b = {b}"
        assert rows["came"] == str(a) and rows["expected"].endswith(str(b))


@pytest.mark.parametrize(("source", "came"), [
    ("def f(x): raise SystemExit('bye')", "SystemExit: bye"),
    ("def f(x): return f(x + 1)", "RecursionError: maximum"),
    ("def f(x): assert x == 3", "AssertionError"),
    ("def f(x): assert x == 3, 'odd'", "AssertionError: odd"),
    ("def f(x):\n    yield x\n    yield x / 0", "ZeroDivisionError: division"),
    ("class f:\n    def __init__(self, x): x / 0", "ZeroDivisionError: division"),
    ("class E(Exception):\n    def __str__(self): return 1 / 0\ndef f(x): raise E", "a E that"),
    ("def f(x): raise ValueError('two\\nlines ' + 200 * 'a')", "ValueError: two lines aaa"),
    ("import struct\ndef f(x): struct.unpack('i', b'x')", "struct.error: unpack requires"),
    ("__name__ = '__main__'\nclass error(Exception): pass\ndef f(x): raise error(x)", "error: 1"),
])
def test_what_the_students_code_raises_is_told_with_its_place(source, came):
    found, rows = answer(source, "for x in f(1):\n    assert x == 1")
    assert found.mark == "✗" and rows["failed"] == "for x in f(1):" and "expected" not in rows
    assert rows["came"].startswith(came) and len(rows["came"]) <= 160
    name, line = rows["in"].split(": ", 1)
    assert name in ("f", "__init__") and line in source and repr(found).startswith("✗ t\n")


@pytest.mark.parametrize(("check", "expected"), [
    ("try: f(1)\nexcept ValueError: pass", "a ValueError"),
    ("try:\n    try: f(1)\n    except IndexError as error: str(error)\nfinally: pass",
     "an IndexError"),
    ("def refused(kind):\n    try: f(1)\n    except kind: pass\nrefused(OSError)", "an OSError"),
])
def test_an_error_that_was_waited_for_is_what_was_expected(check, expected):
    found, rows = answer("def f(x): raise KeyError('key')", check)
    assert rows["expected"] == expected and rows["came"] == "KeyError: 'key'"
    labels = [label for label, _ in found.rows]
    assert labels.index("expected") + 1 == labels.index("came")
    assert answer("def f(x): raise KeyError", "try: f(1)\nexcept KeyError: pass")[0].mark == "✓"
    _, rows = answer("def f(x): pass", check.replace("f(1)", "assert f(1), 'accepted'"))
    assert "expected" not in rows and rows["note"] == "accepted"


def test_a_note_does_not_repeat_what_came():
    refusal = "try: f(1)\nexcept ValueError as error: assert 'size' in str(error), error"
    _, rows = answer("def f(x): raise ValueError('no')", refusal)
    assert rows["came"] == "'no'" and "note" not in rows and rows["expected"].startswith("a text")
    _, rows = answer("def f(x): raise ValueError('no')", refusal.replace(", error", ", 'other'"))
    assert rows["note"] == "other"


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(4, 6), min_size=1, max_size=3),
       st.lists(st.integers(4, 6), min_size=1, max_size=3))
def test_tensors_of_any_shapes_can_be_compared(shape, other):
    _, rows = answer(f"f = torch.zeros({shape})", f"assert torch.equal(f, torch.ones({other}))")
    if shape != other and max(map(torch.Size.numel, map(torch.Size, (shape, other)))) > 12:
        assert "at [" not in rows["expected"] + rows["came"]
    assert rows["failed"].startswith("torch.equal")


def test_the_stop_button_is_heard():
    with pytest.raises(KeyboardInterrupt): answer("def f(): raise KeyboardInterrupt", "f()")


def test_odd_values_do_not_stop_the_answer():
    mute = "class Mute:\n    def __repr__(self): 1 / 0\nf = Mute()"
    found, rows = answer(mute, "assert f == 3")
    assert rows["came"] == "a Mute that cannot be shown" and "for       f = a Mute" in repr(found)
    found, rows = answer("f = torch.ones(2)", "assert f == torch.ones(3)")
    assert rows["expected"] == "tensor([1., 1., 1.])" and rows["came"] == "tensor([1., 1.])"
    assert "RuntimeError" in rows["note"] and len(found.tables) == 2
    found, rows = answer("f = torch.ones(2)", "assert f == torch.ones(2), 'two truths'")
    assert rows["note"].startswith("RuntimeError") and found.mark == "✗"
    found, rows = answer("def f(): pass", "torch.testing.assert_close(f(), torch.ones(2))")
    assert (rows["expected"], rows["came"]) == ("tensor([1., 1.])", "None")
    found, rows = answer("class E:\n    def __eq__(self, other): 1 / 0\nf = E", "assert f() == 3")
    assert rows["came"].startswith("ZeroDivisionError") and rows["in"].startswith("__eq__: ")
    found, rows = answer("f = 1", "assert f ==")
    assert found.mark == "✗" and rows["came"].startswith("SyntaxError")


def test_what_a_check_defines_may_be_called_back_by_the_students_code():
    check = ("class Note:\n    def called(self, n): assert n == 5, 'five'\n"
             "for size in [7]: f(Note(), size)")
    found, rows = answer("def f(cb, n): cb.called(n)", check)
    assert (rows["expected"], rows["came"], rows["note"]) == ("5", "7", "five") and "in" not in rows
    assert rows["failed"] == "n == 5" and rows["for"] == "n = 7"
    found, rows = answer("def f(cb, n): cb.called()", check)
    assert rows["in"] == "f: def f(cb, n): cb.called()" and rows["came"].startswith("TypeError")


def test_a_helper_gives_its_own_numbers():
    near = "def near(a, k):\n    for i in range(k):\n        assert a > 2 * i\n"
    found, rows = answer("f = 3", near + "near(f, 9)")
    assert rows["for"] == "i = 2, a = 3" and rows["expected"] == "more than 4"


def test_a_check_waits_for_what_it_builds_on():
    facts = {"pieces": {"f": ["f"], "g": ["g"]},
             "checks": {"first": {"about": ["f"]}, "second": {"about": ["g"], "after": ["f"]}}}
    book = Workbook({}, facts)
    assert book.unwritten(["f", "g"]) == ["f", "g"]
    assert repr(book).endswith("0 of 2 checks pass, 0 of 2 blanks are written")
    assert repr(book.check("second", "1 / 0")) == "– second\n    not written yet g, f"
    define("def f(x): return x\ndef g(x): return f(x)", book.namespace)
    assert book.check("first", "assert f(1) == 2").mark == "✗" and book.wrong(["g", "f"]) == ["f"]
    assert book.check("second", "1 / 0").mark == "–"
    define("def f(x): return x + 1", book.namespace)
    assert book.check("first", "assert f(1) == 2").mark == "✓"
    assert book.check("second", "assert g(1) == 2").mark == "✓"
    assert repr(book).endswith("2 of 2 checks pass, 2 of 2 blanks are written")


def test_a_mismatch_is_an_assertion_error_with_both_sides():
    error = Mismatch("a == b", "Eq", 1, 2, "text")
    assert isinstance(error, AssertionError) and str(error) == "text"
    assert (error.condition, error.kind, error.came, error.expected) == ("a == b", "Eq", 1, 2)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_the_numbers_that_differ_are_framed(rows, columns, data):
    import matplotlib.pyplot as plt
    i = data.draw(st.integers(0, rows * columns - 1))
    right = torch.arange(rows * columns).double().reshape(rows, columns)
    wrong = right.clone()
    wrong[i // columns, i % columns] = 99
    upper, lower = draw_tables(right, wrong).axes
    assert not any(t.get_bbox_patch() for t in upper.texts) and lower.get_title() == "yours"
    assert [t.get_text() for t in lower.texts if t.get_bbox_patch()] == ["99"]
    plt.close("all")


# In a notebook

ADDS = "double adds {x} to $x"  # IPython would put values in place of these, if one let it
FACTS = {"pieces": {"double": ["double"], "Sum": ["Sum.add", "Sum.total"]},
         "checks": {ADDS: {"about": ["double"], "after": [], "slip": "a power is no product"},
                    "a Sum adds up": {"about": ["Sum"], "after": ["double"]}},
         "answers": {"double": ["Twice `x`", "def double(x): return x + x"],
                     "Sum": ["Sums", "class Sum:\n    def add(self, n): self.n += n"]},
         "lesson": "../nbs/toy.ipynb"}
BLANKS = """from exp.workbook import todo
x = 'a value'
def double(x): todo('add x to itself')
class Sum:
    n = 0
    def add(self, n): todo('n more')
    def total(self): return double(self.n)"""
WRONG = BLANKS.replace("todo('add x to itself')", "return x * x")
RIGHT = WRONG.replace("x * x", "x + x").replace("todo('n more')", "self.n += n")
CHECK = f"%%check {ADDS}\nfor n in (2, 3): assert double(n) == 2 * n"
SUMS = "%%check a Sum adds up\ns = Sum()\ns.add(3)\nassert s.total() == 6"


@pytest.fixture
def shell(monkeypatch, tmp_path):
    "An IPython shell in which the workbook of FACTS has begun."
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(exp.workbook, "_facts", {"toy": FACTS}.__getitem__)
    monkeypatch.setattr(exp.workbook, "_CURRENT", [])
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=config)
    begin("toy")
    yield shell
    shell.restore_sys_module_state()
    InteractiveShell.clear_instance()


@pytest.fixture
def said(shell, capsys):
    "A function that runs cells and returns what the last of them prints; errors are raised."
    def run(*cells):
        for cell in cells:
            capsys.readouterr()
            result = shell.run_cell(cell)
            if result.error_in_exec or result.error_before_exec: result.raise_error()
        return capsys.readouterr().out
    return run


def test_an_empty_page_runs_from_top_to_bottom(said):
    assert said(BLANKS, CHECK) == f"– {ADDS}\n    not written yet double\n"
    assert said(SUMS) == "– a Sum adds up\n    not written yet Sum.add, double\n"
    assert said("%%needs double Sum\ndouble(3)") == "waits for double, Sum.add\n"
    assert said("from exp.workbook import progress\nprogress()") == (
        f"– {ADDS}\n– a Sum adds up\n0 of 2 checks pass, 1 of 3 blanks are written\n")


def test_a_wrong_answer_says_what_was_expected_and_what_came(said):
    assert said(WRONG, CHECK).splitlines() == [
        f"✗ {ADDS}", "    failed    double(n) == 2 * n", "    expected  6", "    came      9",
        "    for       n = 3", "    slip?     a power is no product"]
    assert "✓" in said(RIGHT, CHECK) and "✓" in said(SUMS)


def test_an_error_in_a_cell_names_its_line(said):
    out = said(RIGHT.replace("x + x", "x + y"), CHECK)
    assert "came      NameError: name 'y' is not defined" in out
    assert "in        double: def double(x): return x + y" in out
    assert "SystemExit: 3" in said(RIGHT.replace("return x + x", "raise SystemExit(3)"), CHECK)


def test_helper_cells_keep_both_sides(said):
    helper = ("def same(a, b):\n    for k in (1, 2):\n"
              "        assert a * k < 9 and a * k == b * k, 'same'")
    out = said(WRONG, helper, f"%%check {ADDS}\nfor n in (2, 3): same(double(n), 2 * n)")
    assert "failed    a * k < 9\n    within    same(double(n), 2 * n)\n" in out
    assert "    expected  less than 9\n    came      9" in out
    assert "for       k = 1, a = 9" in out and "note      same" in out
    with pytest.raises(AssertionError, match="^text$"): said("assert x == 4, 'text'")
    assert said("assert x == 'a value'") == "" and said("3 + 4").endswith("7\n")


def test_cells_that_show_something_run_when_they_can(said):
    assert said(RIGHT, "%%needs double, Sum\nshown = double(4)\nshown").endswith("8\n")
    assert said("print(shown)") == "8\n"
    assert said("%%needs double\nfrom IPython.display import Markdown, display\n"
                "display(Markdown('text'))").count("Markdown") == 1
    assert "ZeroDivisionError" in said("%%needs double\n1 / 0"), "reported, and the page goes on"


def test_the_stop_button_ends_a_run_of_all_cells(said):
    stop = RIGHT.replace("return x + x", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt): said(stop, CHECK)
    with pytest.raises(KeyboardInterrupt): said("%%needs double\ndouble(3)")
    assert said("from exp.workbook import progress\nprogress()").startswith(f"  {ADDS}\n")


def test_to_begin_twice_doubles_nothing(shell, said):
    before = len(shell.ast_transformers)
    begin("toy")
    assert len(shell.ast_transformers) == before == 1
    assert said(WRONG, CHECK).count("✗") == 1
    begin("toy")
    assert said("from exp.workbook import progress\nprogress()").startswith(f"  {ADDS}\n")


def test_a_small_target_is_drawn(said):
    wrong = "import torch\n" + WRONG.replace("x * x", "torch.ones(2)")
    out = said(wrong, f"%%check {ADDS}\nassert torch.equal(double(1), torch.zeros(2))")
    assert "expected  tensor([0., 0.])" in out and out.count("Figure") == 1


def test_solution_shows_a_piece_and_where_it_stands(shell):
    assert solution("double").data == (
        "```python\ndef double(x): return x + x\n```\n\n"
        "In the lesson: [Twice `x`](../nbs/toy.ipynb#Twice-x)")
    assert solution("Sum.add").data.startswith("```python\ndef add(self, n): self.n += n\n```")
    for name, words in [("doubel", "no piece 'doubel'; did you mean 'double'"),
                        ("Sum.z", "no method of Sum 'z'; there are add")]:
        with pytest.raises(ValueError, match=words): solution(name)


def test_before_the_beginning(monkeypatch):
    monkeypatch.setattr(exp.workbook, "_CURRENT", [])
    monkeypatch.setattr(exp.workbook, "_facts", {"toy": FACTS}.__getitem__)
    for ask in (progress, functools.partial(solution, "double")):
        with pytest.raises(RuntimeError, match="begin"): ask()
    with pytest.raises(RuntimeError, match="notebook"): begin("toy")


# One's own code in use

def needed(*cells): return needed_cells(cells, lambda text: text.startswith("%%check"))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from("abcd"), max_size=2))),
       st.sampled_from("abcd"))
def test_the_needed_cells_give_what_all_cells_give(assignments, asked):
    cells = [f"{name} = [{i}, {', '.join(used)}]" for i, (name, used) in enumerate(assignments)]
    first = [f"{name} = {name!r}" for name in "abcd"]
    cells = [*first, *cells, f"%%check\nresult = {asked}"]

    def result(indices):
        namespace = {}
        for i in indices: exec(cells[i].removeprefix("%%check"), namespace)
        return namespace["result"]

    chosen = needed(*cells)
    assert result(chosen) == result(range(len(cells))) and chosen == sorted(set(chosen))
    fewer = [chosen[:i] + chosen[i + 1:] for i in range(len(chosen) - 1)]
    for indices in fewer:
        try: assert result(indices) != result(chosen), "none is superfluous"
        except NameError: pass


def test_needed_cells_look_into_functions_and_past_magics():
    below = "def f(): return g()", "k = 3", "def g(): return k", "%%check\nf()"
    assert needed(*below) == [0, 1, 2, 3]
    assert needed("x = 1", "y = 1", "def f(x): return [y for y in x]", "%%check\nf([])") == [2, 3]
    assert needed("%%needs f\nx = 1", "!ls", "%time x", "x += 1", "%%check\nx") == [0, 3, 4]
    assert needed("def broken(", "%%check\nbroken(") == [1]


def saved(folder, *cells):
    "A folder with a workbook of lesson 00 that has these cells."
    cells = [{"cell_type": "code", "source": cell.splitlines(True)} for cell in cells]
    text = json.dumps({"cells": [{"cell_type": "markdown", "source": "text"}, *cells]})
    (folder / "00_data.ipynb").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.fixture
def lesson(monkeypatch):
    "What is known of lesson 00."
    pieces = {name: [name] for name in ("normalize", "read_idx", "set_seed", "practice")}
    checks = {"n": {"about": ["normalize"]}, "r": {"about": ["read_idx"], "after": ["normalize"]}}
    monkeypatch.setattr(exp.workbook, "_facts", lambda stem: {"pieces": pieces, "checks": checks})


def test_your_own_pieces_are_used_where_they_pass(lesson, tmp_path, capsys):
    mine = yours("00_data", saved(
        tmp_path, "from dataclasses import dataclass\nimport math", "%matplotlib inline",
        "def helper(x): return abs(x)", "#| write: normalize\ndef normalize(x): return helper(x)",
        "%%check n\nprint('loud')\nassert normalize(-3) == 3", "#| write: read_idx\nread_idx = len",
        "%%check r\nassert read_idx([]) == 1", "%%needs set_seed\n1 / 0",
        "#| write: set_seed\n@dataclass\nclass set_seed:\n    seed: 'int' = 3"))
    assert mine.normalize(-2) == 2 and mine.read_idx is read_idx and mine.set_seed().seed == 3
    assert not hasattr(mine, "practice")
    assert capsys.readouterr().out.split("\n") == [
        f"{'normalize':<20} yours", f"{'read_idx':<20} exp: a check does not pass: r",
        f"{'set_seed':<20} yours", ""]


def test_what_is_not_there_is_taken_from_exp(lesson, tmp_path, capsys):
    mine = yours("00_data", str(tmp_path))
    assert (mine.normalize, mine.read_idx, mine.set_seed) == (normalize, read_idx, set_seed)
    assert capsys.readouterr().out.count("exp: there is no saved workbook") == 3
    mine = yours("00_data", saved(tmp_path, "#| write: normalize\ndef normalize(x): return x",
                                  "#| write: set_seed\nraise SystemExit", "%%check r\nexit()"))
    assert (mine.normalize, mine.read_idx, mine.set_seed) == (normalize, read_idx, set_seed)
    out = capsys.readouterr().out
    assert "exp: a check does not pass: n" in out and out.count("not written yet") == 2
