# make demo   install into .venv, then the tour on real data (docs/demo.png is its picture)
# make test   install into .venv, then lint, types, layers, site, doctests and tests: what CI runs
# make test-seeds   what depends on draws, from 20 other seeds: SHIFTS="1 2 3" chooses some
# make test-pythons   every Python at hand, with the newest and the lowest dependencies
# make docs   the site, into build/site
# make wheel  what is handed out, into dist: the sdist, and a wheel for old systems, looked into and tried;
#             MACHINE=aarch64 compiles for another processor, which needs qemu-user to be tried
# make bench  the sampler against the plain Stan program, results to benchmarks/results
# make bench-peers   against other packages, in build/peers, and lme4 where R has it: hours on two cores;
#             PEERS="--only M,InstEval --programs skhlm" measures some again

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCE := pyproject.toml $(shell find stan -name "*.stan" -o -name "*.hpp" -o -name "*.cpp" -o -name build.py)

.PHONY: demo test test-seeds test-pythons lint types layers docs wheel bench bench-peers clean

demo: $(VENV)/installed
	$(BIN)/python -m skhlm.demo

test: $(VENV)/installed lint types layers docs
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# Whatever fits a model: tests, pages, docstrings. A shift takes about as long as `make test`.
SHIFTS ?= $(shell seq 1 20)
DRAWN  := tests/baselines tests/diagnostics tests/displays tests/engine/program/test_runs.py tests/files \
          tests/html_report tests/methods tests/posterior tests/reports tests/stan/test_command_line.py \
          $(filter-out %build.py %blocks.py %datasets.py %priors.py,$(wildcard tests/test_*.py)) skhlm

test-seeds: $(VENV)/installed
	for shift in $(SHIFTS); do \
	  echo "SKHLM_TEST_SEED=$$shift"; \
	  SKHLM_TEST_SEED=$$shift $(BIN)/python -m pytest -q --numprocesses auto --dist loadfile $(DRAWN) || exit 1; \
	done

test-pythons: $(VENV)/installed
	$(BIN)/python -m tests.pythons

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

layers: $(VENV)/installed
	$(BIN)/lint-imports

docs: $(VENV)/installed
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/site

MACHINE ?= $(shell uname -m)
wheel: $(VENV)/installed
	$(BIN)/python -m pip install --quiet 'skhlm[release]'
	$(BIN)/python -m release.wheel --machine $(MACHINE)

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.sampling

bench-peers: $(VENV)/installed build/peers/installed
	$(BIN)/python -m benchmarks.peers $(PEERS)

build/peers/installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --requirement $<
	touch $@

$(VENV)/installed: $(SOURCE)
	@echo "Installing into $(VENV), and compiling the Stan program: a few minutes ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[docs,test]'
	touch $@

clean:
	rm -rf $(VENV) build dist skhlm/engine/program/bin docs/_gallery docs/_reference
