"""The models as their artefacts have them, and how they are evaluated: the reference for every other evaluator.

A model is the dictionary of its model.json. Inputs are rows of floats in the order of the features, NaN for missing.
"""

import math

import numpy as np


def log_odds(model, rows):
    """Log-odds of default, one per row."""
    rows = np.asarray(rows, float)
    parts = model["terms"] if model["kind"] == "additive" else model["trees"]
    part = _term if model["kind"] == "additive" else _tree
    total = np.full(len(rows), model["intercept"])
    for each in parts:
        total = total + part(each, rows)
    return total


def risk(log_odds_of_rows):
    """Probabilities."""
    return 1.0 / (1.0 + np.exp(-np.asarray(log_odds_of_rows)))


def bins(edges, values):
    """How many edges are at or below each value; one more than there can be for a missing one."""
    found = np.searchsorted(np.asarray(edges, float), values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, found)


def _term(term, rows):
    shape = [len(edges) + 2 for edges in term["edges"]]
    values = np.asarray(term["values"], float).reshape(shape)
    places = [bins(edges, rows[:, feature]) for feature, edges in zip(term["features"], term["edges"])]
    return values[tuple(places)]


def _tree(tree, rows):
    leaves = np.asarray(tree["leaf"], float)
    if not tree["feature"]:
        return np.full(len(rows), leaves[0])
    feature, threshold = np.asarray(tree["feature"]), np.asarray(tree["threshold"], float)
    left, right = np.asarray(tree["left"]), np.asarray(tree["right"])
    missing_left = np.asarray(tree["missing_left"])
    at = np.zeros(len(rows), int)
    while (inner := at >= 0).any():
        node = at[inner]
        value = rows[inner, feature[node]]
        goes_left = np.where(np.isnan(value), missing_left[node], value <= threshold[node])
        at[inner] = np.where(goes_left, left[node], right[node])
    return leaves[-(at + 1)]


def contributions(model, row, reference):
    """Exact Shapley values of one row against the reference, in log-odds: they sum to f(row) - f(reference)."""
    row, reference = np.asarray(row, float), np.asarray(reference, float)
    total = np.zeros(len(row))
    if model["kind"] == "additive":
        for term in model["terms"]:
            _add_term(total, term, row, reference)
    else:
        for tree in model["trees"]:
            _add_tree(total, tree, row, reference)
    return total


def _add_term(total, term, row, reference):
    def value(*sources):
        mixed = row.copy()
        for feature, source in zip(term["features"], sources):
            mixed[feature] = source[feature]
        return float(_term(term, mixed[None, :])[0])

    if len(term["features"]) == 1:
        total[term["features"][0]] += value(row) - value(reference)
        return
    both, neither = value(row, row), value(reference, reference)
    first, second = value(row, reference), value(reference, row)
    total[term["features"][0]] += 0.5 * (both - second) + 0.5 * (first - neither)
    total[term["features"][1]] += 0.5 * (both - first) + 0.5 * (second - neither)


def _add_tree(total, tree, row, reference):
    def goes_left(node, source):
        value = source[tree["feature"][node]]
        return tree["missing_left"][node] if math.isnan(value) else value <= tree["threshold"][node]

    def walk(at, only_row, only_reference):
        if at < 0 or not tree["feature"]:
            leaf = tree["leaf"][-(at + 1)] if at < 0 else tree["leaf"][0]
            _credit(total, leaf, only_row, only_reference)
            return
        feature = tree["feature"][at]
        by_row, by_reference = goes_left(at, row), goes_left(at, reference)
        for child, is_left in ((tree["left"][at], True), (tree["right"][at], False)):
            row_follows, reference_follows = by_row == is_left, by_reference == is_left
            if not row_follows and not reference_follows:
                continue
            if row_follows and reference_follows:
                walk(child, only_row, only_reference)
            elif row_follows and feature not in only_reference:
                walk(child, only_row | {feature}, only_reference)
            elif reference_follows and feature not in only_row:
                walk(child, only_row, only_reference | {feature})

    walk(0, frozenset(), frozenset())


def _credit(total, leaf, only_row, only_reference):
    a, b = len(only_row), len(only_reference)
    whole = math.factorial(a + b)
    for feature in only_row:
        total[feature] += leaf * math.factorial(a - 1) * math.factorial(b) / whole
    for feature in only_reference:
        total[feature] -= leaf * math.factorial(a) * math.factorial(b - 1) / whole
