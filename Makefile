# Every target does its own set-up, once: a second run goes straight to the work.
DEFAULT := $(shell command -v python3.11 || command -v python3)
PYTHON ?= $(DEFAULT)

# .venv holds the default version of Python, and .venv-3.13 what PYTHON=python3.13 asks for.
version = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ASKED := $(or $(call version,$(PYTHON)),$(error PYTHON=$(PYTHON) does not start))
VENV := .venv$(addprefix -,$(filter-out $(call version,$(DEFAULT)),$(ASKED)))
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: book pdf wheel quick test lint bench contest linkcheck audit newest report lock clean

book: $(READY)
	$(BIN)/spectralgrad build

pdf: $(READY)
	@$(BIN)/spectralgrad pdf

# The package with the chapters and the scripts of its pages, to be installed anywhere, in dist.
wheel: $(READY)
	@$(BIN)/hatchling build

# Two processes with as many threads each as there are processors would wait for one another.
quick test: export OMP_NUM_THREADS ?= 1

# What needs neither chapters nor a browser, with few examples for each property: while working.
quick: lint
	$(BIN)/python -m pytest tests --ignore-glob='tests/chapters/test_*' -m 'not slow' -n 2 --hypothesis-profile=quick

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov

lint: $(READY)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# make bench K='one and 1024' for a part of it: some minutes, on a machine that does nothing else.
bench: $(READY)
	$(BIN)/python -m pytest benchmarks --benchmark-quiet -q $${K:+-k "$$K"}

# Some ten minutes. The packages it takes need the one Python that has them all.
contest: .venv-contest/ready
	@.venv-contest/bin/python -m contest.run

linkcheck: $(READY)
	@$(BIN)/python tools/linkcheck.py

audit: $(READY)
	@$(BIN)/python tools/audit.py

# make newest PYTHON=python3.13: what has changed since the book in the newest releases, in sentences.
newest:
	@$(PYTHON) tools/newest.py

# make report MATRIX=my.csv [CHAPTER=svd_example]: the shell reads them from the environment, so that
# no character of a file name means anything to it.
report: $(READY)
	@test -n "$$MATRIX" || { echo 'make report: name a matrix, as in: make report MATRIX=my.csv' >&2; exit 2; }
	@$(BIN)/spectralgrad report $${CHAPTER:+--chapter "$$CHAPTER"} -- "$$MATRIX"

# make lock UPGRADE=1 takes the newest of everything; without it, what is pinned and fits stays.
lock:
	$(PYTHON) tools/lock.py $(if $(UPGRADE),--upgrade)

clean:
	rm -rf _build .venv .venv-* dist node_modules

$(READY): requirements.lock pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("spectralgrad needs Python 3.11 or later, and this is %d.%d: set PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $(READY)

.venv-contest/ready: contest/requirements.lock pyproject.toml
	python3.11 -m venv .venv-contest
	.venv-contest/bin/python -m pip install --quiet --disable-pip-version-check -r contest/requirements.lock
	.venv-contest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch .venv-contest/ready
