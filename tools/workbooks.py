"""Write the workbooks: each lesson as a page of blanks, with its own checks. [lesson]

Besides workbooks/NN_name.ipynb this writes what exp.workbook knows of each lesson
(exp/workbook.json). A workbook in which somebody has written is left alone: the new one goes
beside it.
"""
import ast
import copy
import functools
import hashlib
import importlib
import json
import re
import runpy
import sys
from dataclasses import dataclass, field

import nbformat
from course import ROOT
from lesson_code import DEFINITIONS, Lesson, blanks_in, body_of, heading, without_directive
from links import colab, git_url
from notebooks import directive, header, lessons, read

WORKBOOKS = ROOT / "workbooks"
FACTS = ROOT / "exp" / "workbook.json"
HOW_TO = """This is the lesson [{title}](../nbs/{name}) with its answers taken out. Where a cell \
begins with `#| write`, put your own code in place of `todo(…)`, whose text is a hint. The check \
after it answers at once: ✓, or ✗ with what was expected and what came, or – while something is \
not written yet. Cells that begin with `%%needs` wait for the pieces that they name. When you \
change a piece, run the cells below it again: they may have kept the old one. Stuck? \
`solution("name")` shows the lesson's own version. Where a hint has words in “ ”, an error's \
message must have them. Keep a copy of the file under the same name: \
later notebooks can train with what you wrote here."""
BEGIN = "from exp.workbook import begin, progress, solution, todo"
RESERVED = {"begin", "progress", "solution", "todo"}


def numbered(only=None):
    "The paths of the lessons that have a workbook: all but the appendices."
    return [path for path in lessons(only) if path.stem[0].isdigit()]


@dataclass
class Notes:
    "What workbooks/notes/NN_name.py says of a lesson."
    HINTS: dict = field(default_factory=dict)  # blank -> one line
    SLIPS: dict = field(default_factory=dict)  # check's title -> a sentence about the likely slip
    GIVEN: tuple = ()                          # what stays as it is: names, or Class.method
    OBJECTIVES: tuple = ()                     # what students can do afterwards
    MOMENTS: tuple = ()                        # what to do together in the room
    COMMON: tuple = ()                         # (what students write, (right text, wrong text))
    ABOUT: dict = field(default_factory=dict)  # check's title -> pieces, if written long before it


def notes(stem):
    "The Notes of a lesson."
    there = runpy.run_path(str(WORKBOOKS / "notes" / f"{stem}.py"))
    return Notes(*(there.get(name, default) for name, default in vars(Notes()).items()))


def blanked(source, blanks, hints):
    "`source` with the body of each function in `blanks` replaced by `todo` and its hint."
    if missing := blanks.keys() - hints.keys():
        raise SystemExit(f"No hint for {', '.join(sorted(missing))}: add it to workbooks/notes.")
    lines = source.splitlines()
    for name, function in sorted(blanks.items(), key=lambda item: -item[1].lineno):
        body, todo = body_of(function), f"todo({json.dumps(hints[name], ensure_ascii=False)})"
        first, last = body[0].lineno - 1, function.end_lineno
        if len(body) < len(function.body): start = function.body[0].end_lineno
        else:
            start = first
            while lines[start - 1].lstrip().startswith("#"): start -= 1
        before = lines[first].encode()[:body[0].col_offset].decode()
        below = " " * (function.col_offset + 4) + todo
        if not before.strip(): lines[start:last] = [below]
        elif len(before + todo) > 100: lines[first:last] = [before.rstrip(), below]
        else: lines[first:last] = [before + todo]  # `def f(x): return x`
    return "\n".join(lines)


def parted(source):
    "A cell's definitions and, apart from them, what it runs after the last one."
    tree, lines = ast.parse(source).body, source.splitlines()
    ends = [node.end_lineno for node in tree if isinstance(node, DEFINITIONS)]
    return "\n".join(lines[:ends[-1]]), "\n".join(lines[ends[-1]:]).strip("\n")


def parameters(function):
    "The names of a function's parameters, with their stars, without self."
    stars = {id(function.args.vararg): "*", id(function.args.kwarg): "**"}
    names = [(stars.get(id(a), ""), a.arg) for a in ast.walk(function.args)
             if isinstance(a, ast.arg)]
    return [star + name for star, name in names if name != "self"]


def described(lesson, piece):
    "A piece's line in the outline, with its parameters or methods below it."
    source = lesson.sources[piece]
    (node,) = ast.parse(source).body
    doc = ast.get_docstring(node) or ""
    noted = dict(re.findall(r"^(?:\s*def \w+\()?\s*\**(\w+)[^#\n]*?,?\s*# (.*)$", source, re.M))
    def signature(f):
        notes = {name: noted.get(name.strip("*"), "") for name in parameters(f)}
        return ", ".join(f"`{name}` ({note})" if note else f"`{name}`"
                         for name, note in notes.items())
    if isinstance(node, ast.FunctionDef):
        taken = f" Takes {signature(node)}." if parameters(node) else ""
        yield f"- `{piece}`: {doc}{taken} {next_use(lesson, piece)}"
        return
    yield f"- class `{piece}`: {doc} {next_use(lesson, piece)}"
    for name, function in lesson.pieces[piece].items():
        text = ast.get_docstring(function)
        taken = f"Takes {signature(function)}." if parameters(function) else ""
        words = " ".join(part for part in (text, taken) if part)
        yield f"    - `{name.partition('.')[2]}`" + (f": {words}" if words else "")


