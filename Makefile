# Everything sets itself up: a virtual environment in .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTO ?= src/bauta/data/sample.jpg
OUT ?= out
# pip never reaches for the gigabytes of CUDA that an unpinned torch brings.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: protect test lint setup setup-dev clean
.DEFAULT_GOAL := help

help:
	@echo "make protect PHOTO=me.jpg   protect a photo (a sample if none is given) into $(OUT)/"
	@echo "make test                   lint, types and tests"

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

test: lint
	$(BIN)/pytest

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .pytest_cache .ruff_cache .hypothesis
