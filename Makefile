# `make` alone prints this list. Every target first makes .venv where it is needed.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# Said on make's command line alone: that a shell has an ACCOUNT, or a TARGET of another tool, is no consent.
SCENARIO :=
EXTRA :=
TARGET := local
RUNTIME := auto
ACCOUNT :=
AWS :=
KEEP :=
unexport PYTHONHOME
AWS_YES = $(if $(ACCOUNT),--yes --account $(ACCOUNT))
PYTEST := $(BIN)/python -m pytest
INSTALL = sh harness/install/with-python.sh $(EXTRA) $(filter localstack,$(TARGET))

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup:  ## make .venv with the rehearse command in it (EXTRA=load: Locust, too; PYTHON=... names the Python)
	@$(INSTALL)

.PHONY: setup-dev
setup-dev:  ## and with what the tests need
	@$(INSTALL) dev

.PHONY: rehearse
rehearse: setup  ## run the core scenarios (or SCENARIO="a.yaml b.yaml") on TARGET=local
	@$(BIN)/rehearse run --target $(TARGET) --runtime $(RUNTIME) $(SCENARIO)

.PHONY: test
# In the order of the folders: xdist would keep the files with few tests, which are the long ones, for the end, and then one worker
# is left alone with them.
test: setup-dev  ## the tests, under 8 minutes
	@$(PYTEST) -m 'not slow' -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: test-slow
test-slow: setup-dev  ## the long tests: soak, kills, the core pack on containers
	@$(PYTEST) -m slow -n 2 --dist loadfile

.PHONY: check
check: setup-dev  ## ruff, mypy strict, the tests of architecture, documentation and text
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(PYTEST) -q tests/test_architecture.py tests/test_docs.py tests/test_text.py

.PHONY: emulator
emulator: setup  ## the emulator as an AWS endpoint on port 4566, in the foreground
	@$(BIN)/rehearse up --runtime $(RUNTIME)

.PHONY: doctor
doctor: setup  ## what this machine can do for TARGET=local
	@$(BIN)/rehearse doctor --target $(TARGET)

.PHONY: dashboard
dashboard: setup  ## live page of the runs: start, watch, stop, roll back
	@$(BIN)/rehearse dashboard --runtime $(RUNTIME)

.PHONY: deploy-aws
deploy-aws: setup  ## SCENARIO=... on AWS, and everything removed again (KEEP=1 leaves the stack; ACCOUNT=N does not ask)
	@$(BIN)/rehearse aws deploy $(AWS_YES) $(AWS) $(if $(filter 1,$(KEEP)),--keep) $(SCENARIO)

.PHONY: destroy-aws
destroy-aws: setup  ## remove what deploy-aws left, found by tags; and look for survivors
	@$(BIN)/rehearse aws down $(AWS)

.PHONY: docs
docs: setup  ## write docs/EMULATED.md and both schemas anew from the code
	@$(BIN)/python -m harness.emulator.emulated > docs/EMULATED.md
	@$(BIN)/python -m harness.scenario > scenarios/scenario.schema.json
	@$(BIN)/python -m harness.report.contract > docs/result.schema.json

.PHONY: picture
picture: setup-dev  ## docs/picture.png and docs/report.png anew, of a real run (needs chromium)
	@$(BIN)/python -m tests.browser.picture

.PHONY: golden
golden: setup-dev  ## the pages that tests compare with, anew: read the difference before committing it
	@REHEARSE_UPDATE_GOLDEN=1 $(PYTEST) -q tests/unit/test_golden.py

.PHONY: clean
clean:  ## stop what runs, remove .venv and .rehearsal
	@! $(BIN)/rehearse --version >/dev/null 2>&1 || $(BIN)/rehearse sweep
	@echo "removing $(VENV), .rehearsal and the caches of the tools" >&2
	@rm -rf $(VENV) .rehearsal .mypy_cache .ruff_cache .pytest_cache .hypothesis ./*.egg-info
