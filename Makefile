# Plain `make` lists the targets.
SHELL := bash
PY := .venv/bin/python
UV := .venv/bin/uv

.DEFAULT_GOAL := help
.PHONY: help setup run up test chaos simulate container-test deploy-test check format synth smoke smoke-arguments bench \
	bench-steps doctor lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## install everything the project needs into .venv and node_modules (idempotent)
	@scripts/setup

run: setup ## start the whole pipeline locally, send real requests, show their outcomes
	@.venv/bin/dropslot demo $(RUN_ARGS)

up: setup ## start the local stack and leave it running
	@WEBHOOK_SECRET="$${WEBHOOK_SECRET:-demonstration}" .venv/bin/dropslot up --handler orders=app.handler:handle,webhooks=app.webhooks:handle $(UP_ARGS)

test: setup ## run all tests, in three lanes (tests/conftest.py)
	@$(PY) -m pytest -n 3 --dist loadgroup --no-loadscope-reorder $(TEST_ARGS)

chaos: setup ## strike the local stack with every fault: CHAOS_ARGS="--requests 5000 --fault all --seed 7"
	@$(PY) -m tests.chaos $(or $(CHAOS_ARGS),--requests 500 --fault mixed --seed 7)

SEEDS ?= 100000
simulate: setup ## play seeds of the simulation: SEEDS=100000
	@DROPSLOT_SIM_SEEDS=$(SEEDS) $(PY) -m pytest -q -s tests/simulation -k ten_thousand

container-test: setup ## build the image and run it locked up on the local stack's servers; needs root, buildah, podman, runc, debootstrap
	@$(PY) -m pytest tests/container $(TEST_ARGS)

deploy-test: setup ## bootstrap, deploy, change and destroy both variants in an emulator of AWS, and look at what is there
	@$(PY) -m pytest tests/deploy $(TEST_ARGS)

check: setup ## lint, types, layers
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: setup ## format the code
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format --quiet .

# jsii says when Node.js is past its end of life, which is about the machine and not about the stack.
CDK := JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=18,20 node_modules/.bin/cdk
synth: setup ## synthesise what would be deployed, reviewed by cdk-nag and cfn-lint: no AWS account, no Docker
	@rm -rf .dropslot/synth
	@$(CDK) synth --strict --quiet -c env=dev -c dropslot:consumer=kcl -c dropslot:feedback=true -o .dropslot/synth/dev-kcl
	@$(CDK) synth --strict --quiet -c env=dev -c dropslot:consumer=lambda -c dropslot:feedback=true -o .dropslot/synth/dev-lambda
	@$(CDK) synth --strict --quiet -c env=prod -o .dropslot/synth/prod
	@.venv/bin/cfn-lint .dropslot/synth/*/*.template.json

SMOKE_USAGE := give both: make smoke URL=https://... TABLE=<name>-requests (docs/deploy.md, "Does it keep the contract?")
# DROPSLOT_API_KEY comes from the environment: a command's arguments are for all to see.
smoke: smoke-arguments setup ## run the HTTP contract suite against a deployed stack: URL=... TABLE=..., and perhaps AUTH=iam|api_key CALLER=...
	@DROPSLOT_URL=$(URL) DROPSLOT_TABLE=$(TABLE) $(if $(AUTH),DROPSLOT_AUTH=$(AUTH)) $(if $(CALLER),DROPSLOT_CALLER=$(CALLER)) \
		$(PY) -m pytest -q -rfE tests/contract/http/test_http_contract.py tests/contract/http/test_steps.py $(TEST_ARGS)

smoke-arguments:
	@$(if $(and $(URL),$(TABLE)),,echo '$(SMOKE_USAGE)' >&2; exit 2)

bench: setup ## measure CPU per record, of an invocation and of a cold start, beside boto3 and Powertools: bench/README.md
	@$(PY) -m bench.record_cost
	@$(PY) -m bench.invocation
	@$(PY) -m bench.cold_path

bench-steps: setup ## measure steps beside DBOS and Lambda's durable functions, what they cost, and that no steps cost none
	@[ -e .dropslot/bench/pyvenv.cfg ] || $(UV) venv --quiet --python $(PY) .dropslot/bench
	@$(UV) pip sync --quiet --require-hashes --python .dropslot/bench requirements/bench.txt
	@$(PY) -m bench.steps

doctor: ## say what is missing on this machine, and how to get it
	@if [ -x .venv/bin/dropslot ]; then .venv/bin/dropslot doctor; else scripts/setup && .venv/bin/dropslot doctor; fi

PIP_COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes
lock: setup ## renew the lock files
	@$(PIP_COMPILE) --extra dev pyproject.toml -o requirements/dev.txt
	@$(PIP_COMPILE) --no-deps requirements/kcl.in -o requirements/kcl.txt
	@$(PIP_COMPILE) --no-deps requirements/java.in -o requirements/java.txt
	@$(PIP_COMPILE) --constraints requirements/dev.txt pyproject.toml -o requirements/runtime.txt
	@$(PIP_COMPILE) --constraints requirements/dev.txt requirements/build.in -o requirements/build.txt
	@$(PIP_COMPILE) --constraints requirements/dev.txt requirements/lambda.in -o requirements/lambda.txt
	@$(PIP_COMPILE) requirements/emulator.in -o requirements/emulator.txt
	@$(PIP_COMPILE) --constraints requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	@npm install --package-lock-only --silent

clean: ## remove what setup and runs have made
	rm -rf .venv node_modules .dropslot dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
