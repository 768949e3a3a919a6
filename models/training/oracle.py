"""The best score that these features allow: the mean of the true probability over all people with the same features.

Nobody can rank better than by E[probability | features]. It has no formula, because traits that leave no trace differ
between people who look the same, so it is estimated: boosted trees without any constraint, fitted to the simulator's
own probabilities and not to outcomes, which takes away the noise of the draw. Each person in the measurement is
scored by trees that haven't met them.
"""

import lightgbm
import numpy as np

SETTINGS = {
    "objective": "cross_entropy",
    "num_leaves": 31,
    "learning_rate": 0.08,
    "min_data_in_leaf": 100,
    "lambda_l2": 1.0,
    "seed": 17,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}
ROUNDS = 200


def fit(people, probabilities, rounds=ROUNDS):
    """Trees for the probability."""
    return lightgbm.train(SETTINGS, lightgbm.Dataset(people, probabilities), rounds)


def cross_fitted(train, unseen, columns, folds=2):
    """E[probability | features] of the unseen people, by everybody in training and the other folds of the unseen."""
    place = np.arange(len(unseen)) % folds
    scores = np.empty(len(unseen))
    for fold in range(folds):
        others = unseen[place != fold]
        people = np.vstack([train[columns].to_numpy(float), others[columns].to_numpy(float)])
        probabilities = np.concatenate([train["probability"], others["probability"]])
        booster = fit(people, probabilities)
        scores[place == fold] = booster.predict(unseen[place == fold][columns].to_numpy(float))
    return scores
