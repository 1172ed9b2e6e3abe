# Everything sets itself up: a virtual environment in .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTO ?= src/bauta/data/sample.jpg
OUT ?= out
# pip never reaches for the gigabytes of CUDA that an unpinned torch brings.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: protect test lint docs licences setup setup-dev clean
.DEFAULT_GOAL := help

help:
	@echo "make protect PHOTO=me.jpg   protect a photo (a sample if none is given) into $(OUT)/"
	@echo "make test                   lint, types and tests"
	@echo "make docs                   the site of documentation, into site/"

$(VENV)/.made: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Bauta needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --no-build-isolation setuptools wheel
	$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.made-dev: $(VENV)/.made
	$(PIP) --no-build-isolation -e '.[dev]'
	@touch $@

setup: $(VENV)/.made

setup-dev: $(VENV)/.made-dev

protect: $(VENV)/.made
	@mkdir -p "$(OUT)" && rm -f "$(OUT)/report.html" "$(OUT)/report.json"
	@$(BIN)/bauta protect "$(PHOTO)" -o "$(OUT)/" --overwrite --report "$(OUT)/report"; \
	status=$$?; [ -f "$(OUT)/report.html" ] && echo "see $(OUT)/report.html"; exit $$status

lint: $(VENV)/.made-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Files side by side, with one thread each: twice as fast as one after the other with all of them.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

# The theme would print news of its maker with every build.
docs: $(VENV)/.made-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "see site/index.html (for the search: python3 -m http.server -d site)"

licences: $(VENV)/.made-dev
	$(BIN)/python tools/licences.py > docs/licences.md

clean:
	rm -rf $(VENV) $(OUT) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
