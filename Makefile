# The project's commands. `make demo` and `make test` do all the set-up they need, in .venv of this checkout.
PYTHON ?= python3
BIN := .venv/bin
SAMPLES := astronaut.png chelsea.png coffee.png camera.png rocket.jpg

.DEFAULT_GOAL := help
.PHONY: help demo test test-ray check format docs app screenshots load study bench clean

help:
	@echo "make demo     set everything up and caption five sample photos"
	@echo "make test     set everything up and run the tests"
	@echo "make test-ray install Ray and run the tests of captioning on a cluster"
	@echo "make check    lint and type-check, the Dockerfile too; check spelling and wording"
	@echo "make docs     build the documentation into build/site"
	@echo "make app      open the web page"
	@echo "make screenshots   take the pictures of the page in docs/screenshots anew"
	@echo "make load     50 visitors at once, of the page and of captioner serve: waiting times and memory (Linux)"
	@echo "make study    try what the lecture notes claim, in three minutes"
	@echo "make bench    captioning beside other models and the machine's limits (Linux, about 10 minutes);"
	@echo "              PHOTOS=DIR takes your JPEG files, JSON=FILE writes what was measured,"
	@echo "              BEFORE=CHECKOUT also measures another version"
	@echo "make format   format the code"
	@echo "make clean    delete .venv and everything computed"

demo: .venv/demo
	@cd "$$($(BIN)/python -c 'import importlib.util as u; print(u.find_spec("skimage").submodule_search_locations[0])')/data" && \
		"$(CURDIR)/$(BIN)/captioner" caption $(SAMPLES)

test: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

test-ray: .venv/ray
	$(BIN)/python -m pytest -m ray

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/codespell
	$(BIN)/proselint check README.md CONTRIBUTING.md docs
	$(BIN)/python -m tests.prose

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

app: .venv/demo
	$(BIN)/captioner app

screenshots: .venv/dev
	$(BIN)/python -m tests.screenshots

load: .venv/dev
	$(BIN)/python -m tests.load

study: .venv/dev
	$(BIN)/python -m train study all --quick

bench: .venv/dev
	$(BIN)/python -m train benchmark $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(BEFORE),--before "$(BEFORE)") $(if $(JSON),--json "$(JSON)")

clean:
	rm -rf .venv cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt pyproject.toml | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt --editable .
	@touch $@

.venv/demo: .venv/installed
	$(BIN)/python -m pip install --quiet scikit-image
	@touch $@

.venv/dev: requirements-dev.txt train/requirements.txt .venv/installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

.venv/ray: pyproject.toml .venv/dev
	$(BIN)/python -m pip install --quiet --editable '.[ray]'
	@touch $@
