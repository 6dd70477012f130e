# Both main targets set up .venv by themselves; they need python3 (3.11 to 3.13) with venv and a package index.
.PHONY: demo test test-slow benchmarks speed real search format clean

PYTHON ?= python3
BIN := .venv/bin

demo: .venv/installed
	$(BIN)/freerun demo

test: .venv/installed-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-slow: .venv/installed-test
	$(BIN)/pytest -m slow

benchmarks: .venv/installed-test
	$(BIN)/python benchmarks/quality.py $(WORKS)

speed: .venv/installed-peers
	$(BIN)/python benchmarks/speed.py $(WORKS)

real: .venv/installed-peers .venv-forecasters/installed
	$(BIN)/python benchmarks/real.py $(SERIES)

search: .venv/installed-test
	$(BIN)/python benchmarks/search.py $(WORKS)

format: .venv/installed-test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv .venv-forecasters freerun-demo

.venv/created:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "freerun needs Python 3.11 to 3.13; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

.venv/installed: .venv/created pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-test: .venv/created pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ .venv/installed

.venv/installed-peers: .venv/created pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test,peers]'
	touch $@ .venv/installed .venv/installed-test

# peers of `make real` that need pandas below 3
.venv-forecasters/installed:
	$(PYTHON) -m venv .venv-forecasters
	.venv-forecasters/bin/python -m pip install --quiet 'statsforecast>=2' 'neuralforecast>=3' 'pandas<3'
	touch $@
