# Two commands matter: `make demo` and `make test`. Everything they need is set up on the way.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
export PLATFORM_HOME ?= $(CURDIR)/var
export DO_NOT_TRACK := 1

.PHONY: demo test check up down bench fuzz berka-features clean
.DEFAULT_GOAL := demo

$(VENV)/.ready: requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (once, about 240 packages) ..."
	@test -x $(RUN)python || $(PYTHON) -m venv $(VENV)
	@$(RUN)python -m pip install --disable-pip-version-check --no-deps --require-hashes --progress-bar off \
		-r requirements.lock 2> $(VENV)/setup.err | awk '/^Collecting/ {if (++n % 40 == 0) {print "  " n " packages"; fflush()}}' \
		|| { grep ERROR $(VENV)/setup.err; exit 1; }
	@$(RUN)python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --quiet --editable .
	@touch $@

demo: $(VENV)/.ready ## deliveries, real DAGs, gates, features, scores: the whole chain on a simulated group
	@$(RUN)python -m dags.local_airflow demo

test: $(VENV)/.ready ## every test, from nothing
	@$(RUN)python -m pytest

check: $(VENV)/.ready ## every linter
	@$(RUN)ruff check . && $(RUN)ruff format --check .
	@$(RUN)mypy
	@$(RUN)lint-imports
	@$(RUN)sqlfluff lint dbt_project/models --disable-progress-bar
	@$(RUN)python -m ingestion check
	@$(RUN)python -m quality check
	@$(RUN)python -m quality portable
	@$(RUN)python -m features check

up: $(VENV)/.ready ## Airflow with its web page, left running
	@$(RUN)python -m dags.local_airflow up

down: $(VENV)/.ready
	@$(RUN)python -m dags.local_airflow down

bench: $(VENV)/.ready ## ratios beside named alternatives; ONLY=name runs one
	@$(RUN)python tests/benchmarks/run.py $(ONLY)

fuzz: $(VENV)/.ready ## ten thousand mutated files; the tests try three hundred
	@FUZZ_CASES=$${FUZZ_CASES:-10000} $(RUN)python -m pytest --numprocesses=0 tests/ingestion/test_fuzz.py

berka-features: $(VENV)/.ready ## features of 354 real loans, as of each loan's date
	@$(RUN)python tests/acceptance/berka/build_features.py

clean:
	rm -rf var $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dbt_project/target
