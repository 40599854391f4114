# One command a verb. Every target builds on `setup`; a plain venv and pip are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo run test lint bench lock clean

setup: $(STAMP)

$(STAMP): requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	touch $(STAMP)

demo: setup
	$(BIN)/python main.py demo

run: setup
	$(BIN)/python main.py run

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 3 --dist worksteal

BENCHES := runtime reaction isolation recovery footprint economy simulation

bench: setup
	for bench in $(BENCHES); do echo "== $$bench"; $(BIN)/python tests/bench/$$bench.py || exit 1; done

# Needs uv once: writes the pinned, hashed list that `setup` installs. It names no index.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
