"""The artefacts in the repository hold together: digests, golden vectors, directions, and the numbers of the page."""

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from training import card, golden, measure, model as reference_model, report
from training.versions import VERSIONS

MODELS = Path(__file__).resolve().parents[2]


@pytest.fixture(params=VERSIONS, ids=lambda about: about.version)
def artefact(request):
    folder = MODELS / request.param.version
    about = tomllib.loads((folder / card.CARD).read_text())
    model, vectors = (json.loads((folder / name).read_text()) for name in (card.MODEL, card.GOLDEN))
    return request.param, folder, about, model, vectors


def test_digests_are_those_of_the_files(artefact):
    _, folder, about, _, _ = artefact
    for name, digest in about["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_golden_vectors_come_out(artefact):
    of, _, _, model, vectors = artefact
    rows = vectors["rows"]
    assert len(rows) >= 200
    inputs = np.array([row["inputs"] for row in rows], dtype=float)
    told = np.array([row["log_odds"] for row in rows])
    assert np.abs(reference_model.log_odds(model, inputs) - told).max() <= golden.CLOSE
    for row in rows:
        assert abs(row["base_log_odds"] + sum(row["contributions"]) - row["log_odds"]) <= golden.CLOSE


def test_directions_hold_whatever_else_is_known(artefact):
    of, _, about, model, vectors = artefact
    assert [(f["name"], f["direction"]) for f in about["features"]] == [(f.name, f.direction) for f in of.features]
    rows = np.array([row["inputs"] for row in vectors["rows"]], dtype=float)[::4]
    for index, feature in enumerate(of.features):
        if feature.constraint == 0:
            continue
        top = np.nanmax(rows[:, index]) if feature.unit != "0..1" else 1.0
        steps = np.r_[np.linspace(0, min(top, 2_000), 300)]
        many = np.repeat(rows, len(steps), axis=0)
        many[:, index] = np.tile(steps, len(rows))
        climbs = np.diff(reference_model.log_odds(model, many).reshape(len(rows), -1), axis=1)
        assert (climbs * feature.constraint).min() >= -1e-9, feature.name


def test_what_was_asked_for_was_measured(artefact):
    of, _, about, _, _ = artefact
    measured = json.loads((MODELS / "measured.json").read_text())["models"][of.version]
    assert measured["oracle_auc"] - measured["auc"] <= measure.NEAR_ORACLE
    assert measured["ece"] <= measure.CALIBRATED
    for name, value in about["metrics"].items():
        assert value == pytest.approx(measured[name], abs=1e-6)


def test_the_page_tells_what_was_measured():
    page = (MODELS.parent / "docs" / "models.md").read_text()
    assert report.put(page, json.loads((MODELS / "measured.json").read_text())) == page
