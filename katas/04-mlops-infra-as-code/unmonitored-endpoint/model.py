"""The churn model: reads its artefact, scores one customer at a time."""

import asyncio
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class UnknownContract(Exception):
    """The model was never trained on such a contract."""


@dataclass(frozen=True)
class Prediction:
    label: str  # "leave" or "stay"
    confidence: float  # of that label, from 0.5 to 1
    model_version: str


@dataclass(frozen=True)
class Model:
    version: str
    bias: float
    weights: Mapping[str, float]
    contracts: Mapping[str, float]
    latency_ms: Mapping[str, float]

    async def predict(self, numbers: Mapping[str, float], contract: str) -> Prediction:
        """Raises `UnknownContract` for a contract that is not in the artefact."""
        # Stands for the queue at the accelerator, where some contracts' models wait for long.
        await asyncio.sleep(self.latency_ms.get(contract, 0.0) / 1000)
        if contract not in self.contracts:
            raise UnknownContract(contract)
        score = self.bias + self.contracts[contract]
        score += sum(weight * numbers[name] for name, weight in self.weights.items())
        leaves = 0.5 * (1 + math.tanh(score / 2))
        label = "leave" if leaves >= 0.5 else "stay"
        return Prediction(label, max(leaves, 1 - leaves), self.version)


def load_model(path: Path) -> Model:
    """Reads the artefact. Takes its time: `load_seconds` stands for the real one's gigabytes."""
    artefact = json.loads(path.read_text())
    time.sleep(artefact.get("load_seconds", 0.0))
    return Model(
        version=artefact["version"],
        bias=artefact["bias"],
        weights=artefact["weights"],
        contracts=artefact["contracts"],
        latency_ms=artefact.get("latency_ms", {}),
    )
