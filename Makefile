.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

ROOMS := core crm agent media_models voice telephony channels admin app
# Peers that the end-to-end tests call with: a load generator, a real softphone, a browser.
TEST_PACKAGES := sip-tester baresip-core chromium

.PHONY: help
help: ## what each target does
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

# --- environment -----------------------------------------------------------------------------------------------

$(BIN)/uv:
	@echo "· creating the virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null

$(VENV)/.base: requirements/base.txt pyproject.toml | $(BIN)/uv
	@echo "· installing the locked packages (about 0.9 GB on disk; the first time takes a minute or two)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/base.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	@echo "· installing the tools for checks and tests"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: setup system-packages test-packages lock
setup: $(VENV)/.dev ## virtual environment with everything for work on the code

system-packages: ## Debian packages for the end-to-end tests (needs root)
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES) >/dev/null

test-packages:
	@if command -v sipp >/dev/null && command -v baresip >/dev/null && command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "· installing $(TEST_PACKAGES)"; $(MAKE) --no-print-directory system-packages; \
	else echo "· without root the calls of sipp and baresip and the browser's tests are skipped; to run them: sudo make system-packages"; fi

lock: | $(BIN)/uv ## recompute the hash-locked requirements
	$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/base.in -o requirements/base.txt
	$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/base.txt requirements/cloud-speech.in -o requirements/cloud-speech.txt
	$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/base.txt requirements/dev.in -o requirements/dev.txt

# --- checks ----------------------------------------------------------------------------------------------------

.PHONY: lint types check fix
lint: $(VENV)/.dev ## format, lint, borders between the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy $(ROOMS) bench

# Types and lint of the chat's widget. Node and npm are the ones of the virtual environment; the widget itself is served
# as it stands and needs neither.
WIDGET := channels/web_chat
$(WIDGET)/node_modules/.installed: $(WIDGET)/package-lock.json | $(VENV)/.dev
	@echo "· installing the checks of the chat's widget"
	@cd $(WIDGET) && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --silent --no-fund --no-audit
	@touch $@

.PHONY: widget
widget: $(WIDGET)/node_modules/.installed ## the chat's widget: types and lint
	cd $(WIDGET) && PATH="$(abspath $(BIN)):$$PATH" npm run --silent check

check: lint types widget ## everything that needs no running

fix: $(VENV)/.dev ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --- tests -----------------------------------------------------------------------------------------------------

.PHONY: test test-unit test-contract test-integration test-dialogues test-e2e
test: check test-packages ## checks and all tests
	$(BIN)/pytest $(ARGS)

test-unit test-contract test-integration test-dialogues test-e2e: test-%: $(VENV)/.dev ## one category of tests
	$(BIN)/pytest tests/$* $(ARGS)

# --- run -------------------------------------------------------------------------------------------------------

.PHONY: demo serve
demo: $(VENV)/.base ## bring everything up and place one real call (ARGS=--once stops after it)
	@$(BIN)/ai-admin demo $(ARGS)

serve: $(VENV)/.base ## the same stack without a call; prints one JSON line when ready
	@$(BIN)/ai-admin serve $(ARGS)
