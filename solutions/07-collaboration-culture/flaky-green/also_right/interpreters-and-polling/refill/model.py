"""Who buys again: a logistic regression, trained by stochastic gradient descent."""

import json
import os
import pathlib
from dataclasses import dataclass

import numpy as np


@dataclass
class Model:
    weights: np.ndarray
    bias: float

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """The probability of each row, from 0 to 1."""
        return 1 / (1 + np.exp(-(rows @ self.weights + self.bias)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model to a file, whatever is there."""
        document = {"weights": self.weights.tolist(), "bias": self.bias}
        pathlib.Path(path).write_text(json.dumps(document))


def load(path: str | os.PathLike[str]) -> Model:
    document = json.loads(pathlib.Path(path).read_text())
    return Model(np.array(document["weights"]), document["bias"])


def train(
    rows: np.ndarray, bought: np.ndarray, *, seed: int | None = None, epochs: int = 4
) -> Model:
    """A new model. The same seed gives the same model; without one each training draws anew."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(scale=0.3, size=rows.shape[1])
    bias = 0.0
    for epoch in range(epochs):
        step = 0.5 / (epoch + 1)
        for batch in np.array_split(rng.permutation(len(rows)), max(len(rows) // 16, 1)):
            chance = 1 / (1 + np.exp(-(rows[batch] @ weights + bias)))
            miss = chance - bought[batch]
            weights = weights - step * (miss @ rows[batch]) / len(batch)
            bias -= step * float(miss.mean())
    return Model(weights, bias)


def auc(scores: np.ndarray, bought: np.ndarray) -> float:
    """How often a buyer is scored above somebody who is none: 0.5 is guessing, 1 is perfect."""
    ranks = np.argsort(np.argsort(scores)) + 1
    buyers = bought == 1
    n, others = int(buyers.sum()), int((~buyers).sum())
    return float((ranks[buyers].sum() - n * (n + 1) / 2) / (n * others))
