#!/usr/bin/env bash
# Makes a development authority in FOLDER, and certificates for localhost and for each NAME: NAME.pem and NAME-key.pem.
#
#   scripts/dev-authority.sh FOLDER [NAME ...]
#
# It prints the settings that let `ecs` speak TLS as localhost. Run again, it keeps the authority and makes new certificates: a
# platform that runs with the old ones takes them up within seconds. For development only: nobody guards the authority's key.
set -euo pipefail
[ $# -ge 1 ] || { sed -n 's/^#   \(scripts\/.*\)/usage: \1/p' "$0" >&2; exit 2; }
folder=$(realpath -m -- "$1")
shift
cd "$(dirname "$0")/.."
exec cargo run --quiet --locked -p ecs-servers -- authority "$folder" "$@"
