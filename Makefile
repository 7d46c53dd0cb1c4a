# Everything the project does, by name. `make` alone lists it.

export APE_DATA_FOLDER := $(CURDIR)/.ape-data
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# Without bytecode files every start of a tool costs seconds more.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?=
PYTEST_ARGS ?=
TYPED := kana_insurance scripts tools tests conftest.py
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-deep gas lint fmt clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install the pinned tools into .venv and node_modules

$(READY): pyproject.toml uv.lock package.json package-lock.json tools/setup.sh
	@PYTHON="$(PYTHON)" tools/setup.sh

demo: $(READY) ## Show the fund and its stakers living through a crash on a local chain; writes out/demo.html
	@python tools/build.py
	@python -m kana_insurance.demo

test: $(READY) ## Run the tests: on three chains and in the model at once (PYTEST_ARGS=...)
	@tools/test.sh $(PYTEST_ARGS)

test-deep: export KANA_DEEP := 1
test-deep: $(READY) ## Run long state machines, statement coverage, the mutants and each role check taken away
	ape test -p no:boa_test tests/unit tests/scenario tests/attacks --contract-coverage --contract-coverage-min 98 $(PYTEST_ARGS)
	pytest -p no:ape_test tests/model tests/stateful $(PYTEST_ARGS)
	python tools/mutants.py
	python tools/role_checks.py

gas: $(READY) ## Measure every operation on a fresh chain; writes docs/gas.md and docs/gas.json
	@python tools/build.py
	@python tools/gas.py

lint: $(READY) ## Check format, types, ABIs, storage layouts and the house rules
	ruff check .
	ruff format --check .
	mypy $(TYPED)
	mamushi --check contracts
	python tools/artifacts.py --check
	python tools/house.py

fmt: $(READY) ## Format Python and Vyper, write ABIs and storage layouts
	ruff check --fix-only --quiet .
	ruff format .
	mamushi contracts
	python tools/artifacts.py

clean: ## Remove what was built, installed and written by runs
	rm -rf .venv node_modules .ape-data .build .hypothesis .pytest_cache .mypy_cache .ruff_cache out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