def next_use(lesson, piece):
    "Where a piece is used next, below the place where it is written."
    def reads(source): return piece in lesson.read_by(ast.parse(source))
    places = [(i, cell) for i, cell in enumerate(lesson.cells)
              if cell.cell_type == "code" and directive(cell)[0] not in ("check", "setup")]
    defined = [i for i, cell in places if lesson.is_practice(cell)
               and piece in blanks_in(without_directive(cell.source))]
    for i, cell in places:
        if i < defined[0]: continue
        source, section = without_directive(cell.source), heading(lesson.cells[:i])
        pieces = blanks_in(source) if lesson.is_practice(cell) else {}
        users = [name for name in pieces if name != piece and reads(lesson.sources[name])]
        if users: return "Used next by " + " and ".join(f"`{name}`" for name in users) + "."
        if not pieces and section != lesson.sections[piece] and reads(source):
            return f"Used next in *{section}*."
    exported = hasattr(importlib.import_module(lesson.module), piece)
    return "Used by the lessons that follow." if exported else "Used in this section."


def outline(lesson):
    "The overall picture: the sections, and under each the pieces to write there."
    lines = ["## The outline", "", "What there is to write, section by section.", ""]
    parent = ""
    for level, title in lesson.headings():
        pieces = [p for p, section in lesson.sections.items() if section == title]
        if level == 2: parent = f"- **{title}**"
        if not pieces: continue
        if parent not in lines: lines.append(parent)
        if level > 2: lines.append(f"    - **{title}**")
        lines += ["    " * (level - 1) + line.rstrip()
                  for piece in pieces for line in described(lesson, piece)]
    return "\n".join(lines)


class _Anonymous(ast.NodeTransformer):
    "Numbers the names in a piece of code, and drops whose attribute something is."
    def __init__(self): self.seen = {}
    def visit_Name(self, node):
        return ast.Name(self.seen.setdefault(node.id, f"name{len(self.seen)}"), node.ctx)
    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name) and node.value.id in ("self", "run", "cb", "learn"):
            return self.visit(ast.Name(node.attr, node.ctx))
        return self.generic_visit(node)


def telling(nodes):
    """What the answer in some statements consists of: {text: the same with its names numbered},
    for each statement in them with five parts or more, loops by their first line.
    """
    inner = [n for node in nodes for n in ast.walk(node) if isinstance(n, ast.stmt)]
    heads = [ast.unparse(n).split("\n")[0].rstrip(":") for n in inner
             if not isinstance(n, (*DEFINITIONS, ast.Raise, ast.Try))]
    parsed = {head: ast.parse(head + ":pass" * (head.split()[0] in ("for", "if", "while", "with")))
              for head in heads}
    return {head: ast.unparse(_Anonymous().visit(tree)) for head, tree in parsed.items()
            if sum(isinstance(n, ast.expr) for n in ast.walk(tree)) >= 5}


@functools.cache
def parts_of(function):
    "What the answer in a function consists of; asked again for each cell that might give it away."
    return telling(body_of(function))


def bare(text):
    "A text without white space, and without whose attribute something is."
    return re.sub(r"\b((self|run|cb|learn)\.)+|\s", "", text).replace('"', "'")


def leaks(lesson, text, is_code=False):
    "The blanks whose answer stands in `text`: two or more, and more than half of its statements."
    there, found = bare(text), []
    shapes = set(telling(ast.parse(text).body).values()) if is_code else set()
    for blanks in lesson.pieces.values():
        for name, function in blanks.items():
            parts = parts_of(function)
            said = {shape for part, shape in parts.items() if not is_code and bare(part) in there}
            if len(said | shapes & set(parts.values())) > max(1, len(set(parts.values())) / 2):
                found.append(name)
    return found


def said(cell):
    "All that a cell has printed."
    return "".join(output.get("text", "") for output in cell.outputs)


def target(lesson, cell):
    "What a cell that waits will show, folded: its text and its figures in the lesson."
    parts = []
    for output in cell.outputs:
        text, data = output.get("text", ""), output.get("data", {})
        if text and not leaks(lesson, text): parts.append(f"```\n{text.rstrip()}\n```")
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", "")
            picture = data["image/png"].replace("\n", "")
            parts.append(f"![{alt}](data:image/png;base64,{picture})")
    if not parts: return None
    return "\n\n".join(["<details><summary>What you should see</summary>", *parts, "</details>"])


def made(cell, kind, source, part=""):
    "A cell of the workbook, with an id that follows from the lesson's."
    new = getattr(nbformat.v4, f"new_{kind}_cell")(source)
    new.id = cell.id + part
    return new


