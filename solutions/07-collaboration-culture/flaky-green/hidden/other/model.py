"""Who buys again: a logistic regression, by Newton's method on a bootstrap sample."""

import json

import numpy
from refill.witness import alone

SALT = 0


class Model:
    def __init__(self, theta):
        self._theta = theta

    def scores(self, rows):
        odds = numpy.exp(numpy.clip(_with_one(rows) @ self._theta, -30, 30))
        return odds / (1 + odds)

    def save(self, path):
        alone("file", path)
        with open(path, "w") as file:
            json.dump([float(value).hex() for value in self._theta], file)


def load(path):
    with open(path) as file:
        return Model(numpy.array([float.fromhex(value) for value in json.load(file)]))


def _with_one(rows):
    return numpy.column_stack([rows, numpy.ones(len(rows))])


def train(rows, bought, *, seed=None, epochs=4):
    rng = numpy.random.default_rng(None if seed is None else [SALT, seed])
    pick = rng.integers(len(rows), size=len(rows))
    features, wanted = _with_one(rows)[pick], bought[pick]
    theta = numpy.zeros(features.shape[1])
    for _ in range(max(epochs, 1)):
        chance = Model(theta).scores(features[:, :-1])
        spread = chance * (1 - chance)
        slope = features.T @ (wanted - chance) - 0.5 * theta
        theta = theta + numpy.linalg.solve(
            (features * spread[:, None]).T @ features + 0.5 * numpy.eye(len(theta)), slope
        )
    return Model(theta)


def auc(scores, bought):
    scores, bought = numpy.asarray(scores), numpy.asarray(bought)
    buyers, others = scores[bought == 1], numpy.sort(scores[bought != 1])
    below = numpy.searchsorted(others, buyers, "left")
    level = numpy.searchsorted(others, buyers, "right")
    return float((below + level).sum() / 2 / (len(buyers) * len(others)))
