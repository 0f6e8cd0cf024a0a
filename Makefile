# `make demo` and `make test` are all a newcomer needs: each builds .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check fix gen docs bench clean

demo: $(VENV)/.demo ## watch real answers stream from a real model
	$(BIN)/arriero demo

test: $(VENV)/.dev ## run the whole suite
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.dev ## what CI asks of every commit, apart from the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/stub.py --check
	$(BIN)/python tools/cli_docs.py --check
	$(BIN)/python -m pytest -q tests/test_fence.py tests/test_public_names.py

fix: $(VENV)/.dev ## format, and mend what can be mended by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

gen: $(VENV)/.dev ## write what is generated: the sync client, the stub, the CLI's pages
	$(BIN)/python tools/unasync.py
	$(BIN)/python tools/stub.py
	$(BIN)/python tools/cli_docs.py

docs: $(VENV)/.dev ## run every code block of README and docs
	$(BIN)/python -m pytest -q tests/docs

bench: $(VENV)/.dev ## measure, beside the official client and beside the floor
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade "pip>=25.1"

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[cli,server]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable . --group dev
	touch $@
