"""Metrics against their definitions and another library's."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from training import metrics


def crowd(size=500):
    chance = np.random.default_rng(2)
    scores = np.round(chance.random(size), 2)
    return (chance.random(size) < scores).astype(int), scores.clip(0.001, 0.999)


def test_they_agree_with_another_library():
    outcomes, scores = crowd()
    assert metrics.auc(outcomes, scores) == pytest.approx(roc_auc_score(outcomes, scores), abs=1e-12)
    assert metrics.log_loss(outcomes, scores) == pytest.approx(log_loss(outcomes, scores), abs=1e-12)


def test_the_auc_of_probabilities_is_the_mean_over_outcomes():
    probabilities = np.array([0.1, 0.9, 0.5, 0.3])
    scores = np.array([0.2, 0.8, 0.8, 0.1])
    good = bad_above = 0.0
    for i, first in enumerate(probabilities):
        for j, second in enumerate(probabilities):
            weight = first * (1 - second)
            good += weight
            bad_above += weight * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    assert metrics.auc(probabilities, scores) == pytest.approx(bad_above / good, abs=1e-12)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.0, 0.03), (0.2, 0.12, 0.21)])
def test_calibration_error_tells_a_shift(shift, low, high):
    chance = np.random.default_rng(3)
    scores = chance.random(20_000)
    outcomes = chance.random(20_000) < scores
    assert low <= metrics.expected_calibration_error(outcomes, (scores + shift).clip(0, 1)) <= high
