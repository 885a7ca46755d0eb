# Two words do everything on a machine that has Python (>= 3.11), git and make:
#   make demo    installs into .venv and runs the main job on the embedded data
#   make check   installs into .venv and passes every check
PYTHON ?= python3
BIN := .venv/bin
# some tests wait for processes of their own: one more than there are cores, and no more memory than 5 take
WORKERS := $(shell $(PYTHON) -c "import os; print(min(os.cpu_count(), 4) + 1)")

# what is compiled is kept, whatever the environment says: hundreds of tests start processes that import it all again
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo check lint types test gpu soak versions docs clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

.venv/installed-soak: .venv/installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,soak]'
	touch $@

demo: .venv/installed
	$(BIN)/spx stability --config configs/stability/synthetic.yaml

# types on one core beside the tests on the others
check: lint
	$(MAKE) --jobs=2 types test

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

test: .venv/installed-dev
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal

# what needs a GPU, in minutes: its tests, and one table of times beside other libraries; a small case where there is none
gpu: .venv/installed-dev
	$(BIN)/pytest -m gpu -q || test $$? -eq 5
	$(BIN)/python -m tests.benchmarks.gpu

# what a night is for: many kills, long fuzzing, a cluster that loses workers
soak: .venv/installed-soak
	$(BIN)/pytest -m soak --timeout=3600
	$(MAKE) versions

# the tests with the lowest versions that pyproject.toml admits, and with the newest
versions: .venv/installed-dev
	$(BIN)/python -m tests.soak.versions both

# README, docs/ and the reference of all public names as one site with a search: site/index.html
docs: .venv/installed-docs
	rm -rf site
	$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet --doctree-dir=build/doctrees docs site

clean:
	rm -rf .venv runs build site
