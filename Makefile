# What continuous integration runs, `make test` runs.

SHELL := bash
CARGO_TARGET_DIR ?= target
TEST_LOGS ?= $(CARGO_TARGET_DIR)/test-logs
export CARGO_TARGET_DIR TEST_LOGS
STAGE := .ci/stage
FUZZ_SECONDS ?= 60
CRASH_ROUNDS ?= 100
SEVER_KILLS ?= 30
SOAK_MINUTES ?= 30

# Stages build in the same folder and start processes: one after the other.
.NOTPARALLEL:
.PHONY: help demo clean-demo test test-begin test-setup check fmt clippy xtask test-rust test-doc test-clients \
    test-node test-python test-rotation rotation questions test-hostile test-evidence test-walk binary bench-build bench-decisions bench-sealing bench-gate bench-token \
    bench-records bench-intel bench-decide geo bench-risk bench-sever fuzz crash crash-sever soak

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: ## build the release and watch it stop a theft
	cargo build --release -p portcullis
	$(CARGO_TARGET_DIR)/release/portcullis demo

clean-demo: ## forget what the demo left behind
	[ ! -e portcullis-demo/demo ] || rm -rf portcullis-demo

test: test-begin test-setup check test-rust test-doc test-clients test-lei test-calendar test-hostile test-evidence test-walk ## run every check and every test
	@[ -n "$$CI_RUN" ] || .ci/summary

test-begin:
	@mkdir -p "$(TEST_LOGS)" && rm -f "$(TEST_LOGS)/summary"

test-setup: ## install what the tests need, as root
	@$(STAGE) setup .ci/setup

check: fmt clippy xtask ## formatting, lints, layers, licences, house rules

fmt:
	@$(STAGE) format cargo fmt --all --check

clippy:
	@$(STAGE) clippy cargo clippy --quiet --workspace --all-targets -- -D warnings

xtask:
	@$(STAGE) xtask cargo run --quiet -p xtask -- check

test-rust: ## unit, property and integration tests
	@if cargo nextest --version >/dev/null 2>&1; then \
	    $(STAGE) tests cargo nextest run --workspace; \
	else \
	    $(STAGE) tests cargo test --quiet --no-fail-fast --workspace --lib --bins --tests; \
	fi

test-doc: ## examples in the documentation
	@$(STAGE) doc-tests cargo test --quiet --doc --workspace

test-lei: ## our check of LEIs beside another one's
	@$(STAGE) lei .ci/lei

test-calendar: ## our calendar read by another's parser
	@$(STAGE) calendar .ci/calendar

test-clients: test-node test-python test-rotation ## OAuth clients that others wrote, against the binary

test-node: binary
	@$(STAGE) clients-node .ci/clients node

test-python: binary
	@$(STAGE) clients-python .ci/clients python

test-rotation: binary
	@$(STAGE) rotation .ci/clients rotation --short

questions: binary ## what unmodified clients do when they are asked for their key
	.ci/clients questions

rotation: ## exchange every key under 1,000 requests a second of clients that others wrote (SHORT=1: 100 a second)
	cargo build --quiet --release -p portcullis
	PORTCULLIS_BIN=$(CARGO_TARGET_DIR)/release/portcullis .ci/clients rotation $(if $(SHORT),--short)

test-evidence: binary ## documents that pyHanko and jwcrypto have signed, against the binary
	@$(STAGE) evidence .ci/evidence

test-walk: binary ## the first walk of README.md in a real shell, timed: at most three minutes
	@$(STAGE) walk .ci/walk

test-hostile: binary ## smugglex, sslyze and ja4plus, against the binary
	@$(STAGE) hostile .ci/hostile

binary:
	@$(STAGE) binary cargo build --quiet -p portcullis

