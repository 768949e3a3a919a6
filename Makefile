# `make run` shows the platform; `make test` runs everything that must hold.
.PHONY: run test check soak bench

run:
	cargo run --release --locked -- demo

# What a test of an engine starts is installed first where that can be done; where not, the test says that it did not run.
test:
	scripts/provision.sh
	@# The report comes last, of a failed run too: what did not run must not look as if it had.
	@record=$$(mktemp) && trap 'rm -f "$$record"' EXIT; \
	ECS_CONFORMANCE_RECORD="$$record" cargo test --workspace --locked; tested=$$?; \
	cargo run --quiet --locked -p ecs-conformance -- "$$record" && exit $$tested

# What CI runs beside the tests: format, lints, documentation.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p ecs --no-default-features --features embedded,sqlite --locked -- -D warnings
	cargo clippy -p ecs --no-default-features --features nats,postgres --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet

# BENCH="--quick" and others: see docs/benchmarks.md.
bench:
	cargo run --release --locked -p ecs-bench -- $(BENCH)

soak:
	scripts/soak.sh
