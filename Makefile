# Every target does its own set-up: a virtual environment in .venv with the versions of
# constraints.txt, made once and again only when pyproject.toml or constraints.txt change.
#   make demo      describe a region of a drawn picture; the annotated picture goes to out/
#   make test      ruff, mypy, import direction, tests
#   make lint      the first three of these
#   make setup     only the environment
# Another interpreter: make PYTHON=python3.12 setup

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

DEMO_SCENE := park
DEMO_REGION ?= --point 256,256

# the tests never go to the network, and two processes of one thread each suit two cores
TEST_ENV := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint clean

help:
	@sed -n 's/^#   //p' Makefile

setup: $(STAMP)
	@:

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than Python 3.10; use: make PYTHON=python3.11 setup"; exit 1; }
	@test -x $(PY) || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing (a minute or two, once)"
	@$(PY) -m pip install --disable-pip-version-check -qq --no-compile -c constraints.txt -e ".[dev,train]"
	@touch $@

demo: setup
	@mkdir -p out
	$(PY) -m finecaption caption examples/$(DEMO_SCENE).png $(DEMO_REGION) --all --save out/$(DEMO_SCENE).png
	@echo "Annotated picture: out/$(DEMO_SCENE).png"

lint: setup
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

test: lint
	@$(TEST_ENV) $(PY) -m pytest -n 2 --dist worksteal

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
