# SPDX-License-Identifier: Apache-2.0
# Needs Python 3.11 or later with venv and its headers, and nothing else: where there is no C++
# compiler, the build of the native core takes one from PyPI.
#
# `make demo` installs torch only where there is a driver for an NVIDIA card (or with GPU=yes): on a
# processor nothing but training and the tests needs it. On Linux, PyPI's torch is a build for such
# cards of several GB. Without one:
#   make test TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3.11
VENV ?= .venv
TORCH_INDEX ?=
GPU ?= $(shell ldconfig -p 2>/dev/null | grep -q "libcuda\.so\.1" && echo yes)
SOURCE ?= scene:640x360@30
SECONDS ?= 10
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
MANIFEST := pyproject.toml constraints.txt
CORE := CMakeLists.txt $(shell find streamcodec/core -name "*.[ch]pp" -o -name "*.py")

# An editable installation knows the modules that were there when it was made.
MODULES := $(VENV)/modules-$(shell find streamcodec services -name "*.py" | sort | cksum | cut -d " " -f 1)

.PHONY: help install demo test lint sanitize docs clean

help:
	@echo "make demo   install into $(VENV) and stream $(SOURCE) for $(SECONDS) s to a window"
	@echo "make test   ruff, mypy and pytest"
	@echo "make lint   ruff and mypy alone"
	@echo "make sanitize  the core's tests with address and undefined-behaviour sanitizers"
	@echo "make docs   rewrite the pages that are generated from the code"
	@echo "make clean  remove $(VENV) and what tools leave behind"

install: $(VENV)/installed

demo: $(VENV)/installed
	$(BIN)/streamcodec demo --source "$(SOURCE)" --seconds $(SECONDS)

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

sanitize: $(VENV)/installed-dev
	$(PIP) install --quiet cmake nanobind
	sh tests/sanitize.sh "$(abspath $(BIN))/python" $(PYTEST_ARGS)

docs: $(VENV)/installed-dev
	$(BIN)/python -m services.commands.reference > docs/commands.md
	$(BIN)/streamcodec config example > deploy/example.toml

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

$(VENV)/installed: $(VENV)/created $(CORE) $(MODULES) $(if $(GPU),$(VENV)/torch)
	$(PIP) install --quiet --constraint constraints.txt --editable ".$(if $(GPU),[networks])"
	@touch $@

$(VENV)/installed-dev: $(VENV)/torch $(CORE) $(MODULES)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/installed

$(MODULES): $(VENV)/created
	@rm -f $(VENV)/modules-*
	@touch $@

$(VENV)/created: $(MANIFEST)
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "streamcodec needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(VENV); this takes a minute or two the first time."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# By itself and before the others, so that TORCH_INDEX governs it and nothing else.
$(VENV)/torch: $(VENV)/created
	$(PIP) install --quiet --constraint constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	@touch $@
