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
BENCH_VENV = ROOT / ".venv-bench"
PINNED = not os.environ.get("EXP_UNPINNED")


def settings():
    "The facts about the package, from settings.ini."
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


def python(folder=VENV):
    "The environment's own interpreter."
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(*files):
    "A text that changes whenever the environment has to be made again."
    content = b"".join((ROOT / f).read_bytes() for f in ["settings.ini", "setup.py", *files])
    return f"{sys.version} pinned={PINNED} {hashlib.sha256(content).hexdigest()}"


def check_python():
    "Refuse a Python that the package does not support, before anything is written."
    needed = settings()["min_python"]
    if sys.version_info < tuple(int(part) for part in needed.split(".")):
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"The course needs Python {needed} or newer and this is {found}. "
                 "Name another one: make PYTHON=python3.12 run")


def set_up(folder=VENV, pins="constraints.txt", wanted=("-e", ".[dev]"), files=(), alone=()):
    """Make an environment with everything that is wanted, and what is wanted `alone` without its
    dependencies; nothing when it is up to date.
    """
    stamp, current = folder / "installed", fingerprint(pins, *files)
    if stamp.exists() and stamp.read_text() == current: return
    check_python()
    print(f"Setting up {folder.name} (once; a few minutes, most of it for torch) ...", flush=True)
    stamp.unlink(missing_ok=True)
    venv.create(folder, with_pip=True, clear=True)
    pinned = ["-c", pins] if PINNED else ["--upgrade"]
    install = [python(folder), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pinned]
    for what in [wanted, ["--no-deps", *alone]] if alone else [wanted]:
        if subprocess.run([*install, *what], cwd=ROOT).returncode:
            sys.exit("The installation failed; pip's message is above. Nothing else was changed: "
                     "call the same command again once it is mended.")
    stamp.write_text(current)


def call(*command, folder=VENV):
    "Run one of the environment's programs in the project's folder; stop when it fails."
    status = subprocess.run([python(folder), *map(str, command)], cwd=ROOT).returncode
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
    print("\n== behaviour, and beside it workbooks, checks, benchmark and tools", flush=True)
    beside = [f"tests/test_{name}.py" for name in ("workbooks", "checks", "bench", "tools")]
    others = [f"--ignore={path}" for path in ["tests/test_house.py", *beside]]
    side_by_side(["-m", "pytest", *others], ["-m", "pytest", *beside])


def make_workbooks(*lesson):
    "The workbooks, and the teacher's page, which quotes what their checks answer."
    call("tools/workbooks.py", *lesson)
    if hasattr(os, "fork"): call("tools/teaching.py", *lesson)


def bench():
    "The benchmark, in an environment of its own; QUICK=1 leaves out the other libraries."
    if os.environ.get("QUICK"):
        set_up()
        return call("bench/bench.py", "--quick")
    needs = "bench/requirements.txt"
    set_up(BENCH_VENV, "bench/constraints.txt", ("-e", ".", "-r", needs), (needs,), ("fastai",))
    call("bench/bench.py", folder=BENCH_VENV)


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
        "bench": bench,
        "mutants": lambda: call("tools/score.py", *argument),
    }
    if command not in commands:
        sys.exit(f"Unknown command {command!r}; there are: {', '.join(commands)}.")
    if command != "bench": set_up()
    commands[command]()


if __name__ == "__main__":
    main()
