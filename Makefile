# The menu: every target is a few plain commands, so that cargo alone does as well on a machine that has it all.
# What a target adds to its command goes into ARGS: make run ARGS="serve --listen 0.0.0.0:8080"

CARGO ?= cargo
ARGS ?=
SESSIONS ?= 100
ARRIVAL ?= 10
DURATION ?= 60s
URL ?= http://127.0.0.1:8080

.DEFAULT_GOAL := help
.PHONY: help run demo test check fmt lint doc sqlx contract load bench audit hooks

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

check: ## the full gate, which CI runs: fmt, queries, lint, doc, test, contract, a short load
	@scripts/ensure.sh postgres redis chromium poppler nginx azurite
	$(CARGO) fmt --all --check
	scripts/crates.sh
	scripts/queries.sh check
	@$(MAKE) --no-print-directory lint doc test
	scripts/contract.sh check
	scripts/short-load.sh

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

bench: ## the measurements of docs/performance.md
	@scripts/ensure.sh postgres
	$(CARGO) bench --workspace $(ARGS)

audit: ## advisories, licences, unused crates, typos; with tools that take minutes to build
	scripts/audit.sh

hooks: ## check the format before every commit
	ln -sf "$$(pwd)/scripts/pre-commit" "$$(git rev-parse --git-path hooks)/pre-commit"
