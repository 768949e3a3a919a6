"""How good a score is: ranking, calibration, surprise."""

import numpy as np


def auc(outcomes, scores):
    """How likely somebody who defaults is ranked above somebody who doesn't; ties count half.

    `outcomes` may be probabilities: everybody then counts in part on either side, which is what the mean over all draws of
    outcomes would be, with far less noise than one draw has.
    """
    outcomes, scores = np.asarray(outcomes, float), np.asarray(scores, float)
    order = np.argsort(scores, kind="stable")
    sorted_scores, bad = scores[order], outcomes[order]
    starts = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])
    bad_in, good_in = np.add.reduceat(bad, starts), np.add.reduceat(1.0 - bad, starts)
    good_below = np.cumsum(good_in) - good_in
    return float((bad_in * (good_below + good_in / 2)).sum() / (bad.sum() * (1.0 - bad).sum()))


def deviation_of_auc(outcomes, scores, rounds=50, seed=5):
    """Standard deviation of the AUC over resampled people."""
    outcomes, scores = np.asarray(outcomes, float), np.asarray(scores, float)
    chance = np.random.default_rng(seed)
    draws = (chance.integers(0, len(scores), len(scores)) for _ in range(rounds))
    return float(np.std([auc(outcomes[draw], scores[draw]) for draw in draws], ddof=1))


def calibration(outcomes, scores, bins=20):
    """Mean score, share of defaults and number of people in bins of equally many people, from low to high scores."""
    outcomes, scores = np.asarray(outcomes, float), np.asarray(scores, float)
    parts = np.array_split(np.argsort(scores, kind="stable"), bins)
    return [(float(scores[part].mean()), float(outcomes[part].mean()), len(part)) for part in parts]


def expected_calibration_error(outcomes, scores, bins=20):
    """Mean distance between score and share of defaults over such bins, by people."""
    table = calibration(outcomes, scores, bins)
    return sum(count * abs(score - share) for score, share, count in table) / sum(row[2] for row in table)


def log_loss(outcomes, scores):
    """Mean negative log-likelihood, in nats."""
    outcomes, scores = np.asarray(outcomes, float), np.asarray(scores, float)
    return float(-np.mean(outcomes * np.log(scores) + (1.0 - outcomes) * np.log1p(-scores)))
