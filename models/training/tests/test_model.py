"""The reference evaluation and its explanations, by hand and by brute force."""

import itertools
import math

import numpy as np
import pytest

from training import model as reference_model

NAN = float("nan")
CURVE = {
    "format": 1,
    "kind": "additive",
    "intercept": 1.0,
    "terms": [
        {"features": [0], "edges": [[1.0, 2.0]], "values": [10.0, 20.0, 30.0, 5.0]},
        {"features": [0, 1], "edges": [[1.5], [0.0]], "values": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]},
    ],
}
STEPS = {
    "format": 1,
    "kind": "trees",
    "intercept": 0.5,
    "trees": [
        {
            "feature": [0, 1, 0],
            "threshold": [1.0, 0.0, 3.0],
            "left": [1, -1, -3],
            "right": [2, -2, -4],
            "missing_left": [False, True, True],
            "leaf": [1.0, 2.0, 4.0, 8.0],
        },
        {"feature": [], "threshold": [], "left": [], "right": [], "missing_left": [], "leaf": [0.25]},
    ],
}


@pytest.mark.parametrize(
    ("row", "expect"),
    [
        # A value on an edge is above it; the last place of each side is for what is missing.
        ((0.0, -1.0), 1 + 10 + 1),
        ((1.0, 0.0), 1 + 20 + 2),
        ((2.0, 0.5), 1 + 30 + 5),
        ((NAN, NAN), 1 + 5 + 9),
        ((NAN, 0.0), 1 + 5 + 8),
        ((1.5, NAN), 1 + 20 + 6),
    ],
)
def test_curves_and_tables(row, expect):
    assert reference_model.log_odds(CURVE, [row])[0] == expect


@pytest.mark.parametrize(
    ("row", "expect"),
    [
        # A value on a threshold goes left.
        ((1.0, 0.0), 1.75),
        ((1.0, 0.1), 2.75),
        ((1.1, 9.0), 4.75),
        ((3.1, 9.0), 8.75),
        ((0.0, NAN), 1.75),
        ((NAN, 9.0), 4.75),
    ],
)
def test_trees(row, expect):
    assert reference_model.log_odds(STEPS, [row])[0] == expect


def shapley(model, row, reference):
    """By the definition: the mean over all orders in which features change from the reference to the row."""
    total = np.zeros(len(row))
    orders = list(itertools.permutations(range(len(row))))
    for order in orders:
        mixed = np.array(reference, float)
        before = reference_model.log_odds(model, mixed[None, :])[0]
        for feature in order:
            mixed[feature] = row[feature]
            after = reference_model.log_odds(model, mixed[None, :])[0]
            total[feature] += after - before
            before = after
    return total / math.factorial(len(row))


def random_trees(chance, features=4, trees=5, depth=4):
    """Trees in which a path meets features again."""
    def grow(tree, level):
        if level == depth or (level > 0 and chance.random() < 0.2):
            tree["leaf"].append(float(chance.normal()))
            return -len(tree["leaf"])
        number = len(tree["feature"])
        tree["feature"].append(int(chance.integers(features)))
        tree["threshold"].append(float(chance.normal()))
        tree["missing_left"].append(bool(chance.integers(2)))
        for side in ("left", "right"):
            tree[side].append(0)
        for side in ("left", "right"):
            tree[side][number] = grow(tree, level + 1)
        return number

    grown = []
    for _ in range(trees):
        tree = {"feature": [], "threshold": [], "left": [], "right": [], "missing_left": [], "leaf": []}
        grow(tree, 0)
        grown.append(tree)
    return {"format": 1, "kind": "trees", "intercept": 0.1, "trees": grown}


def test_contributions_are_shapley_values():
    chance = np.random.default_rng(1)
    for _ in range(40):
        for model, width in ((random_trees(chance), 4), (CURVE, 2), (STEPS, 2)):
            row, reference = chance.normal(size=width) * 2, chance.normal(size=width) * 2
            row[chance.random(width) < 0.2] = NAN
            told = reference_model.contributions(model, row, reference)
            assert told == pytest.approx(shapley(model, row, reference), abs=1e-9)
