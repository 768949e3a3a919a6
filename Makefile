# `make run` shows the platform; `make test` runs everything that must hold.
.PHONY: run test check deny advisories soak bench fuzz models

run:
	cargo run --release --locked -- demo

# Encrypted connections to Kafka are a feature, for its client needs OpenSSL then. Where that is missing it is said as loudly as
# of an engine, and in CI it is a failure.
define with_openssl
if pkg-config --exists openssl 2>/dev/null; then $(2); else \
	echo "DID NOT RUN: $(1) because there is no OpenSSL to build with: run scripts/provision.sh" >&2; [ "$$CI" != true ]; fi
endef
# Of the whole workspace, so that what all crates share keeps its features and isn't built again; in fact only that crate and the binary are.
tls = --features ecs/kafka-tls --test it --test platform

# Networks are a feature, for what computes them is forty crates more.
onnx = --features ecs/onnx --test onnx

# What a test of an engine starts is installed first where that can be done; where not, the test says that it did not run.
test:
	scripts/provision.sh
	@# The report comes last, of a failed run too: what did not run must not look as if it had. What fails keeps nobody else from
	@# running, so one run shows everything that fails.
	@record=$$(mktemp) && trap 'rm -f "$$record"' EXIT; \
	ECS_CONFORMANCE_RECORD="$$record" cargo test --workspace --locked --no-fail-fast; tested=$$?; \
	{ $(call with_openssl,kafkas://,cargo test --workspace --locked $(tls) tls::); } || tested=1; \
	cargo test --workspace --locked $(onnx) || tested=1; \
	scripts/models.sh test || tested=1; \
	cargo run --quiet --locked -p ecs-conformance -- "$$record" && exit $$tested

# What CI runs beside the tests: format, lints, documentation.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p ecs --no-default-features --features embedded,sqlite --locked -- -D warnings
	cargo clippy -p ecs --no-default-features --features nats,postgres --locked -- -D warnings
	cargo clippy --workspace --locked $(onnx) --bin ecs -- -D warnings
	@# CI checks before it tests, and so before anything is installed.
	@[ "$$CI" != true ] || pkg-config --exists openssl 2>/dev/null || scripts/provision.sh
	$(call with_openssl,clippy of kafkas://,cargo clippy --workspace --locked $(tls) -- -D warnings)
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	@$(MAKE) --no-print-directory deny

# Licences, sources and libraries that nobody should use, by deny.toml. Nothing here builds cargo-deny, which takes minutes: a machine
# that has it (`cargo install cargo-deny --locked`, or a package of the system) runs it.
deny:
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check bans licenses sources; \
	else echo "DID NOT RUN: cargo deny because it is not installed: cargo install cargo-deny --locked" >&2; fi

# Known faults of libraries. Their list is on GitHub and changes without us, so it breaks no build that passed yesterday.
advisories:
	cargo deny --locked check advisories

# BENCH="--quick" and others: see docs/benchmarks.md.
bench:
	cargo run --release --locked -p ecs-bench -- $(BENCH)

soak:
	scripts/soak.sh

# FUZZ_SECONDS (default 60) for each target: see docs/fuzzing.md.
fuzz:
	scripts/fuzz.sh

# Trains every model from nothing and says whether the artefacts come out as they are here: see docs/models.md.
models:
	scripts/models.sh compare
