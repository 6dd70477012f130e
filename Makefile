# Both main targets set up .venv by themselves; they need python3 (3.11 to 3.13) with venv and a package index.
.PHONY: demo test test-system test-slow parameters docs figures test-oldest test-newest benchmarks speed real competitions search kills fuzz load lock audit format clean

PYTHON ?= python3
BIN := .venv/bin
LOCKED := --quiet --no-compile --require-hashes --requirement
# on all cores, which pip does on one; what no Python of this version can read is left as it is
COMPILED := -m compileall -q -q -j 0 -x '/tests?/' .venv/lib || true
ITSELF := --quiet --no-deps --no-build-isolation --editable .
# the quick tests compile more than they compute, and two of them share two cores; test-slow, test-oldest and test-newest
# compile and compute as users do
COMPILE_FAST := OPENBLAS_NUM_THREADS=1 XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
LOCK := pyproject.toml .venv/build.in --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

demo: .venv/installed
	$(BIN)/freerun demo

test: .venv/installed-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(COMPILE_FAST) $(BIN)/pytest -n 2 --dist worksteal -m "not slow and not system"

# in a browser, and with processes that are interrupted and killed
test-system: .venv/installed-test
	$(COMPILE_FAST) $(BIN)/pytest -n 2 --dist loadfile -m "system and not slow"

test-slow: .venv/installed-test
	$(BIN)/pytest -m slow

# the constructor of RNN from the fields of Settings, and the list of public names
parameters: .venv/installed-test
	$(BIN)/python tools/write_parameters.py
	$(BIN)/python tests/test_public_api.py

# the site in site/, without the network; warnings are errors
docs: .venv/installed-docs
	$(BIN)/basedpyright docs/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# what the pages show: pictures, and the notebooks with their results
figures: .venv/installed-docs
	$(BIN)/python docs/site/figures.py
	$(BIN)/python docs/site/changing.py
	$(BIN)/python docs/site/fields.py
	$(BIN)/python docs/site/loops.py
	$(BIN)/python docs/site/screenshot.py
	cd examples && ../$(BIN)/jupyter nbconvert --to notebook --execute --inplace *.ipynb && rm -f lorenz.csv lorenz.freerun

# the quick tests with the oldest versions that pyproject.toml allows, and with the newest that there are
test-oldest: requirements/oldest.txt
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip install $(LOCKED) requirements/oldest.txt
	.venv-oldest/bin/python -m pip install $(ITSELF)
	.venv-oldest/bin/pytest -n 2 --dist worksteal -m "not slow"

test-newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --upgrade --editable '.[test]'
	.venv-newest/bin/pytest -n 2 --dist worksteal -m "not slow"

# what is locked: for the demo, for the tests, for the docs, and the oldest versions that are supported
lock: .venv/created
	$(BIN)/python -m pip install --quiet uv
	printf 'hatchling>=1.27\neditables>=0.5\n' > .venv/build.in
	$(BIN)/uv pip compile $(LOCK) --extra train -o requirements/run.txt
	$(BIN)/uv pip compile $(LOCK) --extra test -o requirements/test.txt
	$(BIN)/uv pip compile $(LOCK) --extra test --extra docs --constraint requirements/test.txt -o requirements/docs.txt
	$(BIN)/uv pip compile $(LOCK) --extra test --resolution lowest-direct -o requirements/oldest.txt

audit: .venv/created
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements/test.txt

benchmarks: .venv/installed-test .venv-reservoirs/installed
	$(BIN)/python benchmarks/systems.py $(OPTIONS)

speed: .venv/installed-peers
	$(BIN)/python benchmarks/speed.py $(WORKS)

real: .venv/installed-peers .venv-forecasters/installed
	$(BIN)/python benchmarks/real.py $(SERIES)

competitions: .venv/installed-test .venv-forecasters/installed
	$(BIN)/python benchmarks/competitions.py $(OPTIONS)

search: .venv/installed-test
	$(BIN)/python benchmarks/search.py $(WORKS)

kills: .venv/installed-test
	$(BIN)/python benchmarks/kills.py $(WORKS)

fuzz: .venv/installed-test
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	$(BIN)/python benchmarks/fuzz.py models
	$(BIN)/python benchmarks/fuzz.py models --runs 200000 --guided
	$(BIN)/python benchmarks/fuzz.py series --runs 100000
	$(BIN)/python benchmarks/fuzz.py series --runs 100000 --guided

load: .venv/installed-test
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/serve_load.py

format: .venv/installed-test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv .venv-forecasters .venv-reservoirs .venv-oldest .venv-newest freerun-demo site

.venv/created:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "freerun needs Python 3.11 to 3.13; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

# exactly the locked versions, checked by their hashes; then freerun itself
.venv/installed: .venv/created pyproject.toml requirements/run.txt
	$(BIN)/python -m pip install $(LOCKED) requirements/run.txt
	$(BIN)/python -m pip install $(ITSELF)
	$(BIN)/python $(COMPILED)
	touch $@

.venv/installed-test: .venv/created pyproject.toml requirements/test.txt
	$(BIN)/python -m pip install $(LOCKED) requirements/test.txt
	$(BIN)/python -m pip install $(ITSELF)
	$(BIN)/python $(COMPILED)
	touch $@ .venv/installed

.venv/installed-docs: .venv/installed-test requirements/docs.txt
	$(BIN)/python -m pip install $(LOCKED) requirements/docs.txt
	touch $@

.venv/installed-peers: .venv/installed-test
	$(BIN)/python -m pip install --quiet --editable '.[test,peers]'
	touch $@

# peers of `make real` and `make competitions` that need pandas below 3
.venv-forecasters/installed:
	$(PYTHON) -m venv .venv-forecasters
	.venv-forecasters/bin/python -m pip install --quiet 'statsforecast>=2' 'neuralforecast>=3' 'pandas<3'
	touch $@

# peers of `make benchmarks`
.venv-reservoirs/installed:
	$(PYTHON) -m venv .venv-reservoirs
	.venv-reservoirs/bin/python -m pip install --quiet 'reservoirpy>=0.4' 'OpenReservoirComputing>=0.4'
	touch $@
