# Touchline's chores. Each target sets up all that it needs by itself, and quickly where that was done before.

# Passed on to the command that a target runs: make demo ARGS="--match FILE", make bench ARGS="throughput".
ARGS ?=
# The interpreter to make .venv with. Empty: the first one found that is new enough.
PYTHON ?=
# How many tests run at once. More than there are cores: many wait for brokers, browsers and processes.
WORKERS ?= 4

# Some machines forbid Python to keep compiled files. The tests start hundreds of processes, each of which would then
# compile all that it imports, and every worker would compile every test.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
SETUP := pyproject.toml scripts/setup_venv.sh scripts/apt_install.sh

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help docs demo bench bench-peers bench-peers-rooms bench-peers-long kick-off loadtest fleet-run rolling-restart report test test-quick test-all cluster-run check check-deploy check-types check-source check-js build-js site screenshots measure-site js-codes format openapi lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

demo: .venv/demo.stamp ## Run the demo: a live match in the browser, without Kafka
	$(BIN)/touchline demo $(ARGS)

bench: .venv/demo.stamp ## Measure Touchline on this machine: docs/performance.md
	$(BIN)/python -m touchline_loadtest bench $(ARGS)

bench-peers: .venv/demo.stamp ## Compare Touchline with other servers on this machine: docs/comparison.md
	scripts/install_peers.sh
	$(BIN)/python -m touchline_loadtest peers $(ARGS)

# Touchline with Kafka takes part in both, so a broker is started for them.
bench-peers-rooms: .venv/demo.stamp .venv/kafka.stamp ## Compare them in 10,000 rooms: docs/comparison.md
	scripts/install_peers.sh
	scripts/fetch_kafka.sh
	$(BIN)/python -m touchline_loadtest many-rooms --kafka local $(ARGS)

bench-peers-long: .venv/demo.stamp .venv/kafka.stamp ## Break their connections, in the end for 11 minutes: docs/comparison.md
	scripts/install_peers.sh
	scripts/fetch_kafka.sh
	$(BIN)/python -m touchline_loadtest avalanche --kafka local --outage 660 --outage-events 0 $(ARGS)

# Ten thousand connections: those of Locust are compared with the log, those of the swarm count every byte.
KICK_OFF = --shape kick-off --users 2000 --processes 2 --swarm 8000 --seconds 120 --speed 1 \
	--document docs/performance.md --images docs/kick-off

kick-off: .venv/tools.stamp ## Let 10,000 people come within 30 s, and write that into docs/performance.md: 3 minutes
	scripts/fetch_kafka.sh
	$(BIN)/python -m touchline_loadtest run $(KICK_OFF) $(ARGS) -- --stay 300 Fan Player StreamFan SlowFan

# Two edges of two workers, with all that they share. Clients stay for minutes, so that nothing but faults moves most of
# them, and an edge that stops takes as long to send them away as Locust takes to connect them again on two cores.
FLEET = --edges 2 --workers 2 --keepers 2 --brokers 3 --users 2000 --processes 2 --speed 1 --drain-seconds 15
FLEET_USERS = --stay 120 Fan Player StreamFan

fleet-run: .venv/tools.stamp ## Kill every part of a fleet under the load of 2,000 people, and check it: 7 minutes
	scripts/fetch_kafka.sh
	$(BIN)/python -m touchline_loadtest run --shape fleet-faults $(FLEET) --seconds 300 $(ARGS) -- $(FLEET_USERS)

rolling-restart: .venv/tools.stamp ## Restart both edges of that fleet, one after the other, and check it: 4 minutes
	scripts/fetch_kafka.sh
	$(BIN)/python -m touchline_loadtest run --shape rolling-restart $(FLEET) --seconds 150 $(ARGS) -- $(FLEET_USERS)

report: .venv/dev.stamp ## Write a page with charts about a run: make report ARGS=FOLDER
	$(BIN)/python -m touchline_loadtest report $(ARGS)

loadtest: .venv/dev.stamp .venv/kafka.stamp ## Load-test Touchline with Locust and Kafka, and check it: loadtest/README.md
	scripts/fetch_kafka.sh
	$(BIN)/python -m touchline_loadtest run $(ARGS)

# tests/README.md says what is in which.
PYTEST = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

test test-all: CHECKS += .cache/collected.stamp

test: check .venv/tools.stamp ## Run every check, and the tests
	scripts/fetch_kafka.sh
	$(PYTEST) -m "not long" $(ARGS)

test-quick: .venv/dev.stamp ## Run the tests that need no socket, process, broker or browser
	$(PYTEST) -m "not long and not outside" $(ARGS)

test-all: check .venv/tools.stamp .venv/deploy.stamp ## Run every check and every test, long ones too
	scripts/fetch_kafka.sh
	scripts/setup_firefox.sh
	$(PYTEST) --hypothesis-profile=long --override-ini=faulthandler_timeout=1500 $(ARGS)

