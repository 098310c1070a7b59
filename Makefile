# Each target sets up .venv by itself; a fresh Debian machine with Python 3.11 and make is enough.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test soak lint bench packages clean

demo: .venv/ready
	$(BIN)/pasprobe demo

test: lint packages
	$(BIN)/python -m pytest -q -n 4

soak: .venv/ready packages
	PASPROBE_SOAK=1 $(BIN)/python -m pytest -q -n 2 -m soak

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready packages
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.verdict_tables

packages:
	sh tests/system_packages.sh

.venv/ready: requirements.lock pyproject.toml
	sh tests/make_venv.sh "$(PYTHON)"
	touch $@

clean:
	rm -rf .venv dist build