fuzz: ## fuzz every parser that meets strangers, FUZZ_SECONDS each (needs cargo-fuzz)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz
	@set -o pipefail; for target in $$(cd fuzz/fuzz_targets && ls | sed 's/\.rs$$//'); do \
	    echo "== $$target" && mkdir -p fuzz/corpus/$$target fuzz/seeds/$$target && \
	    CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/fuzz \
	    cargo fuzz run --sanitizer none "$$target" fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -print_final_stats=1 \
	    2>&1 | tail -n 8 || exit 1; \
	done

crash: ## kill the binary CRASH_ROUNDS times (100) at random moments under load, and look what it lost
	PORTCULLIS_CRASH_ROUNDS=$(CRASH_ROUNDS) cargo test --quiet -p portcullis --test installation -- crash:: --nocapture

soak: ## a mixed load for SOAK_MINUTES (30): memory and descriptors must stay flat (SHORT=1: one minute)
	cargo build --quiet --release -p portcullis
	bench/soak --minutes $(SOAK_MINUTES) $(if $(SHORT),--short)

geo: ## install or update free databases of countries and networks (DIR=data folder; from npm)
	@.ci/geo $(DIR)

bench-intel: ## measure loading and asking lists of ten million prefixes (SHORT=1: one million)
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-intel -- $(if $(SHORT),--short)

bench-assurance: ## measure screening 10,000 vendors against a list of sanctions (SHORT=1: 1,000)
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-assurance -- $(if $(SHORT),--short)

bench-build: ## say how long a release build from nothing takes
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && cargo fetch --quiet --locked && start=$$SECONDS && \
	    CARGO_TARGET_DIR=$$folder cargo build --quiet --release --locked -p portcullis && \
	    echo "release build from nothing: $$((SECONDS - start)) s, $$(stat -c %s $$folder/release/portcullis) bytes"

bench-gate: ## measure the gate beside HAProxy and nginx (SHORT=1: two short rounds)
	cargo build --quiet --release -p portcullis
	bench/gate $(if $(SHORT),--short)

bench-token: ## measure the token endpoint (SHORT=1: two short rounds)
	cargo build --quiet --release -p portcullis
	bench/token $(if $(SHORT),--short)

bench-decisions: ## measure recording, sealing and finding of decisions (SHORT=1: two million instead of a hundred)
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-decisions -- $(if $(SHORT),--short)

bench-sealing: ## measure the gate's latency beside the sealing of its decisions (SHORT=1: two rounds)
	cargo build --quiet --release -p portcullis
	bench/sealing $(if $(SHORT),--rounds 2 --fill-seconds 5)

bench-decide: ## measure one decision of the risk model, warm and cold (SHORT=1: fewer rounds)
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-decide -- $(if $(SHORT),--short)

bench-records: ## measure the counting of records (SHORT=1: few rounds)
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-records -- $(if $(SHORT),--short)

bench-risk: ## measure how soon a thief is caught, and write docs/benchmarks/0007-risk.md (SHORT=1: one seed, printed only)
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-risk -- $(if $(SHORT),--short) $(BENCH_RISK)

crash-sever: ## kill the binary SEVER_KILLS times (30) in the middle of a severance, and look from the vendor's host what is open; as root
	PORTCULLIS_SEVER_KILLS=$(SEVER_KILLS) PORTCULLIS_LAB_REQUIRED=1 cargo test --quiet -p portcullis --test network -- killing:: --nocapture

bench-sever: ## sever a vendor 40 times with everything busy, and write docs/benchmarks/0011-severing.md; as root (SHORT=1: four times, printed only)
	.ci/setup
	cargo build --quiet --release -p portcullis
	CARGO_TARGET_DIR=$(abspath $(CARGO_TARGET_DIR))/bench cargo run --quiet --release --locked \
	    --manifest-path bench/Cargo.toml -p bench-sever -- --binary $(CARGO_TARGET_DIR)/release/portcullis \
	    $(if $(SHORT),--short,--write docs/benchmarks/0011-severing.md) $(BENCH_SEVER)
