"""Write constraints.txt: the pinned version of everything the course needs, on every platform and
Python it supports; and bench/constraints.txt, the same for the benchmark.

torch stays at the version named here; everything else becomes the newest that fits. Needs the
network.
"""
import subprocess
import tempfile
import venv
from pathlib import Path

from course import ROOT, python, settings

TORCH = "torch==2.13.0"
FASTAI = "fastai==2.8.12"  # for the benchmark, without its dependencies


def compiled(interpreter, wanted, file):
    "Write the pinned versions of what is wanted, with all that it needs, into a file."
    options = ["-q", "--upgrade", "--universal", "--python-version", settings()["min_python"],
               "--no-annotate", "--custom-compile-command", "make lock", "-o", file]
    subprocess.run([interpreter, "-m", "uv", "pip", "compile", "-", *options],
                   input="\n".join(wanted), text=True, cwd=ROOT, check=True)


def main():
    facts = settings()
    wanted = [*facts["requirements"].split(), TORCH]
    peers = (ROOT / "bench" / "requirements.txt").read_text().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        interpreter = python(Path(folder))
        subprocess.run([interpreter, "-m", "pip", "install", "-q", "uv"], check=True)
        compiled(interpreter, wanted + facts["dev_requirements"].split(), "constraints.txt")
        compiled(interpreter, wanted + peers, "bench/constraints.txt")
        with open(ROOT / "bench" / "constraints.txt", "a") as file: file.write(f"{FASTAI}\n")


if __name__ == "__main__":
    main()
