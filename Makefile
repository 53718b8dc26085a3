# Two commands matter: `make demo` and `make test`. Everything they need is set up on the way.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
export PLATFORM_HOME ?= $(CURDIR)/var
export DO_NOT_TRACK := 1

.PHONY: demo test check up down bench fuzz soak berka-features clean help
.DEFAULT_GOAL := demo

$(VENV)/.ready: requirements.lock pyproject.toml .ci/set-up
	@.ci/set-up $(VENV)
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

down: $(VENV)/.ready ## stop that Airflow
	@$(RUN)python -m dags.local_airflow down

bench: $(VENV)/.ready ## ratios beside named alternatives; ONLY=name runs one
	@$(RUN)python tests/benchmarks/run.py $(ONLY)

fuzz: $(VENV)/.ready ## ten thousand mutated files; the tests try three hundred
	@FUZZ_CASES=$${FUZZ_CASES:-10000} $(RUN)python -m pytest --numprocesses=0 tests/ingestion/landing/test_fuzz.py

soak: $(VENV)/.ready ## two thousand random loans against the plain recomputation, with a build on each of thirty dates
	@REFERENCE_LOANS=$${LOANS:-2000} REFERENCE_BUILDS=30 $(RUN)python -m pytest --numprocesses=0 tests/reference

berka-features: $(VENV)/.ready ## features of 354 real loans, as of each loan's date
	@$(RUN)python tests/acceptance/berka/build_features.py

clean: ## remove the environment and everything that was made
	rm -rf var $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dbt_project/target

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
