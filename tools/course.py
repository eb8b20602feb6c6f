"""The course's commands: python tools/course.py run|test|lab|refresh|mutants|… [lesson]

Runs on a bare Python: it makes `.venv` from settings.ini and constraints.txt when that is missing
or out of date, and hands over to the scripts beside it. `EXP_UNPINNED=1` leaves the constraints
aside (the weekly job does).
"""
import hashlib
import os
import subprocess
import sys
import venv
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
PINNED = not os.environ.get("EXP_UNPINNED")


def settings():
    "The facts about the package, from settings.ini."
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


def python(folder=VENV):
    "The environment's own interpreter."
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint():
    "A text that changes whenever the environment has to be made again."
    files = ["settings.ini", "setup.py", "constraints.txt"]
    content = b"".join((ROOT / f).read_bytes() for f in files)
    return f"{sys.version} pinned={PINNED} {hashlib.sha256(content).hexdigest()}"


def check_python():
    "Refuse a Python that the package does not support, before anything is written."
    needed = settings()["min_python"]
    if sys.version_info < tuple(int(part) for part in needed.split(".")):
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"The course needs Python {needed} or newer and this is {found}. "
                 "Name another one: make PYTHON=python3.12 run")


def set_up():
    "Make `.venv` with everything the course needs; nothing when it is up to date."
    if STAMP.exists() and STAMP.read_text() == fingerprint(): return
    check_python()
    print("Setting up .venv (once; a few minutes, most of it for torch) ...", flush=True)
    STAMP.unlink(missing_ok=True)
    venv.create(VENV, with_pip=True, clear=True)
    pins = ["-c", "constraints.txt"] if PINNED else ["--upgrade"]
    install = [python(), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins]
    if subprocess.run([*install, "-e", ".[dev]"], cwd=ROOT).returncode:
        sys.exit("The installation failed; pip's message is above. Nothing else was changed: "
                 "call the same command again once it is mended.")
    STAMP.write_text(fingerprint())


def call(*command):
    "Run one of the environment's programs in the project's folder; stop when it fails."
    status = subprocess.run([python(), *map(str, command)], cwd=ROOT).returncode
    if status: sys.exit(status)


def side_by_side(first, second):
    "Run two of the environment's programs at once, on two cores; stop when one of them fails."
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    beside = subprocess.Popen([python(), *second], **options)
    status = subprocess.run([python(), *first], cwd=ROOT).returncode
    output, _ = beside.communicate()
    print(output.decode(errors="replace"), flush=True)
    if status or beside.returncode: sys.exit(status or beside.returncode)


def test():
    "Everything that CI checks, quickest first."
    for title, command in [
        ("style", ["-m", "ruff", "check", "."]),
        ("the house: exp in step with nbs, notebooks clean",
         ["-m", "pytest", "tests/test_house.py"]),
        ("lessons, executed", ["tools/run_lessons.py", "--jobs", "2"]),
    ]:
        print(f"\n== {title}", flush=True)
        call(*command)
    print("\n== behaviour, and beside it the workbooks", flush=True)
    workbooks = ["tests/test_workbooks.py", "tests/test_workbook.py", "tests/test_grade.py"]
    others = [f"--ignore={path}" for path in ["tests/test_house.py", *workbooks]]
    side_by_side(["-m", "pytest", *others], ["-m", "pytest", *workbooks])


def make_workbooks(*lesson):
    "The workbooks, and the teacher's page, which quotes what their checks answer."
    call("tools/workbooks.py", *lesson)
    if hasattr(os, "fork"): call("tools/teaching.py", *lesson)


def write_links():
    "Whatever is derived from the lessons' headers, and the page of all callbacks."
    call("tools/links.py")
    call("tools/callbacks_page.py")


def main():
    command, *argument = sys.argv[1:] or [""]
    commands = {
        "run": lambda: call("tools/run_lessons.py", *argument),
        "refresh": lambda: call("tools/run_lessons.py", "--in-place", *argument),
        "test": test,
        "lab": lambda: call("-m", "jupyter", "lab"),
        "links": write_links,
        "workbooks": lambda: make_workbooks(*argument),
        "workbook": lambda: make_workbooks(*argument),
        "workbook-check": lambda: call("tools/grade.py", *argument),
        "lock": lambda: call("tools/lock.py"),
        "measure": lambda: call("tools/measure.py"),
        "mutants": lambda: call("tools/score.py", *argument),
    }
    if command not in commands:
        sys.exit(f"Unknown command {command!r}; there are: {', '.join(commands)}.")
    set_up()
    commands[command]()


if __name__ == "__main__":
    main()
