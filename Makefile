# One command each: run the service, test it, check it, measure it. `make help` lists them.

PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: help run test test-interpreters interop lint format schema bench bench-quick clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: $(VENV)/.run  ## serve https://localhost:8443/createvouchers with demo data
	@$(BIN)/createvouchers demo
	@exec $(BIN)/createvouchers serve

test: $(VENV)/.dev  ## every test that needs only Python, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -n $(WORKERS)

test-interpreters: $(VENV)/.dev  ## the unit tests on every supported Python that is installed
	PYTHON=$(BIN)/python tests/interpreters.sh

interop: $(VENV)/.dev  ## the integrator's day with every client stack, installing what is missing
	$(BIN)/python -m interop
	$(BIN)/python -m interop.stumble
	$(BIN)/python -m interop.oracle

schema: $(VENV)/.dev  ## write schema/schema.sql anew from the tables
	$(BIN)/python -m schema.dump

lint: $(VENV)/.dev  ## style, types and the import rules of the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## put the sources into the house's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev  ## measure against the bare server, write docs/performance.md
	bench/install
	$(BIN)/python -m bench

bench-quick: $(VENV)/.dev  ## the same in two minutes, ratios as JSON on the last line
	@bench/install >&2
	@$(BIN)/python -m bench --quick

clean:  ## remove environments and caches, keep the data
	rm -rf .venv .venv-* .interop build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with its venv module is needed (Debian: apt-get install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.run $@
