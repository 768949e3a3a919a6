#!/usr/bin/env bash
# PostgreSQL, a bus and Redis for a try: private servers on free ports that end with this script, and what they keep with them.
#   scripts/engines.sh [OPTIONS]               prints the settings that lead the platform to them, and stays
#   scripts/engines.sh [OPTIONS] -- COMMAND…   runs a command with these settings
# --replicas             also a synchronous and an asynchronous replica of PostgreSQL
# --bus nats|rabbitmq|kafka   what the bus goes over, NATS when nothing is said; the rest is the same over each
# For example the whole platform over Kafka: scripts/engines.sh --bus kafka -- target/release/ecs serve
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
"$here/scripts/provision.sh" --require
cargo build --quiet --locked --manifest-path "$here/Cargo.toml" -p ecs-servers
folder=${CARGO_TARGET_DIR:-$here/target}
# The binary itself and not cargo around it: a signal to us is a signal to it.
exec "$folder/debug/ecs-servers" up "$@"
