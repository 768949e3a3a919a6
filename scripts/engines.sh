#!/usr/bin/env bash
# PostgreSQL, NATS and Redis for a try: private servers on free ports that end with this script, and what they keep with them.
#   scripts/engines.sh [--replicas]               prints the settings that lead the platform to them, and stays
#   scripts/engines.sh [--replicas] -- COMMAND…   runs a command with these settings
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
"$here/scripts/provision.sh" --require
cargo build --quiet --locked --manifest-path "$here/Cargo.toml" -p ecs-servers
folder=${CARGO_TARGET_DIR:-$here/target}
# The binary itself and not cargo around it: a signal to us is a signal to it.
exec "$folder/debug/ecs-servers" up "$@"
