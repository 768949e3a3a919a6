"""The explainable boosting machine: a curve for each feature, and a table for a few pairs that count only together."""

import itertools
import warnings

import numpy as np
from interpret.glassbox import ExplainableBoostingClassifier

from .rounding import rounded

# Bins of a curve and of each side of a table. More change nothing that can be measured, and make the file longer.
CURVE_BINS, TABLE_BINS = 48, 12
SEED = 11


def fit(people, outcomes, features, pairs=2, bags=2):
    """A fitted machine. Pairs are looked for among features that may work in either direction.

    The library keeps a curve's direction and knows no direction of a table, so a feature with a direction is in none.
    """
    machine = ExplainableBoostingClassifier(
        feature_names=[feature.name for feature in features],
        feature_types=["continuous"] * len(features),
        monotone_constraints=[feature.constraint for feature in features],
        interactions=_pairs(features, pairs),
        max_bins=CURVE_BINS,
        max_interaction_bins=TABLE_BINS,
        outer_bags=bags,
        learning_rate=0.04,
        smoothing_rounds=50,
        interaction_smoothing_rounds=20,
        max_rounds=1500,
        early_stopping_rounds=50,
        min_samples_leaf=50 if len(people) > 10_000 else 4,
        n_jobs=1,
        random_state=SEED,
    )
    with warnings.catch_warnings():
        # It warns that its own drawings leave out missing values. Ours don't.
        warnings.filterwarnings("ignore", "Missing values detected")
        machine.fit(people.to_numpy(float), outcomes.to_numpy(int))
    return _round_off(machine)


def _pairs(features, most):
    free = [index for index, feature in enumerate(features) if feature.direction == "either"]
    return list(itertools.combinations(free, 2))[:most]


def _round_off(machine):
    # Rounded inside the library's model, too: what it predicts and what the artefact says are one function.
    machine.intercept_ = np.array([rounded(value) for value in machine.intercept_])
    machine.term_scores_ = [np.vectorize(rounded)(scores) for scores in machine.term_scores_]
    machine.bins_ = [[np.vectorize(rounded)(cuts) for cuts in levels] for levels in machine.bins_]
    return machine


def predict(machine, rows):
    """Log-odds by the library."""
    return machine.decision_function(np.asarray(rows, float))


def artefact(machine):
    """The content of model.json."""
    terms = [_term(machine, *each) for each in zip(machine.term_features_, machine.term_scores_)]
    return {"format": 1, "kind": "additive", "intercept": float(machine.intercept_[0]), "terms": terms}


def _term(machine, members, scores):
    # The library's bins begin with that of missing values and end with one for words that it doesn't know.
    for axis in range(len(members)):
        count = scores.shape[axis]
        scores = np.take(scores, [*range(1, count - 1), 0], axis=axis)
    levels = [machine.bins_[feature] for feature in members]
    edges = [level[min(len(members), len(level)) - 1] for level in levels]
    return {
        "features": [int(feature) for feature in members],
        "edges": [[float(edge) for edge in cuts] for cuts in edges],
        "values": [float(value) for value in scores.ravel()],
    }
