# Every task of the project, for people and machines alike: `make` lists them.
# The only thing needed before is Python 3.11 or newer; everything else goes into .venv, pinned by hash.

BIN := .venv/bin
# Debian's python3 may be too old while a newer one is beside it; a shim that answers nothing is passed over.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
ARGS ?=
WSTEST ?= wstest
# What Python compiled is kept, also where the machine says otherwise: every start would compile 700 modules.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install run test check bench chaos soak e2e autobahn pictures format lock clean python

help:  ## list the tasks
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: python  ## make .venv with hub, python and rq-dashboard in it
	@$(PYTHON) bootstrap.py requirements.lock

run: install  ## run the whole system here: `make run ARGS="--nodes 3"`
	@$(BIN)/hub dev $(ARGS)

test: python  ## run every test
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

check: python  ## lint, formatting, types, deployment files
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_deployment.py

bench: python  ## measure
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/python -m bench $(ARGS)

chaos: python  ## kill everything while 300 deliveries go out; `make chaos CHAOS_SEED=7`
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/python -m pytest -o addopts="-p no:valkey -ra" -s tests/chaos $(ARGS)

soak: python  ## half an hour of churn: nothing grows, nothing is lost; `make soak SOAK_MINUTES=5`
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/python -m pytest -o addopts="-p no:valkey -ra" -s tests/soak $(ARGS)

e2e: python  ## run the browser tests; needs chromium, and Node for some
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock requirements/e2e.lock
	@! command -v npm >/dev/null || npm ci --prefix tests/client --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/python -m pytest tests/e2e -n 2 --dist loadfile $(ARGS)

pictures: python  ## take the README's pictures again
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock requirements/e2e.lock
	HUB_PICTURES=docs/images $(BIN)/python -m pytest tests/e2e -k pictures_for $(ARGS)

autobahn: python  ## run Autobahn's WebSocket cases: `make autobahn WSTEST=…/wstest`, see CONTRIBUTING.md
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/python -m tests.autobahn $(WSTEST)

format: python  ## format the code
	@$(PYTHON) bootstrap.py requirements.lock requirements/test.lock
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format

lock: install  ## renew the locks; to upgrade: `make lock ARGS=--upgrade`
	$(BIN)/$(LOCK) $(ARGS) --extra dev pyproject.toml -o requirements.lock
	$(BIN)/$(LOCK) -c requirements.lock pyproject.toml -o requirements/node.lock
	$(BIN)/$(LOCK) -c requirements.lock --extra dashboard pyproject.toml -o requirements/dashboard.lock
	$(BIN)/$(LOCK) $(ARGS) -c requirements.lock --group test --group check -o requirements/test.lock
	$(BIN)/$(LOCK) $(ARGS) -c requirements.lock --group e2e -o requirements/e2e.lock
	$(BIN)/$(LOCK) $(ARGS) -c requirements.lock --group build -o requirements/build.lock

clean:  ## remove .venv, caches and the data of `make run`
	rm -rf .venv .hub-dev dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; on Debian and Ubuntu: apt install python3 python3-venv" >&2; exit 1; }
