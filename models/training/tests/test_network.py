"""The example of a network holds together, as far as can be seen without what computes it: the tests in Rust do that."""

import hashlib
import tomllib
from pathlib import Path

import numpy as np

from training import card, features

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "financial-net-1"


def test_files_are_those_of_the_card():
    about = tomllib.loads((FOLDER / card.CARD).read_text())
    assert set(about["files"]) == {card.ONNX, card.GOLDEN}
    for name, digest in about["files"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


def test_features_are_those_without_emotions_and_claim_no_direction():
    about = tomllib.loads((FOLDER / card.CARD).read_text())
    assert [feature["name"] for feature in about["features"]] == features.names(features.FINANCIAL)
    assert {feature["direction"] for feature in about["features"]} == {"either"}


def test_golden_rows_tell_people_apart_and_some_values_are_missing():
    rows = card.golden_rows(FOLDER)
    assert len(rows) >= 200
    scores = np.array([row["risk_score"] for row in rows])
    assert 0.0 <= scores.min() < 0.05 and 0.3 < scores.max() <= 1.0
    assert any(None in row["inputs"] for row in rows)
