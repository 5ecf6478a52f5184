# One virtual environment, .venv, with the exact versions of constraints.txt.
# Any target refreshes it when pyproject.toml, constraints.txt or the list of source files changed.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := layerstudio pipelines weights ui
STRICT := --config-settings editable_mode=strict

.PHONY: demo test test-browser lint ui bench FORCE

demo: $(VENV)/tree.stamp
	$(BIN)/python examples/demo.py out

test: $(VENV)/tree.stamp
	$(BIN)/pytest -n 2 --dist loadgroup -q

# The web studio in Chromium, end to end; one process, because a browser fills two cores.
test-browser: $(VENV)/tree.stamp
	$(BIN)/pytest --browser -m "browser and not slow" -q tests/web

lint: $(VENV)/tree.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The web studio, on this machine only. Options: make ui OPTIONS="--port 8000 --no-open"
OPTIONS ?=
ui: $(VENV)/tree.stamp
	$(BIN)/layerstudio ui $(OPTIONS)

bench: $(VENV)/tree.stamp
	$(BIN)/layerstudio bench --jobs 2

$(VENV)/dependencies.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev,models,web]' $(STRICT)
	touch $@

# The strict install links file by file, so that editors and pyright see the mapped folders as
# subpackages; it must be made again when a file appears or goes.
$(VENV)/tree.stamp: $(VENV)/dependencies.stamp $(VENV)/files.txt
	rm -rf build/__editable__.*
	$(BIN)/pip install -q --no-deps --no-build-isolation -e . $(STRICT)
	touch $@

$(VENV)/files.txt: $(VENV)/dependencies.stamp FORCE
	@find $(PACKAGES) -type f ! -path '*/__pycache__/*' | LC_ALL=C sort > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

FORCE:
