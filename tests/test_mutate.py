"The wrong versions that tools/mutate.py makes: one small change each, and nothing else touched."
import textwrap

import mutate
import pytest


def wrong(source):
    "The changed lines of every wrong version of `source`."
    return [mutant.wrong for mutant in mutate.mutants(textwrap.dedent(source).strip())]


def changed(expression):
    "The wrong versions of an expression, as the value of a name."
    return [text.removeprefix("a = ") for text in wrong(f"a = {expression}")]


@pytest.mark.parametrize("expression, expected", [
    ("x - y", ["x + y", "y - x"]),
    ("x * y", ["x / y"]),
    ("x // y", ["x / y"]),
    ("(x + y) / z", ["(x + y) * z", "z / (x + y)", "(x - y) / z"]),
    ("x @ y", ["x * y", "y @ x"]),
    ("x < y", ["x <= y", "x > y"]),
    ("x >= y", ["x > y", "x <= y"]),
    ("x == y", ["x != y"]),
    ("x is not y", ["x is y"]),
    ("x in y", ["x not in y"]),
    ("x < y <= z", ["x <= y <= z", "x > y <= z", "x < y < z", "x < y >= z"]),
    ("x and (y or z)", ["x or (y or z)", "(y or z)", "x", "x and (y and z)", "x and (z)",
                        "x and (y)"]),
    ("not x", ["x"]),
    ("-x", ["x"]),
    ("-1", ["1", "0"]),
    ("-7", ["7", "-6", "-8"]),
    ("0", ["1", "-1"]),
    ("3", ["4", "2"]),
    ("0.25", ["0.5"]),
    ("0.", ["1.0"]),
    ("True", ["False"]),
    ("f(x, y)", ["f(y, x)"]),
    ("min(x, y)", []),
    ("f(x, y=z)", ["f(x)"]),
    ("f(y=z, **x)", ["f(**x)", "f(y=z)"]),
    ("x.detach()", ["x"]),
    ("x[:, y]", ["x[y, :]"]),
    ("[x, *y]", ["[*y]", "[x]"]),
    ("{'k': x, **y}", ["{**y}", "{'k': x}"]),
    ("x if y else z", ["x if True else z", "x if False else z"]),
    ("[x for x in y if z]", ["[x for x in list(y)[:-1] if z]", "[x for x in list(y)[1:] if z]",
                             "[x for x in y if True]", "[x for x in y if False]"]),
])
def test_expressions(expression, expected):
    assert changed(expression) == expected


def body(statements):
    "The wrong versions of the body of a function."
    indented = textwrap.indent(textwrap.dedent(statements).strip(), "    ")
    return wrong(f"def f(x):\n{indented}")


@pytest.mark.parametrize("statements, expected", [
    ("opt.step()", ["pass"]),
    ("x = y", ["pass"]),
    ("x += y", ["x -= y", "x = y", "pass"]),
    ("return x", ["return None", "return -(x)"]),
    ("return -x", ["return None", "return -(-x)", "return x"]),
    ("raise ValueError(f'{x + 1} is not {-x}')", ["pass"]),
    ("if x: y()", ["if True: y()", "if False: y()", "if x: pass"]),
    ("with torch.no_grad(): y()", ["if True: y()", "with torch.no_grad(): pass"]),
    ("with open(x) as y: y()", ["with open(x) as y: pass"]),
    ("for y in x: y()", ["for y in list(x)[:-1]: y()", "for y in list(x)[1:]: y()",
                         "for y in x: pass"]),
    ("while x: break", ["while False: break", "while x: pass"]),
    ("try: x()\nfinally: y()", ["except (): pass else: y()", "try: pass", "finally: pass"]),
    ("try: x()\nexcept (A, B): y()",
     ["try: pass", "except (): y()", "except (B,): y()", "except (A,): y()", "except (A, B): pass"])
])
def test_statements(statements, expected):
    assert body(statements) == expected


def test_definitions():
    assert wrong("def f(x, y=z, *, k=True): pass") == [
        "def f(x, y, *, k=True): pass", "def f(x, y=z, *, k): pass",
        "def f(x, y=z, *, k=False): pass"]
    assert wrong("class A:\n    order = -10") == ["order = 10", "order = -9", "order = -11"]
    assert wrong("@torch.no_grad()\ndef f(x): pass") == [""], "the decorator goes"
    assert wrong("class A:\n    @property\n    def f(self): pass") == []


def test_what_is_said_stays():
    assert wrong('''
        "A module's docstring."
        import os
        from x import y

        def f(x:int) -> -1:
            "A docstring."
            assert x
            raise KeyError(f"{x + 1} and " + str(-1))
            ''') == ["pass", "pass"]
    assert changed('f"{x + 1} {not x}"') == [] == changed('"text"')


def test_names_lines_and_the_text_around():
    source = 'NUMBERS = 3  # √ and …\n\n\nclass Ä:\n    "Ö."\n\n    def f(self):  # ü\n' \
             '        # a comment\n        return ("ß",\n                self.x)[1]  # and more'
    mutants = list(mutate.mutants(source))
    assert {(m.name, m.line) for m in mutants} == {("NUMBERS", 1), ("Ä.f", 9), ("Ä.f", 10)}
    assert ("Ä.f", 10, "self.x)[1] # and more", "self.x)[2] # and more",
            source.replace("[1]", "[2]")) in mutants
    for mutant in mutants: assert "# √ and …" in mutant.source and "# a comment" in mutant.source


def test_each_behaves_differently_and_is_python():
    assert wrong("def f(x):\n    return None\n    pass") == []
    assert wrong("def f(x=1, y=2): pass").count("def f(x, y=2): pass") == 1
    assert "def f(x=1, y): pass" not in wrong("def f(x=1, y=2): pass"), "that is no Python"
    source = "def f(x, y, z):\n    if x and y: return z\n    return f(x - 1, -y, z)"
    made = [mutant.source for mutant in mutate.mutants(source)]
    assert len(made) == len(set(made)) == len({mutate.compiled(text) for text in made})
    assert mutate.compiled(source) not in map(mutate.compiled, made)
