"""Write constraints.txt: the pinned version of everything the course needs, on every platform and
Python it supports.

torch stays at the version named here; everything else becomes the newest that fits. Needs the
network.
"""
import subprocess
import tempfile
import venv
from pathlib import Path

from course import ROOT, python, settings

TORCH = "torch==2.13.0"


def main():
    facts = settings()
    wanted = [*facts["requirements"].split(), *facts["dev_requirements"].split(), TORCH]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        interpreter = python(Path(folder))
        subprocess.run([interpreter, "-m", "pip", "install", "-q", "uv"], check=True)
        options = ["-q", "--upgrade", "--universal", "--python-version", facts["min_python"],
                   "--no-annotate", "--custom-compile-command", "make lock",
                   "-o", "constraints.txt"]
        subprocess.run([interpreter, "-m", "uv", "pip", "compile", "-", *options],
                       input="\n".join(wanted), text=True, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
