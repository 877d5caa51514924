# The two commands that a newcomer needs: make toy2d, make test. Both set everything up first.
PYTHON ?= python3
BIN := .venv/bin
# one thread per process: two OpenMP threads on a busy machine run many times slower than one
export OMP_NUM_THREADS = 1

# what `make bench` calls this machine in results/asv; what `make bench-continuous` compares
BENCH_MACHINE ?= this-machine
BASE ?= HEAD~1
HEAD ?= HEAD

.PHONY: setup toy2d digits reference ten-thousand second-start executors peers bench bench-continuous check-guard test torture lint format clean

setup: .venv/installed

.venv/installed: pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

toy2d: setup
	$(BIN)/ganbench run --suite toy2d

digits: setup
	$(BIN)/ganbench run --suite digits

# what `run --against reference` ranks with: made anew in a folder of its own, final values alone
reference: setup
	$(BIN)/ganbench run --suite toy2d --results build/reference
	$(BIN)/python -c "from ganbench.store import write_bundle; write_bundle('build/reference/toy2d', 'results/reference/toy2d')"

# what 10,000 stored replicas take to read, to report and to compare; fails above its limits
ten-thousand: setup
	$(BIN)/python suites/peers/ten_thousand.py

# how soon the first and the second run of a suite train; fails above its limit
second-start: setup
	$(BIN)/python suites/peers/second_start.py

# what local and Ray executors cost beside the work, and the unit costs of a study of a million; fails above its limits
executors: setup
	$(BIN)/python suites/peers/executors.py

# ganbench beside a plain loop, torch.compile and JAX, on a quiet machine: make peers ARGS="--objectives em --replicas 32"
peers: setup
	$(BIN)/python -m pip install --quiet --editable '.[peers]'
	$(BIN)/python -m suites.peers.run $(ARGS)

# time and quality at this commit, into results/asv; e.g. make bench BENCH='--bench iteration'
bench: setup
	$(BIN)/python suites/asv_tools/record.py $(BENCH_MACHINE) $(BENCH)

# fails where HEAD is slower than BASE, twice; e.g. make bench-continuous BASE=main~5 BENCH='--bench Store200'
bench-continuous: setup
	$(BIN)/python suites/asv_tools/guard.py $(BASE) $(HEAD) $(BENCH)

# the test of bench-continuous by the processor's clock, for which a machine must be quiet
check-guard: setup
	GANBENCH_QUIET_MACHINE=1 $(BIN)/pytest tests/test_asv_guard.py

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: lint
	$(BIN)/pytest -n 2

# the long tests: kills and faults by the thousand, hostile input, Ray clusters; e.g. make torture ARGS=tests/hostile
torture: setup
	$(BIN)/pytest -n 2 -m torture $(ARGS)

clean:
	rm -rf .venv build *.egg-info
