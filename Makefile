# `make` alone prints the list. Every target first prepares what it needs, by itself and once.
# Written for the oldest make still shipped (3.81): one shell line for each step.

VENV := .venv
PYTHON := $(VENV)/bin/python
STATIC := static/vendor
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --quiet
# Requirements are checked by hash: constraints of this machine's own must not mix in.
CLEAN := env -u PIP_CONSTRAINT -u UV_CONSTRAINT -u PIP_USER -u PIP_TARGET

.PHONY: help setup demo check format types test storm bench pages live lock

help: ## Print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) \
		| while IFS="$$(printf '\t')" read -r name words; do \
			printf '  make %-8s %s\n' "$$name" "$$words"; done

setup: $(VENV)/.runtime ## Put all that the app needs into .venv/ and static/vendor/
	@$(PYTHON) -m dashboard.assets

demo: setup ## Run everything at http://localhost:8000 with a pretend Xero
	@exec $(PYTHON) -m flask --app wsgi demo

test: setup $(VENV)/.tests ## Run all tests; they start their own Redis, PostgreSQL and browser
	@$(PYTHON) -m tests.support.chromium
	@echo 'On PostgreSQL, what touches the database:'
	@TEST_DATABASE=postgresql $(PYTHON) -m pytest -n auto -p tests.support.layers $(ARGS)
	@echo 'On SQLite, everything:'
	@$(PYTHON) -m pytest -n auto -p tests.support.layers $(ARGS)

storm: setup $(VENV)/.tests ## Run the long fault harnesses (minutes), or those named in ARGS
	@$(PYTHON) -m tests.storm $(ARGS)

bench: setup $(VENV)/.tests ## Measure the limits (an hour), or what ARGS names; prints tables
	@$(PYTHON) -m tests.bench $(ARGS)

pages: setup $(VENV)/.tests ## Look at every state of every page; ask Lighthouse and the Observatory
	@$(PYTHON) -m tests.support.chromium
	@$(PYTHON) -m tests.pages.judges
	@$(PYTHON) -m pytest -n auto -p tests.support.layers -p tests.pages.tally tests/pages $(ARGS)

check: format types test ## Check formatting, lint and types, then run all tests

format: $(VENV)/.tests ## Check formatting and lint
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m ruff check --quiet .

types: $(VENV)/.tests ## Check types
	@$(PYTHON) -m mypy

live: setup $(VENV)/.tests ## Walk the journey in a real Xero Demo Company (credentials needed)
	@$(PYTHON) -m pytest -rs tests/live

lock: ## Write both lock files anew from pyproject.toml (needs uv)
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --output-file requirements-dev.lock

$(PYTHON):
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python '>=3.11' $(VENV); \
	elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo 'Python 3.11 or newer is needed, as python3 on the PATH; or install uv.' >&2; exit 1; \
	elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "This Python cannot make virtual environments: install the package python3-venv, or uv." >&2; \
		exit 1; \
	else \
		python3 -m venv $(VENV); \
	fi

$(VENV)/.runtime: requirements.lock | $(PYTHON)
	@echo 'Installing what the app needs ...'
	@$(call install,requirements.lock)
	@touch $@

$(VENV)/.tests: requirements-dev.lock $(VENV)/.runtime
	@echo 'Installing what the tests need ...'
	@$(call install,requirements-dev.lock)
	@touch $@

define install
if command -v uv >/dev/null; then \
	$(CLEAN) uv pip install --quiet --python $(PYTHON) --require-hashes --requirement $(1); \
else \
	$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip >/dev/null; \
	$(CLEAN) $(PYTHON) -m pip install -qq --no-compile --require-hashes --requirement $(1); \
fi
endef
