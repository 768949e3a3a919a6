"""Golden vectors: inputs whose answers every evaluator has to give."""

import numpy as np

from . import model as reference_model

CLOSE = 1e-6
SEED = 19


def inputs(model, features, people, ordinary=160, edges=60):
    """Rows: ordinary people, extremes, missing values, and values that lie exactly on an edge."""
    chance = np.random.default_rng(SEED)
    columns = [feature.name for feature in features]
    people = people[columns].to_numpy(float)
    rows = [*people[chance.choice(len(people), ordinary, replace=False)], *_extremes(features, people)]
    rows += _missing(features, people[chance.choice(len(people), 20, replace=False)])
    cuts = sorted(_cuts(model))
    for place in chance.choice(len(cuts), min(edges, len(cuts)), replace=False):
        feature, edge = cuts[place]
        row = people[chance.integers(len(people))].copy()
        row[feature] = edge
        rows += [row]
    return np.array(rows)


def _extremes(features, people):
    lowest, highest = np.nanmin(people, axis=0), np.nanmax(people, axis=0)
    middle = np.array([feature.reference for feature in features])
    rows = [middle, lowest, highest, np.zeros(len(features)), highest * 1000.0]
    for index in range(len(features)):
        for value in (0.0, lowest[index], highest[index], 1e9):
            row = middle.copy()
            row[index] = value
            rows.append(row)
    return rows


def _missing(features, people):
    may_miss = [index for index, feature in enumerate(features) if feature.may_be_missing]
    rows = []
    for number, row in enumerate(people):
        row = row.copy()
        for place, index in enumerate(may_miss):
            if (number + 1) >> place & 1:
                row[index] = np.nan
        rows.append(row)
    everything = people[0].copy()
    everything[may_miss] = np.nan
    return [*rows, everything]


def _cuts(model):
    if model["kind"] == "additive":
        for term in model["terms"]:
            for feature, edges in zip(term["features"], term["edges"]):
                yield from ((feature, edge) for edge in edges)
    elif model["kind"] == "trees":
        for tree in model["trees"]:
            yield from zip(tree["feature"], tree["threshold"])


def vectors(model, features, rows, predicted):
    """The content of golden.json. `predicted` are the training library's own log-odds; ours may not differ from them."""
    ours = reference_model.log_odds(model, rows)
    furthest = float(np.max(np.abs(ours - predicted)))
    if furthest > CLOSE:
        raise ValueError(f"the artefact and the training library differ by {furthest}")
    reference = np.array([feature.reference for feature in features])
    base = float(reference_model.log_odds(model, reference[None, :])[0])
    told = [_vector(model, row, reference, base, float(by_library)) for row, by_library in zip(rows, predicted)]
    return {"format": 1, "rows": told}


def _vector(model, row, reference, base, log_odds):
    contributions = reference_model.contributions(model, row, reference)
    if abs(base + contributions.sum() - log_odds) > CLOSE:
        raise ValueError("contributions don't add up to the score")
    return {
        "inputs": [None if np.isnan(value) else float(value) for value in row],
        "log_odds": log_odds,
        "risk_score": float(reference_model.risk(log_odds)),
        "base_log_odds": base,
        "contributions": [float(value) + 0.0 for value in contributions],
    }
