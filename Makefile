# Every target does its own set-up: a virtual environment in .venv with the versions of
# constraints.txt, made once and again only when pyproject.toml or constraints.txt change.
#   make demo      describe a region of an example image; the annotated image goes to out/
#   make test      ruff, mypy, import direction, tests
#   make test-random  the tests in random order; make test-random SEED=1 repeats an order
#   make lint      the checks without the tests
#   make bench     the benchmarks of speed that need no GPU; results in benchmarks/results
#   make gauntlet  a thousand hostile and odd inputs; fails if one is not met as it must be
#   make ablation  the paper's ablation in miniature: hours; resumes where it was stopped
#   make ablation-smoke  the same in minutes, to check that it runs; its results mean nothing
#   make docs      build the site in site/; fails on a broken link
#   make gallery   render the contact sheets of docs/gallery.md again
#   make setup     create the environment only
# Another interpreter: make PYTHON=python3.12 setup

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

DEMO_SCENE ?= examples/room.png
DEMO_REGION ?= --mask examples/twins/rabbit.png

# Bytecode is written even where the user's environment forbids it: dozens of processes import torch.
# All else that the tests need of their environment is set in tests/conftest.py.
TEST_ENV := PYTHONDONTWRITEBYTECODE=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-random lint bench gauntlet ablation ablation-smoke docs gallery clean

help:
	@sed -n 's/^#   //p' Makefile

setup: $(STAMP)
	@:

$(STAMP): pyproject.toml $(wildcard packages/*/pyproject.toml) constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than Python 3.10; use: make PYTHON=python3.11 setup"; exit 1; }
	@test -x $(PY) || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing (a minute or two, once)"
	@$(PY) -m pip install --disable-pip-version-check -qq --no-compile -c constraints.txt -e ".[dev,train]" \
	  -e packages/finecaption-synth -e packages/finecaption-annotate
	@touch $@

demo: setup
	@mkdir -p out
	$(VENV)/bin/finecaption caption $(DEMO_SCENE) $(DEMO_REGION) --all --save out/demo.png
	@echo "Annotated image: out/demo.png"

gallery: setup
	@$(VENV)/bin/finecaption synth gallery --out docs/gallery --page docs/gallery.md

# each compares with a rival in the same run; the longer ones are named in docs/speed.md
bench: setup
	@for name in describe scaling prefix_attention bulk coldstart metrics_speed train_step; do \
	  echo "== $$name"; $(PY) benchmarks/$$name.py || exit 1; done

gauntlet: setup
	@$(TEST_ENV) $(PY) benchmarks/gauntlet.py

ablation: setup
	@$(PY) -m benchmarks.table2.run --out runs/ablation

ablation-smoke: setup
	@$(PY) -m benchmarks.table2.run --out runs/ablation-smoke --smoke

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

lint: setup
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

test: lint
	@$(TEST_ENV) $(PY) -m pytest -n 2 --dist worksteal

# only the order: the tests seed what they draw from
SEED ?= $(shell date +%s)
test-random: setup
	@$(TEST_ENV) $(PY) -m pytest -n 2 --dist worksteal -p randomly \
	  --randomly-seed=$(SEED) --randomly-dont-reset-seed

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
