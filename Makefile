# `make run` shows the platform; `make test` runs everything that must hold.
.PHONY: run test check soak bench

run:
	cargo run --release --locked -- demo

test:
	cargo test --workspace --locked

# What CI runs beside the tests: format, lints, documentation.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet

# BENCH="--quick" and others: see docs/benchmarks.md.
bench:
	cargo run --release --locked -p ecs-bench -- $(BENCH)

soak:
	scripts/soak.sh
