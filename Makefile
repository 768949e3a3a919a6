# `make run` shows the platform; `make test` runs everything that must hold.
.PHONY: run test check soak bench

run:
	cargo run --release --locked -- demo

# What a test of an engine starts is installed first where that can be done; where not, the test says that it did not run.
test:
	scripts/provision.sh
	cargo test --workspace --locked

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
