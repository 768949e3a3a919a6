"""What is measured of each model on people it hasn't met, beside the oracle of the features it sees."""

import numpy as np

from . import metrics, model as reference_model, oracle
from .data import masked
from .features import EMPATHIC, FINANCIAL, names

# What was asked for.
NEAR_ORACLE, CALIBRATED = 0.02, 0.02
# Scores up to which somebody might be approved. A policy chooses; this only says what it would mean.
CUT_OFFS = (0.05, 0.10, 0.15, 0.20, 0.25, 0.35)


def oracles(train, unseen):
    """The oracle's scores and how well they rank, for either set of features."""
    told = {}
    for features in (FINANCIAL, EMPATHIC):
        scores = oracle.cross_fitted(train, unseen, names(features))
        fewer = oracle.cross_fitted(train[::4], unseen[::4].reset_index(drop=True), names(features))
        told[len(features)] = {
            "scores": scores,
            "auc": metrics.auc(unseen["defaulted"], scores),
            "expected_auc": metrics.auc(unseen["probability"], scores),
            "deviation": metrics.deviation_of_auc(unseen["defaulted"], scores),
            "by_a_quarter": metrics.auc(unseen["probability"][::4], fewer),
            "same_people": metrics.auc(unseen["probability"][::4], scores[::4]),
        }
    return told


def of_model(model, features, unseen, best):
    """All numbers of one model. `best` is its oracle."""
    scores = reference_model.risk(reference_model.log_odds(model, unseen[names(features)].to_numpy(float)))
    outcomes = unseen["defaulted"]
    told = {
        "auc": metrics.auc(outcomes, scores),
        "auc_deviation": metrics.deviation_of_auc(outcomes, scores),
        "expected_auc": metrics.auc(unseen["probability"], scores),
        "oracle_auc": best["auc"],
        "ece": metrics.expected_calibration_error(outcomes, scores),
        "log_loss": metrics.log_loss(outcomes, scores),
    }
    crowds = np.array_split(np.arange(len(unseen)), unseen["crowd"].nunique())
    areas = [metrics.auc(outcomes.iloc[part], scores[part]) for part in crowds]
    told |= {"auc_of_worst_crowd": min(areas), "auc_of_best_crowd": max(areas)}
    told["personas"] = {
        persona: [float(scores[group].mean()), float(outcomes[group].mean()), int(group.sum())]
        for persona in sorted(unseen["persona"].unique())
        for group in [(unseen["persona"] == persona).to_numpy()]
    }
    told["cut_offs"] = [_cut_off(scores, outcomes.to_numpy(float), cut) for cut in CUT_OFFS]
    if len(features) > len(FINANCIAL):
        told["silent"] = _silent(model, features, unseen)
    return told, scores


def _cut_off(scores, outcomes, cut):
    """A cut-off, the share of people at or below it, and the share of those who default."""
    below = scores <= cut
    return [cut, float(below.mean()), float(outcomes[below].mean())]


def _silent(model, features, unseen):
    """How the same people are scored when the platform hears nothing of what they feel."""
    silent = masked(unseen, without_emotions=100, without_week=0)
    scores = reference_model.risk(reference_model.log_odds(model, silent[names(features)].to_numpy(float)))
    outcomes = unseen["defaulted"]
    return {"auc": metrics.auc(outcomes, scores), "ece": metrics.expected_calibration_error(outcomes, scores)}
