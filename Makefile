# Plain `make` lists the targets.
SHELL := bash
PY := .venv/bin/python
UV := .venv/bin/uv

.DEFAULT_GOAL := help
.PHONY: help setup run up test chaos simulate check format bench doctor lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: ## install everything the project needs into .venv and node_modules (idempotent)
	@scripts/setup

run: setup ## start the whole pipeline locally, send real requests, show their outcomes
	@.venv/bin/dropslot demo $(RUN_ARGS)

up: setup ## start the local stack and leave it running
	@.venv/bin/dropslot up --handler orders=app.handler:handle,webhooks=app.webhooks:handle $(UP_ARGS)

test: setup ## run all tests
	@$(PY) -m pytest $(TEST_ARGS)

chaos: setup ## strike the local stack with every fault: CHAOS_ARGS="--requests 5000 --fault all --seed 7"
	@$(PY) -m tests.chaos $(or $(CHAOS_ARGS),--requests 500 --fault mixed --seed 7)

SEEDS ?= 100000
simulate: setup ## play seeds of the simulation: SEEDS=100000
	@DROPSLOT_SIM_SEEDS=$(SEEDS) $(PY) -m pytest -q -s tests/simulation -k ten_thousand

check: setup ## lint, types, layers
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: setup ## format the code
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format --quiet .

bench: setup ## measure CPU per record beside plain boto3
	@$(PY) -m bench.record_cost

doctor: ## say what is missing on this machine, and how to get it
	@if [ -x .venv/bin/dropslot ]; then .venv/bin/dropslot doctor; else scripts/setup && .venv/bin/dropslot doctor; fi

lock: setup ## renew the lock files
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev pyproject.toml -o requirements/dev.txt
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps requirements/kcl.in -o requirements/kcl.txt
	@npm install --package-lock-only --silent

clean: ## remove what setup and runs have made
	rm -rf .venv node_modules .dropslot dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
