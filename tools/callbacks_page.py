"Write CALLBACKS.md: every callback of the course with what it does, its lesson and its events."
import re

from course import ROOT
from notebooks import lessons

PAGE = ROOT / "CALLBACKS.md"
TOP = """# All callbacks

Every callback that a lesson exports: what it does, the lesson that builds it, and the events at
which it is called (`make links` writes this page from the code).

"""


def page():
    "The page's text, with each lesson's number linked to its notebook."
    from exp.training_loop import callbacks_page
    notebooks = {path.stem.partition("_")[0]: path.name for path in lessons()}
    def link(found): return f"| [{found[1]}](nbs/{notebooks[found[1]]}) |"
    return TOP + re.sub(r"\| (\d\w+) \|", link, callbacks_page())


def main():
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page(): return
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name} written")


if __name__ == "__main__":
    main()
