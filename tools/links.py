"""Write what is derived from settings.ini, the lessons' headers and the loop's table: the Colab
links and set-up cells of the lessons, README's table of lessons, and its figure.
"""
import copy
import hashlib
import re

import nbformat
from course import ROOT, settings
from notebooks import directive, header, lessons, module_of, read

SETUP = '''#| setup: for Colab; elsewhere this cell does nothing
repository = "{address}"  # @param {{type:"string"}}
import importlib.util
import os
import subprocess
import sys

if "COLAB_RELEASE_TAG" in os.environ and importlib.util.find_spec("exp") is None:
    if not repository:
        raise ValueError("Give the field `repository` above the address of the repository that "
                         "this notebook was opened from, and run the cell again.")
    install = [sys.executable, "-m", "pip", "install", "-q"]
    subprocess.run([*install, f"git+{{repository}}"], check=True)'''
TABLE = re.compile(r"(<!-- lessons: written by make links -->\n).*?(<!-- end of lessons -->)", re.S)
LINKS = re.compile(r"\n\n\[(Practise|Open in Colab)\]\(.*", re.S)
FIGURE = ROOT / "images" / "loop.png"


def git_url():
    "The course's public address, from settings.ini; empty while there is none."
    return settings()["git_url"].strip().removesuffix("/").removesuffix(".git")


def colab(address, path):
    "The address that opens a notebook in Colab; empty where it cannot: it opens GitHub's."
    found = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", address)
    if not found: return ""
    place = f"{path.parent.name}/{path.name}"
    return f"https://colab.research.google.com/github/{found[1]}/blob/main/{place}"


def workbook_of(path):
    "Where a lesson's workbook is; None for an appendix, which has none."
    place = ROOT / "workbooks" / path.name
    return place if path.stem[0].isdigit() and path != place else None


def notebook_links(path, address):
    "The last line of a lesson's first cell: its workbook, and Colab where that can open it."
    link, book = colab(address, path), workbook_of(path)
    parts = [f"[Practise](../workbooks/{path.name}): the workbook of this lesson"] if book else []
    return " · ".join([*parts, *([f"[Open in Colab]({link})"] if link else [])])


def linked(notebook, path, address):
    "The notebook with its Colab link and set-up cell as `address` has them."
    notebook = copy.deepcopy(notebook)
    first = notebook.cells[0]
    line = notebook_links(path, address)
    first.source = LINKS.sub("", first.source) + (f"\n\n{line}" if line else "")
    for cell in notebook.cells:
        if directive(cell)[0] == "setup": cell.source = SETUP.format(address=address)
    return notebook


def with_colab(link, path, address):
    "A link and, where Colab can open what it leads to, one to there."
    return link + (f" · [Colab]({colab(address, path)})" if colab(address, path) else "")


def lesson_table(address):
    "README's table of lessons, from the lessons' own headers."
    rows = ["| lesson | practise | minutes | module | afterwards you can |",
            "|---|---|---|---|---|"]
    for path in sorted(lessons(), key=lambda path: not path.stem[0].isdigit()):  # appendix last
        facts = header(read(path))
        module = module_of(path.stem)
        lesson = with_colab(f"[{facts['title']}](nbs/{path.name})", path, address)
        book = workbook_of(path)
        practise = with_colab(f"[workbook](workbooks/{path.name})", book, address) if book else ""
        rows.append(f"| {lesson} | {practise} | {facts['minutes']} | `{module}` "
                    f"| {facts['summary']} |")
    return "\n".join(rows) + "\n"


def derived():
    "Every derived text: {path: its content as it should be}."
    address = git_url()
    notebooks = [*lessons(), *sorted((ROOT / "workbooks").glob("milestone_*.ipynb"))]
    files = {path: nbformat.writes(linked(read(path), path, address)) for path in notebooks}
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    files[readme] = TABLE.sub(lambda m: m[1] + lesson_table(address) + m[2], text)
    return files


def same(path, text):
    "Whether the file at `path` says what `text` says; in notebooks, white space does not count."
    now = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb": return nbformat.reads(now, 4) == nbformat.reads(text, 4)
    return now == text


def figure_source():
    "A fingerprint of the code that draws README's figure; the figure carries that of its own."
    return hashlib.sha256((ROOT / "exp" / "pictures.py").read_bytes()).hexdigest()


def figure_is_current():
    "Whether README's figure was drawn by the code as it is now."
    from PIL import Image
    return FIGURE.exists() and Image.open(FIGURE).info.get("Source") == figure_source()


def draw_figure():
    "README's figure: the loop of lesson 04, with its events."
    import matplotlib
    matplotlib.use("agg")
    from exp.pictures import LOOP, RUNNER_EVENTS, draw_loop, use_style
    use_style()
    FIGURE.parent.mkdir(exist_ok=True)
    draw_loop(LOOP, RUNNER_EVENTS).savefig(FIGURE, dpi=150, metadata={"Source": figure_source()})


def main():
    for path, text in derived().items():
        if same(path, text): continue
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} written")
    if not figure_is_current():
        draw_figure()
        print(f"{FIGURE.relative_to(ROOT)} written")


if __name__ == "__main__":
    main()
