# Two commands: `make run` and `make test`. Each makes .venv on first use and leaves it alone afterwards.

# Where python3 is older than 3.11: PYTHON=python3.12
PYTHON ?= python3
VENV   ?= .venv
# Another build of torch, e.g. TORCH='torch==2.9.1'. pip's own configuration says from where.
TORCH  ?= torch>=2.6,<2.14
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: run test check bench clean FORCE
.DELETE_ON_ERROR:

run: $(VENV)/.run
	@$(BIN)/workbench

test: $(VENV)/.test
	$(BIN)/python -m pytest

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/workbench lint

# The allocator as the workers have it (workbench/compute/crew.py).
bench: $(VENV)/.test
	MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=67108864 \
	  $(BIN)/python -m pytest tests/benchmarks -o addopts= -s -q

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship Python without ensurepip: then pip installs itself from outside.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	  "Python 3.11 or newer is needed, and '$(PYTHON)' is not: try make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

# Rewritten only when another torch is asked for, so that what depends on it stays as it is.
$(VENV)/.torch: FORCE | $(BIN)/python
	@echo '$(TORCH)' | cmp -s - $@ || echo '$(TORCH)' > $@
FORCE:

$(VENV)/.run: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing '$(TORCH)' and the workbench in $(VENV). This takes minutes, once."
	$(PIP) '$(TORCH)'
	$(PIP) --editable .
	$(BIN)/python -m compileall -q workbench engines
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(PIP) --editable '.[test,check]'
	@touch $@
