# The menu: every target is a few plain commands, so that cargo alone does as well on a machine that has it all.
# What a target adds to its command goes into ARGS: make run ARGS="serve --listen 0.0.0.0:8080"

CARGO ?= cargo
ARGS ?=
SESSIONS ?= 100
ARRIVAL ?= 10
DURATION ?= 60s
SEEDS ?= 1,2,3,4
FAULTS ?= 50
URL ?= http://127.0.0.1:8080

.DEFAULT_GOAL := help
.PHONY: help run demo test check fmt lint doc sqlx contract load faults bench audit fuzz hooks

help: ## this menu
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start a whole server with demo data on http://127.0.0.1:8080
	@scripts/ensure.sh postgres
	$(CARGO) run -- $(ARGS)

demo: ## the same with files of its own in target/demo, forgotten by the next make demo
	@scripts/ensure.sh postgres
	@rm -rf target/demo
	$(CARGO) run -- serve --demo --data-dir target/demo $(ARGS)

test: ## all tests, with servers they start themselves
	@scripts/ensure.sh postgres redis chromium poppler nginx azurite
	$(CARGO) test --workspace $(ARGS)

check: ## the full gate, which CI runs: fmt, queries, lint, doc, test, contract, a short load, a few faults
	@scripts/ensure.sh postgres redis chromium poppler nginx azurite
	$(CARGO) fmt --all --check
	scripts/crates.sh
	scripts/queries.sh check
	@$(MAKE) --no-print-directory lint doc test
	scripts/contract.sh check
	scripts/short-load.sh
	scripts/short-faults.sh

fmt: ## format
	$(CARGO) fmt --all

lint: ## clippy, no warnings
	$(CARGO) clippy --workspace --all-targets -- -D warnings

doc: ## the documentation of the code, no warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

sqlx: ## write storage/.sqlx anew after a query or a migration changed
	@scripts/ensure.sh postgres
	scripts/queries.sh update

contract: ## write docs/openapi.json and docs/asyncapi.json anew
	scripts/contract.sh update

load: ## consultations against a running server: URL, SESSIONS, ARRIVAL, DURATION, ARGS
	$(CARGO) run --release -p consilium-loadtest -- run --target $(URL) \
		--sessions $(SESSIONS) --arrival $(ARRIVAL) --duration $(DURATION) $(ARGS)

faults: ## consultations on three nodes of their own, and every kind of fault: SEEDS, FAULTS of each, ARGS
	@scripts/ensure.sh postgres redis
	$(CARGO) build --release -p consilium -p consilium-loadtest
	$(or $(CARGO_TARGET_DIR),target)/release/loadtest run --fleet 3 --faults all --fault-count $(FAULTS) --seeds $(SEEDS) \
		--overlap 0.2 --hasty 0.2 --sessions $(SESSIONS) --arrival $(ARRIVAL) --duration 1s --reconnects 0.02 $(ARGS)

bench: ## the measurements of docs/performance.md
	@scripts/ensure.sh postgres
	$(CARGO) bench --workspace $(ARGS)

audit: ## advisories, licences, unused crates, typos; with tools that take minutes to build
	scripts/audit.sh

fuzz: ## the whole OpenAPI document against a server, with data right and wrong; takes minutes, needs python3
	@scripts/ensure.sh postgres
	scripts/fuzz.sh $(ARGS)

hooks: ## check the format before every commit
	ln -sf "$$(pwd)/scripts/pre-commit" "$$(git rev-parse --git-path hooks)/pre-commit"
