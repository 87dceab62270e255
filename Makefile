# The commands that people type. `make` alone lists them.

VENV   ?= .venv
BENCH  ?= .venv-bench
PYTHON ?= python3
BIN     = $(VENV)/bin
# One set of compiler settings for everything, so that nothing is compiled twice.
CARGO   = cargo
export CARGO_TERM_COLOR ?= auto

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rust test-python lint fmt bench bench-quick bench-kernels bench-readme bench-peers docs clean tools

help: ## list these commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo "bondline needs a Rust toolchain (cargo, 1.88 or newer): install rustup, then open a new shell." >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "bondline needs Python 3.11 or newer, found no '$(PYTHON)': install it or set PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "bondline needs Python 3.11 or newer, '$(PYTHON)' is older: set PYTHON=/path/to/a/newer/python." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: install its venv package (Debian: python3-venv)." >&2; exit 1; }
	@command -v cc >/dev/null 2>&1 || { \
	  echo "bondline needs a C linker ('cc'): install gcc or clang." >&2; exit 1; }

$(VENV)/.installed: requirements/constraints.txt pyproject.toml | tools
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c requirements/constraints.txt -r requirements/development.txt
	@touch $@

# maturin always asks cargo, which knows what changed.
setup: $(VENV)/.installed ## make the virtual environment and build the engine into it
	@env -u CONDA_PREFIX VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet --locked

demo: setup ## run the main job: digits, 64 pixels on 64 wires
	$(BIN)/python examples/digits_projected_kernel.py

test: setup lint test-rust test-python ## every check and every test of both languages

# The same package selection as the build of the bindings, so that dependencies are compiled once.
test-rust: setup ## Rust tests
	$(CARGO) test --release --locked --workspace --quiet

test-python: setup ## Python tests, docs and examples
	$(BIN)/python -m pytest

lint: setup ## formatting, lints, types, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest bondline._core
	$(BIN)/python tests/licences.py

fmt: setup ## format both languages
	$(CARGO) fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(BENCH)/.installed: benches/requirements.txt | tools
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benches/requirements.txt
	@touch $@

bench-peers: $(BENCH)/.installed ## install the peers of the benchmarks

PEERS = --peers-python $(abspath $(BENCH))/bin/python

bench: setup bench-peers ## side-by-side benchmarks against peers, kernels, growth curves
	$(BIN)/python -m benches.run $(PEERS)
	$(BIN)/python -m benches.samples $(PEERS)
	$(BIN)/python -m benches.gradients --rounds 1 $(PEERS)
	$(BIN)/python -m benches.kernels $(PEERS)
	$(BIN)/python -m benches.growth $(PEERS)

bench-quick: setup bench-peers ## the most telling rows, one call each
	$(BIN)/python -m benches.run --quick $(PEERS)

bench-kernels: setup bench-peers ## kernel matrices beside peers, with the one of 6,400 rows
	$(BIN)/python -m benches.kernels --long $(PEERS)

bench-readme: ## write the README's times from the last run
	$(BIN)/python -m benches.run --readme

clean: ## remove what was built
	rm -rf target $(VENV) $(BENCH) python/bondline/*.so examples/out benches/out
