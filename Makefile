# make demo    install once, run egs2/mini_ee to the end, print the per-exit results
# make test    install once, run the tests           (PYTEST_ARGS="-m slow" for the slow ones)
# make smoke   install once, run every stage of egs2/mini_ee (or RECIPE=an4_ee) with a tiny model
# make lint    install once, run ruff and mypy
# make clean   remove the virtual environment of this PYTHON
#
# PYTHON=python3.12 selects the interpreter. The default one gets .venv, any other its own
# .venv-<version>, so switching back and forth installs nothing twice.

PYTHON ?= python3
DEMO_ARGS ?=
RECIPE ?= mini_ee
PYTEST_ARGS ?=

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ifeq ($(origin PYTHON),file)
VENV ?= .venv
else
VENV ?= .venv-$(VERSION)
endif
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check

# Recipes and tests call python3 and espnet-ee by name and find those of the environment.
ACTIVATE := PATH="$(BIN):$$PATH" VIRTUAL_ENV="$(abspath $(VENV))"
RESULTS = $$(ls -t egs2/mini_ee/exp/asr_*/RESULTS.md | head -n 1)

.PHONY: help demo smoke test lint clean check-python
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

# Each stamp is one finished installation; a changed setup.py or pyproject.toml renews it.
$(VENV)/.installed-test $(VENV)/.installed-dev: $(VENV)/.installed-train
$(VENV)/.installed-%: setup.py pyproject.toml | check-python
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "make: $(PYTHON) cannot make a virtual environment" >&2; \
	  echo "  fix:  install its venv module (Debian: apt install python$(VERSION)-venv) or choose another PYTHON=" >&2; \
	  exit 1; }
	@echo "make: installing espnet-ee[$*] into $(VENV) (once; ESPnet and PyTorch take minutes and 6 GB)"
	@$(PIP) --quiet --editable '.[$*]' || { \
	  echo "make: installing into $(VENV) failed, see above; run make again to go on" >&2; exit 1; }
	@touch $@

check-python:
	@test -n "$(VERSION)" || { echo "make: there is no working interpreter $(PYTHON)" >&2; \
	  echo "  fix:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "make: $(PYTHON) is Python $(VERSION)" >&2; \
	  echo "  want: Python 3.11 (ESPnet 202511), 3.12 or 3.13 (ESPnet 202611)" >&2; \
	  echo "  fix:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }

demo: $(VENV)/.installed-train
	@cd egs2/mini_ee && $(ACTIVATE) ./run.sh $(DEMO_ARGS)
	@results=$(RESULTS) && cat "$$results" && echo && echo "table:  $$results" && \
	  echo "figure: $$(ls "$$(dirname "$$results")"/wer_vs_cost.png)"

smoke: $(VENV)/.installed-train
	@cd egs2/$(RECIPE) && $(ACTIVATE) ./run.sh --asr_config conf/train_ee_smoke.yaml --expdir exp/smoke

test: $(VENV)/.installed-test
	$(ACTIVATE) $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)