cluster-run: .venv/tools.stamp ## Disturb a cluster of three brokers, and compare every client with its log
	scripts/fetch_kafka.sh
	PYTHONPATH=tests $(BIN)/python -m cluster $(ARGS)

CHECKS = check-types check-source check-js

check: .venv/dev.stamp ## Check format, style, types, layers, prose and the shape of the source
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	@$(MAKE) --no-print-directory --jobs=3 --output-sync $(CHECKS)

check-deploy: .venv/tools.stamp .venv/deploy.stamp ## Check what is in deploy/, by building and running it: 15 minutes
	scripts/fetch_kafka.sh
	$(BIN)/python -m pytest tests/deploy --override-ini=faulthandler_timeout=3600 $(ARGS)

check-types: .venv/dev.stamp ## Check the types alone
	$(BIN)/mypy

check-source: .venv/dev.stamp ## Check layers, prose and the shape of the source alone
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_source.py
	$(BIN)/python scripts/check_prose.py
	$(BIN)/python scripts/write_js_codes.py --check
	$(BIN)/python scripts/check_site.py

check-js: .venv/dev.stamp ## Check clients/js and the site, unless they have passed as they are: ARGS=--again
	$(BIN)/python scripts/check_js.py $(ARGS)

build-js: .venv/dev.stamp ## Build the TypeScript SDK
	scripts/install_js.sh
	scripts/with_node.sh npm --prefix clients run build --workspace=js

site: build-js ## Build the site of the demo, whose built files are committed
	scripts/with_node.sh npm --prefix clients run build --workspace=demo/web
	$(BIN)/python scripts/check_site.py --write

screenshots: .venv/dev.stamp ## Take pictures of the site, the README's, and of the operator's page: make screenshots ARGS="--match FILE"
	PYTHONPATH=tests $(BIN)/python scripts/screenshots.py $(ARGS)
	PYTHONPATH=tests $(BIN)/python scripts/screenshot_operator.py

measure-site: .venv/dev.stamp ## Measure the demo's site beside an empty page: clients/demo/web/README.md
	PYTHONPATH=tests $(BIN)/python scripts/measure_site.py $(ARGS)

docs: .venv/dev.stamp ## Build the documentation as a site, in .cache/docs/site, and check its links
	$(BIN)/python scripts/build_docs.py $(ARGS)

format: .venv/dev.stamp ## Format the code, and fix what ruff and biome can fix
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	scripts/install_js.sh
	cd clients && ../scripts/with_node.sh biome check --write

# Versions in a lock stay as they are where they still fit; make lock ARGS=--upgrade takes the newest.
# The demo lock has all that users install. The dev lock keeps to its versions, so that what is tested is what runs.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(ARGS) pyproject.toml

openapi: .venv/dev.stamp ## Write docs/openapi.json from the code
	$(BIN)/python scripts/write_openapi.py

js-codes: .venv/dev.stamp ## Write the codes and limits of clients/js from the protocol's
	$(BIN)/python scripts/write_js_codes.py

lock: .venv/dev.stamp ## Write the lock files in requirements/ anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(LOCK) --extra demo --group editable --output-file requirements/demo.lock
	$(LOCK) --extra demo --extra loadtest --extra otel --group dev --constraints requirements/demo.lock --output-file requirements/dev.lock
	$(LOCK) --extra server --extra cheatwatch --extra otel --constraints requirements/demo.lock --output-file requirements/image.lock
	$(LOCK) --group editable --constraints requirements/demo.lock --output-file requirements/build.lock

clean: ## Delete all that these targets made, .venv and .cache too
	rm -rf .venv .cache build dist clients/node_modules clients/js/dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/demo.stamp: requirements/demo.lock $(SETUP)
	PYTHON="$(PYTHON)" scripts/setup_venv.sh demo
	@touch $@

# The dev lock includes all that the demo needs.
.venv/dev.stamp: requirements/dev.lock $(SETUP)
	PYTHON="$(PYTHON)" scripts/setup_venv.sh dev
	@touch $@ .venv/demo.stamp

# In a new clone, pytest compiles 500 files with tests. Without this, each worker would do that.
.cache/collected.stamp: | .venv/dev.stamp
	$(BIN)/python -m pytest --collect-only -qq >/dev/null
	@mkdir -p $(@D) && touch $@

.venv/kafka.stamp: scripts/setup_test_tools.sh scripts/apt_install.sh | .venv/dev.stamp
	scripts/setup_test_tools.sh kafka
	@touch $@

.venv/deploy.stamp: scripts/setup_deploy_tools.sh scripts/apt_install.sh $(wildcard tests/deploy/compose_config/* tests/deploy/kubectl/*) | .venv/dev.stamp
	scripts/setup_deploy_tools.sh
	@touch $@

.venv/tools.stamp: scripts/setup_test_tools.sh scripts/apt_install.sh | .venv/dev.stamp
	scripts/setup_test_tools.sh
	@touch $@
