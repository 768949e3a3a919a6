"""Both libraries on a small crowd with a known truth: what they predict, what the artefact says, and in which direction."""

import json
import tomllib

import numpy as np
import pandas as pd
import pytest

from training import additive, card, compare, data, golden, model as reference_model, oracle, trees
from training.features import Feature, EMPATHIC, names
from training.versions import VERSIONS

FEATURES = (
    Feature("count", "count", "either", 3.0),
    Feature("amount", "money", "either", 1.0),
    Feature("days_since_last_transaction", "days", "raises", 0.5),
)


def people(size=4_000):
    chance = np.random.default_rng(4)
    table = pd.DataFrame({f.name: np.round(chance.gamma(2.0, 1.0, size), 2) for f in FEATURES})
    log_odds = 0.6 * table["days_since_last_transaction"] - 2 + 0.4 * (table["count"] * table["amount"] > 4)
    table.loc[chance.random(size) < 0.1, "days_since_last_transaction"] = np.nan
    probability = reference_model.risk(log_odds)
    return table, pd.Series((chance.random(size) < probability).astype(int)), probability


@pytest.fixture(scope="module", params=[additive, trees], ids=["additive", "trees"])
def fitted(request):
    table, outcomes, _ = people()
    library = request.param
    machine = library.fit(table, outcomes, FEATURES)
    return library, machine, library.artefact(machine)


def test_the_artefact_predicts_what_the_library_does(fitted):
    library, machine, model = fitted
    rows = golden.inputs(model, FEATURES, people()[0])
    assert len(rows) >= 200
    assert np.isnan(rows).any()
    vectors = golden.vectors(model, FEATURES, rows, library.predict(machine, rows))
    assert len(vectors["rows"]) == len(rows)
    with pytest.raises(ValueError, match="differ"):
        golden.vectors(model, FEATURES, rows, library.predict(machine, rows) + 0.001)


def test_directions_hold_everywhere(fitted):
    _, _, model = fitted
    chance = np.random.default_rng(5)
    rows = np.repeat(chance.gamma(2.0, 1.0, (200, 3)), 40, axis=0)
    rows[:, 2] = np.tile(np.linspace(0, 12, 40), 200)
    steps = np.diff(reference_model.log_odds(model, rows).reshape(200, 40), axis=1)
    assert steps.min() >= -1e-9
    assert steps.max() > 0


def test_the_same_people_give_the_same_bytes(fitted):
    library, _, model = fitted
    table, outcomes, _ = people()
    again = library.artefact(library.fit(table, outcomes, FEATURES))
    assert json.dumps(again) == json.dumps(model)


def test_a_card_names_its_files(fitted, tmp_path):
    library, machine, model = fitted
    rows = golden.inputs(model, FEATURES, people()[0])
    vectors = golden.vectors(model, FEATURES, rows, library.predict(machine, rows))
    about = VERSIONS[0]
    digest = card.write(tmp_path, model, vectors, about, FEATURES, {"source": "a test", "seed": 1}, {"auc": 0.7})
    told = tomllib.loads((tmp_path / card.CARD).read_text())
    assert len(digest) == 64
    assert [each["name"] for each in told["features"]] == [f.name for f in FEATURES]
    assert str(told["trained_at"]) == about.trained_at
    assert compare.versions(tmp_path, tmp_path) == (0, "the same bytes")
    assert set(told["files"]) == {card.MODEL, card.GOLDEN}


def test_the_oracle_has_not_met_whom_it_scores():
    table, _, probability = people()
    table["probability"] = probability
    columns = [f.name for f in FEATURES]
    scores = oracle.cross_fitted(table[:2_000], table[2_000:].reset_index(drop=True), columns)
    assert np.corrcoef(scores, table["probability"][2_000:])[0, 1] > 0.9


def test_silence_takes_emotions_away_and_nothing_else():
    table = pd.DataFrame({name: np.full(2_000, 3.0) for name in names(EMPATHIC)})
    table["stress_events_30d"] = 10.0
    silent = data.masked(table)
    gone = silent["avg_stress_7d"].isna()
    assert 0.11 < gone.mean() < 0.19
    assert set(silent.loc[gone, "stress_events_30d"]) == {0.0, 7.0}
    assert set(silent.loc[gone, "stress_events_7d"]) == {0.0}
    assert (silent.loc[~gone] == table.loc[~gone]).all(axis=None)
    assert (silent[names(EMPATHIC)[:4]] == 3.0).all(axis=None)
