# make demo   install into .venv, then the tour on real data (docs/demo.png is its picture)
# make test   install into .venv, then lint, types, layers, site, doctests and tests: what CI runs
# make docs   the site, into build/site
# make bench  the sampler against the plain Stan program, results to benchmarks/results

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCE := pyproject.toml $(wildcard stan/* stan/command_line/*)

.PHONY: demo test lint types layers docs bench clean

demo: $(VENV)/installed
	$(BIN)/python -m skhlm.demo

test: $(VENV)/installed lint types layers docs
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

layers: $(VENV)/installed
	$(BIN)/lint-imports

docs: $(VENV)/installed
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/site

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.sampling

$(VENV)/installed: $(SOURCE)
	@echo "Installing into $(VENV), and compiling the Stan program: a few minutes ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[docs,test]'
	touch $@

clean:
	rm -rf $(VENV) build dist skhlm/engine/bin docs/_gallery docs/_reference
