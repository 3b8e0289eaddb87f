# The two main commands are `make tables` and `make test`. Each does the set-up first, once. `make help` lists the others.
# Written for GNU make 3.81 and the plain tools of Linux and macOS.

PYTHON =
CPU =
ARGS =
READY = .venv/.ready
LFNET = .venv/bin/lfnet
# none.yaml switches the group off; it is not a table.
TABLES = $(sort $(filter-out none,$(basename $(notdir $(wildcard conf/table/*.yaml)))))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help tables test test-long test-cluster test-faults fuzz validate experiments docs lint format lock wheel clean setup FORCE

help: ## this page
	@echo "make TARGET [ARGS=\"...\"]     set-up is automatic, once, in .venv (choose a Python: PYTHON=python3.12;"
	@echo "                              without an NVIDIA device: CPU=1 takes PyTorch's CPU build, a fifth of the download)"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' Makefile
	@for name in $(TABLES); do \
	  printf '  %-22s %s\n' "table-$$name" "$$(awk '/^# / && !/@package/ { sub(/^# /, ""); print; exit }' conf/table/$$name.yaml)"; \
	done

tables: table-architectures table-patch_size ## the architecture table and the patch-size table

test: $(READY) ## all tests and docstring examples except the long tests; ARGS="-k ldbm" selects, ARGS="--shared DIR" names real weights and media
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 .venv/bin/python -m pytest tests lfnet --doctest-modules -n 2 --dist loadfile --no-loadscope-reorder -m "not long and not cluster" $(ARGS)

test-long: $(READY) ## the tests that take minutes
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 .venv/bin/python -m pytest tests -m long $(ARGS)

test-cluster: $(READY) ## sweeps on a real Slurm of two nodes (that of SLURM_CONF, or one started for it), Dask and Ray; skipped where there is none
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 .venv/bin/python -m pytest tests/cluster -m cluster $(ARGS)

test-faults: $(READY) ## let each file operation of each command fail or kill it, 9 ways; ARGS=--tenth (4 minutes), ARGS="--log FILE" goes on
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 .venv/bin/python -m tests.faults $(ARGS)

fuzz: $(READY) ## 10,000 damaged files, options and settings for every reader and command (20 minutes); ARGS="--case NAME:123" repeats one
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 .venv/bin/python -m tests.fuzz.fuzz $(ARGS)

validate: $(READY) ## measure the coverage of intervals and the false alarms of tests (45 minutes of one core); stop and go on at will
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python -m experiments.regenerate validation $(ARGS)

experiments: $(READY) ## run again what all pages in experiments/ report (ARGS=--list: hours and state of each); stop and go on at will
	@PYTHONPATH=. .venv/bin/python -m experiments.regenerate $(ARGS)

docs: $(READY) ## build the documentation site into dist/docs (30 seconds); open dist/docs/index.html
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --quiet --strict --config-file tools/site/mkdocs.yml

bench: $(READY) ## benchmark against peers (90 minutes, nothing else running); stop and go on at will; ARGS="--only sweep,tools" selects, ARGS=--quick for a trial
	@PYTHONPATH=. .venv/bin/python -m experiments.benchmarks.bench $(ARGS)

lint: $(READY) ## ruff and mypy
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy

format: $(READY) ## format the code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

lock: ## make requirements.lock and requirements.cpu.lock from pyproject.toml, keeping versions that still fit; ARGS=--upgrade takes the newest
	@sh tools/lock $(ARGS)

wheel: $(READY) ## build the wheel and the sdist into dist/
	@.venv/bin/python -m build --sdist --wheel --no-isolation --outdir dist .

clean: ## remove build products and tools' caches; keep data, features, runs and .venv
	@rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find lfnet tests tools experiments -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(READY) ## only the set-up

$(READY): requirements.lock requirements.cpu.lock pyproject.toml tools/set-up
	@PYTHON="$(PYTHON)" CPU="$(CPU)" sh tools/set-up
	@touch $(READY)

# The other build of PyTorch is asked for: set up again.
ifneq ($(CPU),)
ifneq ($(CPU),$(shell cat .venv/.cpu 2>/dev/null || echo 0))
$(READY): FORCE
endif
endif

# One rule for every conf/table/NAME.yaml.
table-%: conf/table/%.yaml $(READY) FORCE
	@$(LFNET) table $* $(ARGS)

# Any other name is not a table.
NO_TABLE = $(error there is no table "$(@:table-%=%)": choose one of $(TABLES))

table-%: FORCE
	@: $(NO_TABLE)

table-none: FORCE
	@: $(NO_TABLE)

FORCE:
