# Everything a user types. Python 3.11.5+ and make are all that must be there before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of the UI.
PORT ?= 3000
DONE := $(VENV)/.ready

.PHONY: run test ui check docs setup clean train-embedded bench-spine bench-accuracy bench-copper bench-gate bench-monitoring bench-search bench-replay
run: setup
	@$(BIN)/forex-assets ingest
	@$(BIN)/forex-assets backtest --every 1m >/dev/null
	@$(BIN)/forex-assets forecast --horizon all --stored
	@$(BIN)/forex-assets scorecard
	@$(BIN)/python -m forex_assets.cli.first_run

# Three processes for two cores, since many tests wait for programs and sensors. Files keep the order of collection, in
# which the longest come first; pytest-xdist would begin with those of most tests.
test: setup
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# `dg dev` starts one code location; ours are two, so the notice that it supersedes `dagster dev` is left out.
ui: setup
	@export DAGSTER_HOME="$$($(BIN)/python -m forex_assets.core.dagster.instance)" PYTHONWARNINGS='ignore:Function `dev_command` is superseded'; \
	echo "The UI: http://127.0.0.1:$(PORT) in a minute; Ctrl-C ends it. Printed are one line a run, warnings and errors."; \
	exec $(BIN)/dagster dev -w workspace.yaml -p $(PORT) --log-level warning

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@DAGSTER_TELEMETRY_DISABLED=1 VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/dg check defs
	@.ci/audit

# Pages that are made from the code; a test holds them against it.
docs: setup
	@$(BIN)/python -m forex_assets.cli.reference

# Figures of docs/accuracy.md, copper.md, validation.md and monitoring.md: `python benchmarks/pages.py` lists the outdated ones.
# Training: about half an hour on one thread. BENCH_ARGS of the benchmark: --closes CSV, --warehouse, --out docs/accuracy.md …
train-embedded: setup
	@$(BIN)/python benchmarks/train_embedded.py --out forex_assets/models/embedded

bench-spine: setup
	@$(BIN)/python benchmarks/spine.py

bench-accuracy: setup
	@$(BIN)/python benchmarks/accuracy.py $(BENCH_ARGS)

bench-copper: setup
	@$(BIN)/python benchmarks/copper.py --out docs/copper.md $(BENCH_ARGS)

bench-gate: setup
	@$(BIN)/python benchmarks/gate.py --out docs/validation.md $(BENCH_ARGS)

bench-monitoring: setup
	@$(BIN)/python benchmarks/detectors.py --out docs/monitoring.md --curve docs/detection.png $(BENCH_ARGS)

# Beside plain calls of the library; half an hour.
bench-search: setup
	@$(BIN)/python benchmarks/search.py $(BENCH_ARGS)

# The whole loop over past years, by policy; --bars CSV --observado CSV --copper CSV, or --closes CSV. Hours on a busy machine; --store keeps fans.
bench-replay: setup
	@$(BIN)/python benchmarks/replay.py --out docs/loop.md $(BENCH_ARGS)

setup: $(DONE)

# CPU torch is preferred: uv can ask for it by name; pip takes what its index offers for the version in constraints.txt.
$(DONE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5) and f"Python 3.11.5 or newer is needed, {sys.version.split()[0]} found: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (once; a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null 2>&1 && VIRTUAL_ENV=$(abspath $(VENV)) uv pip install --quiet --torch-backend cpu -c constraints.txt -e '.[dev]'; then :; \
	else if command -v uv >/dev/null 2>&1; then echo "uv could not; going on with pip"; fi; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check torch -c constraints.txt \
	  && $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'; fi
	@touch $(DONE)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
