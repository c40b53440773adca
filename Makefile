# The face of the project. Needs only Python >= 3.11 and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check format flink kafka docker-kafka oracle fuzz fuzz-selftest nexmark bounds recovery clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(READY) ## install, run the example suites on real data, show the report
	@$(BIN)/pytest specs/ -q --no-summary
	@echo
	@$(BIN)/velo-test run specs/
	@echo
	@echo "Next: $(BIN)/pytest specs/flights -v        every query is a pytest item"
	@echo "      $(BIN)/velo-test run specs/flights    the same without pytest, with the report for people"
	@echo "      $(BIN)/velo quickstart my-project     a new project with green tests"

# Three workers: some tests wait for a broker or for Flink. Compiled modules are kept for the commands that tests start.
test: $(READY) ## all tests
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q -n 3 --dist worksteal -rs tests specs

check: $(READY) ## lint, format check, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

flink: $(READY) ## install a real Flink for recording test cases (JDK 17, 330 MB once)
	@$(BIN)/python tools/flink/installation.py
	@$(BIN)/python -m tools.flink.gateway install || echo "without its SQL gateway, tests of which are skipped"

kafka: $(READY) ## copy a real Apache Kafka from Maven Central into the cache and start it once (Java 17, Maven, 60 MB)
	@$(BIN)/python -m tools.kafka.installation

docker-kafka: kafka ## make a container image of it, where none can be pulled (Docker daemon, debootstrap, root)
	@$(BIN)/python -m tools.kafka.local_image

oracle: flink ## ask Flink all recorded cases again, fail on drift
	@$(BIN)/python -m tests.oracle.record check

SECONDS ?= 600
SEED ?= $(shell date +%s)
fuzz: flink ## generated queries on Flink and here, for SECONDS=600, from SEED= on
	@$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) --seed $(SEED)

fuzz-selftest: $(READY) ## plant bugs in the engine, one at a time: the recorded cases of the fuzzer find them
	@$(BIN)/python -m tests.fuzz.selftest --seconds 600

nexmark: $(READY) ## the Nexmark queries over 50 000 events, held against Flink's answers
	@$(BIN)/python -m tests.nexmark.run

bounds: $(READY) ## memory and CPU over a million rows, and the cost of a small batch beside a large state
	@$(BIN)/python benchmarks/bounds.py --check

KILLS ?= 200
recovery: $(READY) ## jobs killed KILLS=200 times at named and random points; add ON=real for a real Kafka
	@$(BIN)/python -m tests.recovery --kills $(KILLS) $(addprefix --provider ,$(ON))

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
