# Every target sets up its own environment (.venv, pinned by constraints.txt) when that is not up to date.
# tools/course.py does the work; where there is no make, call it directly: python tools/course.py run
PYTHON ?= python3
L ?=

.PHONY: run test lab refresh links lock measure

run test lab refresh links lock measure:
	@$(PYTHON) tools/course.py $@ $(L)
