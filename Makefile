.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help
help: ## what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv

$(VENV)/.base: requirements/base.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/base.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: setup lock check fix test demo serve
setup: $(VENV)/.dev ## virtual environment with everything for work on the code

lock: | $(BIN)/uv ## recompute the hash-locked requirements
	$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/base.in -o requirements/base.txt
	$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/base.txt requirements/dev.in -o requirements/dev.txt

check: $(VENV)/.dev ## format, lint, types, borders between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy core crm agent media_models voice telephony channels admin app bench
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check ## checks and all tests
	$(BIN)/pytest $(ARGS)

demo: $(VENV)/.base ## bring everything up and place one real call (ARGS=--once stops after it)
	$(BIN)/ai-admin demo $(ARGS)

serve: $(VENV)/.base ## the same stack without a call
	$(BIN)/ai-admin serve $(ARGS)
