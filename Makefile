# Two commands for a newcomer (`make demo`, `make test`); the rest are their parts.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_DEMO := runs/demo

.PHONY: demo test lint types arch unit benchmarks build clean

$(STAMP): pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c .ci/constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/perturbridge demo -o $(RUN_DEMO) --overwrite

test: lint types arch unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

arch: $(STAMP)
	$(BIN)/lint-imports

# Two processes fill two cores: a second thread in each would only wait for the first.
unit: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2

benchmarks: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m tests.benchmarks

build: $(STAMP)
	$(BIN)/python -m hatchling build

clean:
	rm -rf $(VENV) runs dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
