.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format bench chaos fuzz docs addon test-ha lock clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# What the fast run leaves out: whole systems, a browser, a real Home Assistant.
WHOLE := tests/e2e tests/chaos tests/browser
OUTSIDE := $(addprefix --ignore=,$(WHOLE))
SLOW := $(OUTSIDE) -m "not slow"
DURATION ?= 60
SEED ?=
FUZZ_SECONDS ?= 600

# mosquitto lives where ordinary users' PATH does not look.
export PATH := $(PATH):/usr/sbin:/sbin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.demo  ## two simulated terminals, a broker and the real bridge; Ctrl-C ends it
	@exec env PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m zkbridge demo

test: .venv/.test  ## everything; nothing is skipped
	@.ci/need mosquitto chromium strace apparmor_parser:apparmor openssl
	@# Most of it is waiting: whole systems run beside the fast tests, and are told of at the end.
	@$(PYTEST) -q $(WHOLE) >.venv/whole.log 2>&1 & whole=$$!; \
		trap 'kill $$whole 2>/dev/null' INT TERM; \
		$(PYTEST) -q $(SLOW); fast=$$?; \
		$(PYTEST) -q -m slow $(OUTSIDE); slow=$$?; \
		wait $$whole; systems=$$?; cat .venv/whole.log; \
		exit $$((fast | slow | systems))

check: .venv/.test  ## what to run before a commit: style, types, import contracts, fast tests
	@.ci/need mosquitto
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary zkbridge tests
	@$(BIN)/lint-imports --no-logo >.venv/lint-imports.log 2>&1 \
		|| { cat .venv/lint-imports.log; exit 1; }
	@$(PYTEST) -q $(SLOW)

format: .venv/.test  ## format the code, mend what ruff can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: .venv/.test  ## benchmarks against peers, into bench/results.json
	@.ci/need mosquitto
	@$(BIN)/python -m bench

chaos: .venv/.test  ## the fault laboratory; DURATION=600 SEED=1
	@.ci/need mosquitto
	@$(BIN)/python -m tests.chaos --duration $(DURATION) $(if $(SEED),--seed $(SEED))

fuzz: .venv/.test  ## ten minutes of hostile bytes
	@end=$$(( $$(date +%s) + $(FUZZ_SECONDS) )); \
	while [ $$(date +%s) -lt $$end ]; do \
		HYPOTHESIS_PROFILE=fuzz ZKBRIDGE_FUZZ_EXAMPLES=3000 \
			$(PYTEST) -q -o faulthandler_timeout=0 tests/zk/test_fuzz.py || exit 1; \
	done

docs: .venv/.docs  ## the documentation, into docs/_build
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

addon: .venv/.test  ## the wheel inside the Home Assistant add-on's folder
	@$(BIN)/python tools/addon_wheel.py

test-ha: .venv/.test  ## against a real Home Assistant; HALAB names the command that starts it
	@.ci/need mosquitto
	@[ -n "$$HALAB" ] || { echo "HALAB is to name the command that starts Home Assistant" >&2; exit 1; }
	@$(PYTEST) -q -o faulthandler_timeout=300 tests/ha

clean:  ## remove what the other targets made
	@rm -rf .venv docs/_build dist build .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .hypothesis

# Versions come from constraints.txt alone, those of the build tools too.
.venv/bin/python: | .ci/python
	@python=$$(.ci/python) && $$python -m venv .venv

.venv/.demo .venv/.test .venv/.docs: .venv/.%: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing into .venv ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		hatchling editables
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--no-build-isolation --editable '.[$(EXTRAS_$*)]'
	@touch $@

EXTRAS_demo := demo
EXTRAS_test := demo,test,docs
EXTRAS_docs := docs

lock: .venv/.test .venv/.docs  ## write constraints.txt anew from what .venv holds
	@{ echo "# Versions that the make targets install; make lock writes this file."; \
		$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools; } \
		> constraints.new && mv constraints.new constraints.txt
