# `make` lists the targets. PYTHON=… picks another Python than the first 3.12 or 3.11 found.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-kafka lint bench bench-models kafka clean

# Tests start some hundred processes: what they import is compiled once for all, whatever the shell says of bytecode.
export PYTHONDONTWRITEBYTECODE :=

FOR ?= 60s
ARGS ?=
PORT ?= 9092
BIN := .venv/bin
# The engine is compiled once, before several processes want it at the same moment.
WARM = $(BIN)/python -c 'from stream.warm import warm_up; warm_up()'

help: ## list the targets
	@echo 'Tagstream: every user'"'"'s tags and segments, true event by event.'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 20

setup: .venv/.ready ## make .venv with .venv/bin/tagstream and all that the tests need

demo: .venv/.ready ## a shop's live traffic and what happens to its users, for FOR=60s
	@$(BIN)/tagstream demo --for $(FOR) $(ARGS)

test: .venv/.ready ## all tests but those that need Apache Kafka, a file at a time to each of three processes
	@$(WARM)
	@$(BIN)/python -m pytest -m 'not kafka' -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-kafka: .venv/.ready ## the tests on Apache Kafka itself (needs Java 17 and Maven)
	@deploy/kafka/fetch
	@$(WARM)
	@$(BIN)/python -m pytest -m kafka $(ARGS)

lint: .venv/.ready ## ruff, mypy strict, import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/.ready ## measure the engine and a worker beside a bare pipeline
	@$(BIN)/python -m bench $(ARGS)

bench-models: .venv/.ready ## measure what the models learn: clusters, scores, churn, speed
	@$(BIN)/python -m bench.models $(ARGS)

kafka: ## run Apache Kafka on 127.0.0.1:PORT=9092 until Ctrl-C (needs Java 17 and Maven)
	@deploy/kafka/fetch
	@exec deploy/kafka/start $(PORT) $$(($(PORT) + 1))

clean: ## remove what the other targets made
	@rm -rf .venv .kafka .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml constraints.txt
	@deploy/make-venv .venv '$(PYTHON)'
	@touch $@
