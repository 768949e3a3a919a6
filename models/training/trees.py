"""Boosted trees, few and small, held to the features' directions."""

import lightgbm

from .rounding import rounded

TREES, LEAVES = 80, 12
SEED = 13


def fit(people, outcomes, features, trees=TREES, leaves=LEAVES, rate=0.1):
    """A fitted booster."""
    large = len(people) > 10_000
    settings = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": rate,
        "min_data_in_leaf": 200 if large else 10,
        "lambda_l2": 1.0,
        "monotone_constraints": [feature.constraint for feature in features],
        "max_bin": 127,
        "seed": SEED,
        # One thread adds up in one order.
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }
    return lightgbm.train(settings, lightgbm.Dataset(people, outcomes), trees)


def predict(booster, rows):
    """Log-odds by the library."""
    return booster.predict(rows, raw_score=True, num_threads=1)


def artefact(booster):
    """The content of model.json. The first trees carry the average, so nothing is left for the intercept."""
    trees = [_tree(info["tree_structure"]) for info in booster.dump_model()["tree_info"]]
    return {"format": 1, "kind": "trees", "intercept": 0.0, "trees": trees}


def _tree(root):
    tree = {"feature": [], "threshold": [], "left": [], "right": [], "missing_left": [], "leaf": []}
    _place(root, tree)
    return tree


def _place(node, tree):
    """Writes a node and those below it down, root first, and returns its number."""
    if "leaf_value" in node:
        tree["leaf"].append(rounded(node["leaf_value"]))
        return -len(tree["leaf"])
    number = len(tree["feature"])
    tree["feature"].append(node["split_feature"])
    # Not rounded: a value may lie on it.
    tree["threshold"].append(float(node["threshold"]))
    tree["missing_left"].append(_missing_goes_left(node))
    for side in ("left", "right"):
        tree[side].append(0)
    for side in ("left", "right"):
        tree[side][number] = _place(node[f"{side}_child"], tree)
    return number


def _missing_goes_left(node):
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    # Where training met no missing value, the library takes it for zero.
    return bool(0.0 <= node["threshold"])
