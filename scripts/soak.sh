#!/usr/bin/env bash
# The long versions of the fault and property tests. Writes docs/soak.md; takes about an hour on 2 cores, and seven more with the fuzz targets.
# SOAK_KILLS (default 200), SOAK_CUTS (default 1000), SOAK_FAULTS (rounds through all faults, default 2), SOAK_BUSES (over which
# transports, default "nats rabbitmq kafka"), SOAK_CASES (default 20000), SOAK_SCHEMA_CASES (default 100000)
# SOAK_FUZZ_SECONDS (of each fuzz target, default 3600) and SOAK_RUNS (default 10) make it longer or shorter.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/provision.sh --require
kills=${SOAK_KILLS:-200}
cuts=${SOAK_CUTS:-1000}
faults=${SOAK_FAULTS:-2}
buses=${SOAK_BUSES:-nats rabbitmq kafka}
cases=${SOAK_CASES:-20000}
schema_cases=${SOAK_SCHEMA_CASES:-100000}
runs=${SOAK_RUNS:-10}
seed=${SOAK_SEED:-$(date +%s)}
report=docs/soak.md
log=$(mktemp)
trap 'rm -f "$log"' EXIT

cat >"$report" <<END
# The last soak

\`make soak\`, on $(date -u +%F), commit $(git rev-parse --short HEAD), $(nproc) cores, seed $seed.

| what | how much | result | seconds |
|---|---|---|---|
END

failed=0
run() {
    local what=$1 how_much=$2 began=$SECONDS result=passed
    shift 2
    echo "== $what: $how_much"
    "$@" >"$log" 2>&1 || { result=FAILED; failed=1; tail -n 60 "$log"; }
    echo "| $what | $how_much | $result | $((SECONDS - began)) |" >>"$report"
}

run "kill -9 under load, books balanced after each" "$kills kills" \
    env ECS_TEST_KILLS="$kills" ECS_TEST_SEED="$seed" \
    cargo test --release --locked -p ecs --test platform -- --nocapture kill_9
grep -E "^[0-9]+ kills, seed" "$log" || true
accepted=$(grep -oE '^[0-9]+ kills, seed .*' "$log" || true)
[ -z "$accepted" ] || printf '\nAccepted by the journal of the kill run: `%s`.\n\n' "${accepted#*: }" >>"$report.tail"
run "power cut under load, promises held against the wreck" "$cuts cuts" \
    env ECS_TEST_CUTS="$cuts" ECS_TEST_SEED="$seed" \
    cargo test --release --locked -p ecs --test power_loss -- --nocapture
kept=$(grep -oE '[0-9]+ cuts, seed [0-9]+: .*' "$log" | tail -n 1 || true)
[ -z "$kept" ] || printf '\nThe power cuts, what they hit and what was kept: `%s`.\n\n' "${kept#*: }" >>"$report.tail"
for bus in $buses; do
    run "every role a process of its own over PostgreSQL, $bus and Redis: kills, pauses, failovers, cuts, books balanced after each" \
        "$faults rounds" \
        env SOAK_FAULTS="$faults" ECS_TEST_SEED="$seed" \
        cargo test --release --locked -p ecs --test faults -- --nocapture --exact "over_${bus}_the_books_balance_whatever_dies"
    struck=$(grep -oE '[0-9]+ faults over .*, seed [0-9]+: .*' "$log" | tail -n 1 || true)
    # A name that is no test's passes, and has shown nothing.
    if [ -z "$struck" ]; then
        echo "no faults were struck over $bus" >&2
        failed=1
    fi
    printf '\nThe faults of processes, servers and networks, and what was accepted meanwhile: `%s`.\n\n' "${struck:-none over $bus}" >>"$report.tail"
done
run "arbitrary bytes to both ingestion endpoints" "$cases cases" \
    env PROPTEST_CASES="$cases" cargo test --release --locked -p ecs-emotion-ingestion -p ecs-transaction-ingestion
run "requests of schemathesis to the whole platform, each answer as documented" "$schema_cases requests" \
    env ECS_TEST_SCHEMA_CASES="$schema_cases" ECS_TEST_SEED="$seed" \
    cargo test --release --locked -p ecs --test platform -- --nocapture no_request_gets_an_answer
fuzz_seconds=${SOAK_FUZZ_SECONDS:-3600}
if cargo +nightly fuzz --version >/dev/null 2>&1; then
    run "arbitrary bytes to every parser" "$fuzz_seconds seconds of each fuzz target" \
        env FUZZ_SECONDS="$fuzz_seconds" FUZZ_JOBS="$(nproc)" scripts/fuzz.sh
    { echo; grep '^|' "$log" || true; } >>"$report.tail"
else
    echo "| arbitrary bytes to every parser | none: no nightly compiler or no cargo-fuzz | DID NOT RUN | 0 |" >>"$report"
fi
run "contracts, by property" "$cases cases" \
    env PROPTEST_CASES="$cases" cargo test --release --locked -p ecs-domain -p ecs-bus-embedded -p ecs-store-sqlite
run "concurrency checks: interleavings, models, and the code beside them" "$((cases / 10)) cases, 4 preemptions" \
    env PROPTEST_CASES="$cases" ECS_CHECK_PREEMPTIONS=4 cargo test --release --locked -p ecs-cache -p ecs-checks
run "the whole suite again and again" "$runs runs of the platform tests" \
    bash -c 'for _ in $(seq '"$runs"'); do cargo test --release --locked -p ecs --test platform || exit 1; done'
cat "$report.tail" >>"$report" 2>/dev/null || true
rm -f "$report.tail"
cat "$report"
exit $failed
