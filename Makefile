# Everything that is done here by hand is a target here. `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.PHONY: bench bench-peers campaign check clean constraints demo demo-page format help pictures teeth test

# An interpreter of your choice: make test PYTHON=python3.13 (after make clean)
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check

# pytest's own arguments: make test ARGS="tests/unit -k clock". The last -n counts: ARGS=-n0 keeps to one process.
ARGS ?=

help:
	@echo "make demo         five onboarding runs on this machine, as readable timelines"
	@echo "make demo-page    the same, and then the audit page with these runs, on 127.0.0.1"
	@echo "make test         the whole test suite (ARGS=... is handed to pytest)"
	@echo "make check        formatting, lint, types, import contract, and the code blocks in the docs"
	@echo "make campaign     the long fault campaigns, simulated and with real processes (ARGS=\"--seed 7\")"
	@echo "make teeth        plant bugs in a copy of the engine and see each caught"
	@echo "make bench        the benchmarks, in a few minutes (ARGS=name runs one; AMENDS_BENCH=long: the long form)"
	@echo "make bench-peers  the same run by its peers, which are installed beside the project (ARGS=\"DBOS Absurd\")"
	@echo "make format       format the code and mend what the linter can mend"
	@echo "make pictures     take the screenshots in docs/images anew (needs chromium)"
	@echo "make constraints  install the newest versions that pyproject.toml allows and write constraints.txt"
	@echo "make clean        remove everything that make and the tools have made"
	@echo "The first of them makes .venv, and makes it again when pyproject.toml or constraints.txt has changed."

demo: $(READY)
	@$(BIN)/amends demo $(ARGS)
	@echo
	@echo "In a browser, with what a person can tell a run: make demo-page"

demo-page: $(READY)
	@$(BIN)/amends demo --page $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest --numprocesses=logical --dist=worksteal $(ARGS)

# Each looks at everything, and all of them are run, so that one round shows all there is to mend.
check: $(READY)
	@$(MAKE) --keep-going .formatting .lint .types .imports .docs

.PHONY: .formatting .lint .types .imports .docs
.formatting:
	@$(BIN)/ruff format --check --quiet . || { echo "make format mends this"; exit 1; }
.lint:
	@$(BIN)/ruff check --quiet .
.types:
	@$(BIN)/mypy
.imports:
	@report=$$($(BIN)/lint-imports --no-logo --no-cache) || { echo "$$report"; exit 1; }
.docs:
	@$(BIN)/python -m pytest -q tests/docs

bench: $(READY)
	@set -e; found=; for file in benchmarks/$(or $(ARGS),[a-z]*).py; do \
		test -f "$$file" || continue; found=1; name=$${file%.py}; name=$${name#*/}; \
		echo "== $$name"; $(BIN)/python -m "benchmarks.$$name"; \
	done; test -n "$$found" || { echo "no benchmark of that name in benchmarks/"; exit 1; }

# The peers have an environment of their own, so that nothing of theirs comes near the project's.
PEERS := .venv-peers
PEERS_READY := $(PEERS)/.ready

bench-peers: $(READY) $(PEERS_READY)
	@$(BIN)/python -m benchmarks.peers.compare $(ARGS)

$(PEERS_READY): benchmarks/peers/requirements.txt benchmarks/peers/package.json
	@echo "Setting up $(PEERS) ..."
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install -qq -r benchmarks/peers/requirements.txt
	@if command -v npm >/dev/null; then npm install --silent --no-package-lock --prefix benchmarks/peers; fi
	@touch $@

campaign: $(READY)
	@$(BIN)/python -m amends.testing.campaign
	@HYPOTHESIS_PROFILE=campaign AMENDS_CAMPAIGN=1 $(BIN)/python -m pytest -q tests/property
	@AMENDS_CAMPAIGN=1 $(BIN)/python -m pytest -q tests/integration/test_projections_live.py \
		tests/integration/test_cancel_races.py tests/integration/test_hooks.py tests/simulation/test_timers.py tests/simulation/test_locks.py
	@AMENDS_FUZZ=20000 $(BIN)/python -m pytest -q -n2 tests/console/test_fuzzing.py
	@$(BIN)/python -m tests.campaign $(ARGS)

teeth: $(READY)
	@$(BIN)/python -m tests.teeth $(ARGS)

format: $(READY)
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

pictures: $(READY)
	@$(BIN)/python -m tests.browser.pictures

clean:
	@rm -rf $(VENV) $(PEERS) benchmarks/peers/node_modules build dist amends.egg-info .coverage .coverage.* htmlcov \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# Made in one go and marked ready last, so that an interrupted set-up starts again.
$(READY): pyproject.toml constraints.txt
	@$(MAKE) .venv-new WITH="-c constraints.txt"
	@touch $@

constraints:
	@$(MAKE) .venv-new WITH=
	@{ echo "# The versions that the checks and tests run with, on Python 3.11 to 3.13. Written by: make constraints"; \
		$(PIP) list --format=freeze --exclude-editable --exclude pip; } > constraints.txt
	@touch $(READY)
	@git --no-pager diff --stat -- constraints.txt

.PHONY: .venv-new
.venv-new:
	@python=$(PYTHON); \
	for candidate in python3 python3.13 python3.12 python3.11; do \
		test -n "$$python" && break; \
		$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=$$candidate; \
	done; \
	test -n "$$python" || { echo "Python 3.11 or newer is needed; none is on the PATH"; exit 1; }; \
	echo "Setting up $(VENV) with $$($$python --version) ..."; \
	$$python -m venv --clear $(VENV)
	@$(PIP) install -qq $(WITH) --upgrade 'setuptools>=77.0.3'
	@$(PIP) install -qq $(WITH) --no-build-isolation --editable '.[dev]'
