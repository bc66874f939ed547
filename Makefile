# Baton needs Python 3.11+ and make; everything else is installed below .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup lock

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv from the hash-locked files

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Baton needs Python 3.11 or later, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv --without-pip --clear $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install -q --disable-pip-version-check --only-binary=:all: --require-hashes -r requirements-dev.lock
	$(PYTHON) -m pip --python $(BIN)/python install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

lock: ## resolve the dependencies anew (needs uv; names no index)
	uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --extra embedded --group dev --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements-dev.lock

.PHONY: demo run test check audit fuzz bench format openapi

demo: setup ## play the main job over real HTTP on an embedded database
	@$(BIN)/python -m examples.demo

run: setup ## start Baton with the demo tenants; one scenario of the sandbox is played and printed
	@$(BIN)/python -m examples.sandbox & exec $(BIN)/baton up --demo

test: setup ## pass every test
	$(BIN)/python -m pytest -n 2 --dist loadfile
	@for bin in $$(ls -d /usr/lib/postgresql/1[5-9]/bin 2>/dev/null); do \
	  echo "the database tests on $$bin"; TEST_POSTGRES_BINDIR=$$bin $(BIN)/python -m pytest tests/db || exit 1; done

check: setup ## format, lint, types, imports, OpenAPI drift, migrations, floors of versions, secrets
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@$(BIN)/baton openapi > $(VENV)/openapi.json
	@diff -u openapi/openapi.json $(VENV)/openapi.json || { echo "openapi/openapi.json is stale: make openapi"; exit 1; }
	$(BIN)/python .ci/openapi_breaking.py
	$(BIN)/python .ci/migrations.py
	$(BIN)/python .ci/floors.py
	$(BIN)/python .ci/secret_scan.py
	$(BIN)/baton playbook lint examples/playbook.yaml

fuzz: setup ## send 20,000 requests made from the OpenAPI document (FUZZ_CASES, FUZZ_SEED)
	@FUZZ_CASES=$${FUZZ_CASES:-20000} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} $(BIN)/python -m pytest tests/fuzz -s -p no:randomly

audit: setup ## ask an advisory service about every locked version (needs the network)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.lock || \
	  { echo "not audited, or not clean: pip-audit says which above; without an advisory service nothing is proved"; exit 1; }

openapi: setup ## write openapi/openapi.json anew
	$(BIN)/baton openapi > $(VENV)/openapi.json
	cp $(VENV)/openapi.json openapi/openapi.json

format: setup ## format and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure Baton against its floors
	@$(BIN)/python -m bench
