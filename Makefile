# The index of the project: `make help` lists what there is to do.
# Needs Rust, Python 3 and make; everything else is installed into .venv* and target/ by the targets below.

SHELL := bash
VENV  := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run migrate test e2e check fmt lint build clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.done ## Run everything here: PostgreSQL, migrations, all functions on http://localhost:9000 (PORT=… to change)
	@$(VENV)/python infra/local/run.py

migrate: $(VENV)/.done ## Bring the local database (or the one at DATABASE_URL) to the newest schema
	@$(VENV)/python infra/local/postgres.py run -- cargo run --quiet -p shared --features migrations --example migrate

test: $(VENV)/.done ## Run the whole test suite on a throwaway PostgreSQL, then the journeys over HTTP
	@$(VENV)/python infra/local/postgres.py throwaway -- cargo test --workspace --locked
	@$(MAKE) --no-print-directory e2e

e2e: $(VENV)/.done ## Run the journeys and the recorded exchanges of flaskForms over HTTP
	@$(VENV)/python infra/local/run.py exec -- cargo test --locked -p e2e --features http

check: fmt-check lint test ## What CI runs: format, lints, documentation, all tests

fmt: ## Format the code
	cargo fmt

.PHONY: fmt-check
fmt-check:
	cargo fmt --check

lint: ## Lints and documentation, warnings denied
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items --quiet

build: $(VENV)/.done ## Build the release binaries for Lambda into target/lambda (ARCH=arm64 or x86_64)
	PATH="$(CURDIR)/$(VENV):$$PATH" cargo lambda build --release --locked $(if $(filter arm64,$(ARCH)),--arm64)

clean: ## Remove what was built and installed; the data in .local stays
	rm -rf target .venv .venv-* infra/build

# An interrupted installation leaves no mark, and is done again.
$(VENV)/.done: infra/local/requirements.txt
	@echo "Installing the local tools into .venv …"
	@python3 -m venv .venv
	@$(VENV)/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
