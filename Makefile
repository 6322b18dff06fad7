# chipwire: everything a developer, an operator or CI does. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The environment of a shell must not reach into the set-up: this project installs what its lock files say.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup dev run test check format simulate bench schemas lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## install chipwire into .venv (needs nothing but Python 3.11 or newer)

dev: $(VENV)/.ready-dev ## ... and what tests and checks need

run: setup ## see it work: all services in one process, the sample feed and the live sources
	@$(BIN)/chipwire demo

test: dev ## run every test; starts the real servers it needs itself
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

check: dev ## lint, formatting, types, import contracts, deploy files, rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/chipwire rules check
	$(BIN)/chipwire rules test

format: dev ## put the code into the house's form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

simulate: dev ## run the notifier's life on simulated time, disturbed in the order that each seed gives (SEEDS=20000, FIRST=0)
	$(BIN)/python -m tests.simulation $(or $(SEEDS),1000) --first $(or $(FIRST),0)

bench: dev ## measure speed and memory, each with its baseline (NEWS=file.jsonl[.gz] or CHIPWIRE_BENCH_NEWS for news of your own, ONLY="classify kafka" for some)
	$(BIN)/python -m tests.bench $(if $(NEWS),--news "$(NEWS)") $(if $(ONLY),--only $(ONLY))

schemas: setup ## write schemas/jsonschema/ and the table of settings in docs/operations.md anew
	$(BIN)/python -m schemas.export
	$(BIN)/python -m docs.settings

lock: ## resolve the dependencies anew: pins and hashes, no addresses
	$(PYTHON) -m venv $(VENV)
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet pyproject.toml --group build $(LOCK) -o requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev $(LOCK) -c requirements.lock -o requirements-dev.lock
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

clean: ## remove what was installed and made (the data under var/ stays)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "chipwire needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "this Python cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q schemas services
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
