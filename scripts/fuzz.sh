#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (default 60), FUZZ_JOBS (default 1) at a time, or those that are named, and prints a table
# of what was run. It needs a nightly compiler and cargo-fuzz: rustup toolchain install nightly; cargo install cargo-fuzz --locked
# What a run finds new goes to fuzz/target/corpus; an input that breaks something stays in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${FUZZ_SECONDS:-60}
jobs=${FUZZ_JOBS:-1}

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "DID NOT RUN: the fuzz targets because there is no nightly compiler or no cargo-fuzz: see scripts/fuzz.sh" >&2
    exit 1
fi
cargo +nightly fuzz build --fuzz-dir .
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
built=target/$host/release
logs=target/logs
mkdir -p "$logs"

fuzz() {
    local target=$1 result=passed runs reached
    mkdir -p "target/corpus/$target" "artifacts/$target"
    "$built/$target" "target/corpus/$target" "corpus/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=4096 -print_final_stats=1 -artifact_prefix="artifacts/$target/" >"$logs/$target" 2>&1 || result=FAILED
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target")
    reached=$(grep -oE 'cov: [0-9]+' "$logs/$target" | tail -n 1 | cut -d ' ' -f 2)
    echo "| $target | $seconds s | ${runs:-?} | ${reached:-?} | $result |"
    if [ "$result" != passed ]; then
        tail -n 40 "$logs/$target" >&2
        return 1
    fi
}
export -f fuzz
export seconds built logs

if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cd fuzz_targets && ls -- *.rs | sed 's/\.rs$//'); fi
echo "| target | time | executions | edges reached | result |"
echo "|---|---|---|---|---|"
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'fuzz {}'
