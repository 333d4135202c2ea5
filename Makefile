# What a developer and CI call. Everything happens inside $(VENV); `make demo` and `make test` start from nothing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m

.PHONY: help setup up demo test check format bench lock gpu-check clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Made again when the dependencies change. The lock is a constraints file, so that pip alone can install it.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ntkd needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## virtual environment with the locked dependencies

up: setup ## the whole system in the foreground, until Ctrl-C
	@exec $(RUN) deploy.up

demo: setup ## the main job on 512 real digits, from nothing to eigenvalues
	@exec $(RUN) deploy.demo

test: setup ## the whole test suite, on a real PostgreSQL, Valkey and Celery
	$(RUN) pytest -n 2 --dist loadfile

check: setup ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

gpu-check: setup ## engine tests and the main job on CUDA, where there is a GPU
	$(RUN) deploy.gpu_check

bench: setup ## time the engine against its peers and the floor, and the service against its engine
	$(RUN) benchmarks.infinite
	$(RUN) benchmarks.finite
	$(RUN) benchmarks.training
	$(RUN) benchmarks.predictions
	$(RUN) benchmarks.service

lock: setup ## renew constraints.txt from pyproject.toml
	$(BIN)/pip install --quiet uv
	echo 'torch==2.13.0' | $(BIN)/uv pip compile --quiet --universal --all-extras --no-annotate --no-header \
	  -c - pyproject.toml -o constraints.txt

clean: ## remove the virtual environment and the caches, not the data in .ntkd
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
