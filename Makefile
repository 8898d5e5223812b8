# Every target does all the set-up it needs. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
WORKERS ?= 3
RUNS ?= 1000
MINUTES ?= 10
.DEFAULT_GOAL := help
# The machine's own certificates, as pip and the browser use them: behind a company's proxy there are no others.
export UV_SYSTEM_CERTS = 1
.PHONY: help setup demo demo-moodle dev test check format bench clients chaos soak planted mutants reference schema pictures lock audit clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv from the lock file

# uv installs the lock file in seconds and checks every hash; it is itself pinned there.
.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments; on Debian install python3-venv."; exit 1; }
	@echo "setting up .venv from requirements.lock …"
	@test -x $(BIN)/uv || { $(PYTHON) -m venv --clear .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.lock)"; }
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.ready ## a generated school, synced through Dagster into the embedded PostgreSQL
	@$(BIN)/connector-pipelines demo

demo-moodle: .venv/.ready ## the same school through core into a Moodle site, and its grades back
	@$(BIN)/connector-pipelines demo-moodle

dev: .venv/.ready ## the Dagster UI on the same database, with the demo sources ready to launch
	@$(BIN)/connector-pipelines dev

# PostgreSQL works beside them, and some wait for other processes: three share two cores. With four it takes longer.
test: .venv/.ready ## all tests, against a real PostgreSQL
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

check: .venv/.ready ## formatting, lint, types, import rules, house rules, and that Dagster loads
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest connector_pipelines_tests/test_house.py
	@$(BIN)/connector-pipelines check
	@VIRTUAL_ENV=.venv $(BIN)/dg check yaml
	@VIRTUAL_ENV=.venv $(BIN)/dg check defs

format: .venv/.ready ## format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: .venv/.ready ## side by side with dlt, on this machine (takes a while)
	@$(BIN)/python -m compileall -q connector_pipelines
	@$(BIN)/python bench/run.py

clients: .venv/.ready ## have dlt, a Singer tap and Google's client read simulators (installs them apart)
	@$(BIN)/python bench/clients.py

chaos: .venv/.ready ## kill a run at every durable boundary, then RUNS seeded runs of faults, crashes and concurrency
	@$(BIN)/python -m proof.crashes
	@$(BIN)/python -m proof.chaos --runs $(RUNS) --jobs $(JOBS)

soak: .venv/.ready ## run a whole project for MINUTES while its sources misbehave and its processes die, then look what is left
	@$(BIN)/python -m proof.soak --minutes $(MINUTES)

planted: .venv/.ready ## plant known bugs one at a time; the tests named with each must notice
	@$(BIN)/python -m proof.planted

mutants: .venv/.ready ## the share of small changes of the engine's Python and SQL that tests notice (takes hours)
	@$(BIN)/python -m proof.mutants

reference: .venv/.ready ## write docs/configuration-reference.md anew from the code
	@$(BIN)/connector-pipelines reference > docs/configuration-reference.md

schema: .venv/.ready ## write the schema for new databases anew from the revisions
	@$(BIN)/python -m connector_pipelines.database.migrate > connector_pipelines/database/schema.sql.new
	@mv connector_pipelines/database/schema.sql.new connector_pipelines/database/schema.sql

pictures: .venv/.ready ## go a person's way through the UI in the machine's Chromium, and take the docs' pictures anew
	@$(BIN)/python -m proof.walk --pictures docs/images

lock: .venv/.ready ## renew requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip compile --quiet --upgrade --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file requirements.lock pyproject.toml

# It asks PyPI for each package, so it is no part of `check`; it comes with thirty packages of its own, so it is installed apart.
audit: .venv/.ready ## look up which pinned packages have known vulnerabilities (asks PyPI)
	@$(BIN)/uv tool run --from pip-audit==2.10.1 pip-audit --requirement requirements.lock --require-hashes --disable-pip --progress-spinner off

clean: ## remove the virtual environment and everything local, the embedded database included
	rm -rf .venv .local build dist *.egg-info
