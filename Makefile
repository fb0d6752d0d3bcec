# One tool runs everything; `make` alone lists what there is.
#
# All of it happens in .venv, which is made and brought up to date by the targets that need it.
# What is installed is pinned and hashed in requirements/; pyproject.toml says what we ask for.

PYTHON ?= python3
LOCK_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
PIP_INSTALL := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# One thing after the other: the installer's output stays readable and `make -j up` keeps its stdin.
.NOTPARALLEL:
# These would send the installation to another place than .venv.
unexport PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV VIRTUAL_ENV

.PHONY: help up test coverage oracle sim mechanisms fuzz hostile starve chaos workers check lint format types imports tidy lock bench bench-core build compiled clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r name says; do \
	    printf '  make %-10s %s\n' "$$name" "$$says"; done

up: $(VENV)/.run ## run everything and a prompt, or answer the lines on stdin; ARGS='6555 6556 6557 6558' passes options
	@exec $(BIN)/linebus up $(ARGS)

test: $(VENV)/.dev ## run the tests, two at a time; ARGS='-k lease' passes options to pytest
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

# The parts that promise one outcome for each request, by their own tests: every branch of them.
COVERED := src/linebus/core/*,src/linebus/wire/*,src/linebus/client/session.py,src/linebus/worker/session.py

coverage: $(VENV)/.dev ## core, wire and sessions by their own tests; below 100 % of the branches it fails
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest tests/core tests/wire tests/client/test_session.py \
	    tests/worker/test_session.py tests/nasty/test_nasty.py $(ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --skip-covered --fail-under=100 --include='$(COVERED)'

oracle: $(VENV)/.dev ## 20,000 mixed lines through `linebus up`, each reply compared with sympy's
	@LINEBUS_ORACLE_LINES=20000 $(BIN)/python -m pytest tests/integration/test_oracle.py $(ARGS)

sim: $(VENV)/.dev ## the core in a storm of seeded faults, 5,000 seeds (CI: a few hundred); ARGS=0..99 for others
	@$(BIN)/python -m linebus.testing.simulator $(or $(ARGS),0..4999)

mechanisms: $(VENV)/.dev ## each mechanism switched off: how many of 200 seeds notice; ARGS=50 for fewer
	@$(BIN)/python -m tests.simulator.mechanisms $(ARGS)

fuzz: $(VENV)/.dev ## any bytes at the codecs and the broker, 20,000 examples a target (CI: a few)
	@LINEBUS_FUZZ_EXAMPLES=$${LINEBUS_FUZZ_EXAMPLES:-20000} $(BIN)/python -m pytest tests/fuzz --timeout 0 \
	    --hypothesis-show-statistics $(ARGS)

check: lint types imports tidy ## everything that reads the code without running it

lint: $(VENV)/.dev ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.dev ## ruff: format, and fix what can be fixed safely
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

types: $(VENV)/.dev ## mypy, strict, on src and tests
	@$(BIN)/mypy

imports: $(VENV)/.dev ## import-linter: who may import whom
	@$(BIN)/lint-imports

tidy: $(VENV)/.dev ## our own habits: sizes, names, a test file for every module
	@$(BIN)/python -m pytest tests/test_tidy.py

hostile: $(VENV)/.dev ## attacks of all kinds at full speed beside honest peers; ARGS=300 for so many seconds
	@$(BIN)/python bench/hostile.py $(ARGS)

starve: $(VENV)/.dev ## how long an honest client waits beside the slowest numbers there are; ARGS=60 for so many seconds
	@$(BIN)/python bench/hostile_numbers.py $(ARGS)

chaos: $(VENV)/.dev ## kill, stop and cut real processes under load, check each reply; ARGS='180 7': seconds, seed
	@$(BIN)/python bench/chaos.py $(ARGS)

workers: $(VENV)/.dev ## what an executor costs, how soon its death is mended, what a long line holds up
	@$(BIN)/python bench/workers.py $(ARGS)

bench: $(BENCH)/.ready ## linebus and its peers on the same work, into docs/benchmarks.md; ARGS='--quick --only nats,celery'
	@$(BENCH)/bin/python bench/compare.py $(ARGS)

bench-core: $(VENV)/.run ## instructions of the core for a lone request and a line of a run, which no noise touches (needs valgrind)
	@$(BIN)/python bench/core.py

build: $(VENV)/.run ## make the wheel in dist/
	@$(BIN)/python -m hatchling build -t wheel

# mypyc writes beside what it compiles, so it is given a copy.
compiled: $(VENV)/.made ## make a wheel whose core, wire and sessions are compiled by mypyc (needs a C compiler)
	@set -e; \
	tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools"; \
	"$$tools/bin/python" -m pip --quiet --disable-pip-version-check install -r requirements/compile.txt; \
	mkdir "$$tools/copy"; cp -R src pyproject.toml README.md LICENSE "$$tools/copy"; \
	cd "$$tools/copy"; HATCH_BUILD_HOOKS_ENABLE=1 "$$tools/bin/python" -m hatchling build -t wheel -d "$(CURDIR)/dist"

# Pins stay as they are unless pyproject.toml asks for more; `make lock LOCK_FLAGS=--upgrade` renews them.
# uv lives in a temporary place only for as long as this takes. dev.txt comes first and binds run.txt, so
# that both agree on every version. The machine's own certificates count, as they do for pip.
lock: ## pin and hash what pyproject.toml asks for, into requirements/
	@set -e; \
	tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" -m pip --quiet --disable-pip-version-check install uv; \
	compile() { UV_SYSTEM_CERTS=1 "$$tools/bin/uv" pip compile pyproject.toml --quiet --universal --generate-hashes \
	    --python-version 3.11 --custom-compile-command 'make lock' $(LOCK_FLAGS) "$$@"; }; \
	compile --extra dev --output-file requirements/dev.txt >/dev/null; \
	compile --group build --constraints requirements/dev.txt --output-file requirements/run.txt >/dev/null; \
	compile --group bench --constraints requirements/dev.txt --output-file requirements/bench.txt >/dev/null; \
	compile --group compile --constraints requirements/dev.txt --output-file requirements/compile.txt >/dev/null

clean: ## remove .venv, .venv-bench, dist and the tools' caches
	@rm -rf $(VENV) $(BENCH) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@rm -rf .coverage .coverage.* htmlcov
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ---- the environment, in three steps; each leaves its mark only when it is complete -----------------
#
# The marks lie inside .venv, so they go when it goes. The first holds the checkout's path: an
# environment that was moved (its scripts name the old path), whose Python has been removed, or that was
# left half made, is made again. Everything is said on stderr and nothing reads stdin, because both belong
# to `linebus up`. (With -C, make itself says on stdout which directory it enters; -s silences it.)

SOUND := $(shell [ "$$(cat $(VENV)/.made 2>/dev/null)" = "$(CURDIR)" ] && $(BIN)/python -c '' 2>/dev/null && echo yes)

$(VENV)/.made: $(if $(SOUND),,FORCE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null 2>/dev/null || { \
	    echo "linebus needs Python 3.11 or newer and '$(PYTHON)' is not; name one that is: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
	    exit 1; }
	@echo "linebus: making .venv and installing into it; this happens once" >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) </dev/null >&2
	@printf '%s\n' "$(CURDIR)" >$@

$(VENV)/.run: $(VENV)/.made requirements/run.txt pyproject.toml
	@rm -f $@
	@$(PIP_INSTALL) -r requirements/run.txt </dev/null >&2
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e . </dev/null >&2
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@rm -f $@
	@$(PIP_INSTALL) -r requirements/dev.txt </dev/null >&2
	@touch $@

# The peers have an environment of their own: nobody else needs them. What cannot be installed is left out,
# and the benchmarks name it.
BENCH_SOUND := $(shell [ "$$(cat $(BENCH)/.ready 2>/dev/null)" = "$(CURDIR)" ] && $(BENCH)/bin/python -c '' 2>/dev/null && echo yes)

$(BENCH)/.ready: $(VENV)/.made requirements/run.txt requirements/bench.txt pyproject.toml $(if $(BENCH_SOUND),,FORCE)
	@echo "linebus: making .venv-bench with the programs to compare with; this happens once, and takes minutes" >&2
	@rm -rf $(BENCH)
	@$(BIN)/python -m venv $(BENCH) </dev/null >&2
	@$(BENCH)/bin/python bench/install.py requirements/run.txt requirements/bench.txt </dev/null >&2
	@printf '%s\n' "$(CURDIR)" >$@

FORCE:
