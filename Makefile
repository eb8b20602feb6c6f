# Every target sets up its own environment (.venv, pinned by constraints.txt) when that is not up to date.
# tools/course.py does the work; where there is no make, call it directly: python tools/course.py run
PYTHON ?= python3
L ?=

.PHONY: run test lab refresh links lock bench mutants workbooks workbook

run test lab refresh links lock bench mutants workbooks workbook:
	@$(PYTHON) tools/course.py $@ $(L)

# Answer the checks of a saved workbook, or of a folder of them: make workbook-check FILE=path
.PHONY: workbook-check
workbook-check:
	@$(PYTHON) tools/course.py $@ "$(FILE)"