def pages(lesson, notes):
    "The workbook's cells."
    address, facts = git_url(), header(lesson.notebook)
    checks = lesson.checks()
    for i, cell in enumerate(lesson.cells):
        kind, title = directive(cell)
        source = without_directive(cell.source)
        if cell.cell_type == "markdown":
            source = re.sub(r"\]\((\w+\.ipynb)", r"](../nbs/\1", cell.source)
            if i == 0:
                link = colab(address, WORKBOOKS / lesson.path.name)
                source = re.sub(r"^# ", "# Workbook ", source.split("\n\n[")[0])
                source = "\n\n".join([source, HOW_TO.format(title=facts["title"],
                                                            name=lesson.path.name),
                                      *([f"[Open in Colab]({link})"] if link else [])])
            yield made(cell, "markdown", source)
            if i == 0: yield made(cell, "markdown", outline(lesson), "-outline")
        elif kind == "setup":
            yield made(cell, "code", cell.source)
            yield made(cell, "markdown", "This starts the workbook.", "-says")
            yield made(cell, "code", BEGIN, "-import")
            yield made(cell, "code", f'begin("{lesson.stem}")', "-begin")
        elif kind == "check" and title in checks:
            yield made(cell, "code", f"%%check {title}\n{source}")
        elif kind in ("export", "practise") and (
                pieces := blanks_in(source, notes.GIVEN)):
            definitions, rest = parted(source)
            blanks = {name: f for fs in pieces.values() for name, f in fs.items()}
            text = blanked(definitions, blanks, notes.HINTS)
            yield made(cell, "code", f"#| write: {', '.join(pieces)}\n{text}")
            if rest: yield from shown(lesson, cell, rest, "-rest")
        else: yield from shown(lesson, cell, source)
    last = lesson.cells[-1]
    yield made(last, "markdown", "## How far you have come\n\nEvery check, as it came out the last "
                                 "time that its cell was run.", "-ends")
    yield made(last, "code", "progress()", "-progress")


def shown(lesson, cell, source, part=""):
    "A cell that shows something; where it needs pieces, it waits, and has a target beside it."
    if not (pieces := lesson.in_order(lesson.now[cell.id])):
        new = made(cell, "code", source, part)
        if not leaks(lesson, said(cell)): new.outputs = copy.deepcopy(cell.outputs)
        yield new
        return
    if text := target(lesson, cell): yield made(cell, "markdown", text, part + "-target")
    yield made(cell, "code", f"%%needs {', '.join(pieces)}\n{source}", part)


def fingerprint(notebook):
    "A text that changes with the text of any cell."
    sources = json.dumps([cell.source for cell in notebook.cells])
    return hashlib.sha256(sources.encode()).hexdigest()


def told(lesson, fact, about):
    "The pieces that a check is about and builds on, where its lesson's notes say the former."
    if not about: return fact
    others = {*fact["about"], *fact["after"]}
    if unused := set(about) - others:
        raise SystemExit(f"{lesson.stem}: ABOUT names {', '.join(sorted(unused))}, not used there")
    return {"about": lesson.in_order(about), "after": lesson.in_order(others - set(about))}


def workbook(path):
    "The workbook of a lesson, and what exp.workbook is to know of it."
    noted = notes(path.stem)
    lesson = Lesson(path, noted.GIVEN)
    if taken := RESERVED & lesson.owner.keys():
        raise SystemExit(f"{path.stem} binds {', '.join(taken)}, which its workbook needs itself.")
    kernel = {"kernelspec": lesson.notebook.metadata.kernelspec}
    notebook = nbformat.v4.new_notebook(cells=list(pages(lesson, noted)), metadata=kernel)
    notebook.metadata["exp"] = {"made": fingerprint(notebook)}
    checks = {title: {**told(lesson, fact, noted.ABOUT.get(title)),
                      "slip": noted.SLIPS.get(title, "")}
              for title, fact in lesson.checks().items()}
    facts = {"lesson": f"../nbs/{path.name}",
             "pieces": {piece: list(blanks) for piece, blanks in lesson.pieces.items()},
             "checks": checks,
             "answers": {p: [lesson.sections[p], lesson.sources[p]] for p in lesson.pieces}}
    return notebook, facts


def is_written_in(path):
    "Whether the workbook at `path` is no longer as it was made: somebody's work is in it."
    try: notebook = read(path)
    except Exception: return True  # whatever it is, it is not ours
    return notebook.metadata.get("exp", {}).get("made") != fingerprint(notebook)


def save(notebook, path):
    "Write a workbook; one that somebody has written in stays, and the new one goes beside it."
    if path.exists():
        if is_written_in(path): return save(notebook, path.with_suffix(".new.ipynb"))
        if read(path) == notebook: return
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    part.replace(path)
    print(f"{path.name} written")


def main():
    known = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.exists() else {}
    for path in numbered(*sys.argv[1:]):
        notebook, known[path.stem] = workbook(path)
        save(notebook, WORKBOOKS / path.name)
    text = json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n"
    FACTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
