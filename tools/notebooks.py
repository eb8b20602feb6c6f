"""What the scripts and the tests know about the lessons' notebooks."""
import re
import sys

sys.modules.setdefault("rfc3987_syntax", None)  # jsonschema would build a grammar, for 2 s: no need
import nbformat  # noqa: E402
from course import ROOT  # noqa: E402

NBS = ROOT / "nbs"


def reading_order(path):
    """Sort key: the appendices that lessons draw and practise with come first, then the lessons by
    number, then the one that gathers them.
    """
    return path.stem[0].isdigit() or path.stem[0] == "Z", path.stem


def lessons(only=None):
    "The lessons' paths in order; `only` keeps those whose name starts with it, e.g. '04'."
    paths = sorted(NBS.glob("*.ipynb"), key=reading_order)
    chosen = [p for p in paths if p.stem.startswith(only or "")]
    if not chosen:
        there = ", ".join(p.stem for p in paths)
        raise SystemExit(f"No lesson starts with {only!r}; there are: {there}.")
    return chosen


def module_of(stem):
    "The module that a lesson exports, such as 'exp.matmul' for '01_matmul'."
    return f"exp.{stem.partition('_')[2]}"


def read(path):
    "The notebook at `path`."
    return nbformat.read(path, as_version=4)


def directive(cell):
    "The directive a code cell opens with: ('check', 'what it shows'), ('export', ''), or ('', '')."
    found = re.match(r"#\|\s*(\w+)\s*:?\s*(.*)", cell.source) if cell.cell_type == "code" else None
    return (found[1], found[2].strip()) if found else ("", "")


def cells(notebook, kind):
    "The code cells that open with the directive `kind`."
    return [c for c in notebook.cells if directive(c)[0] == kind]


def outputs(notebook):
    "Every output of every code cell."
    return [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]


def results(notebook):
    "What the cells marked `#| result: name` printed: {name: text}."
    return {directive(c)[1]: "".join(o.get("text", "") for o in c.outputs).strip()
            for c in cells(notebook, "result")}


def header(notebook):
    "Title, one-line summary and reading minutes, from the notebook's first cell."
    source = notebook.cells[0].source
    title = re.search(r"^# (.*)", source, re.M)[1]
    summary = re.search(r"^> (.*)", source, re.M)[1]
    minutes = int(re.search(r"(\d+) minutes", source)[1])
    return {"title": title, "summary": summary, "minutes": minutes}
