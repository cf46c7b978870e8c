"""The service's numbers without a client library: a JSON file per worker, added up by a scrape."""

import json
import os
import pathlib
from collections import defaultdict
from collections.abc import Iterable

FOLDER = os.environ.get("METRICS_DIR", "")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
TYPES = {
    "churn_requests_total": "counter",
    "churn_request_duration_seconds": "histogram",
    "churn_requests_in_flight": "gauge",
    "churn_errors_total": "counter",
    "churn_predictions_total": "counter",
    "churn_prediction_confidence": "histogram",
}

# One event loop per worker changes these, so there is nothing to lock.
_mine: defaultdict[str, float] = defaultdict(float, {"churn_requests_in_flight": 0.0})


def add(name: str, amount: float = 1, **labels: str) -> None:
    _mine[_series(name, labels)] += amount


def observe(name: str, bounds: Iterable[float], value: float, **labels: str) -> None:
    for bound in bounds:
        add(f"{name}_bucket", float(value <= bound), **labels, le=f"{bound:g}")
    add(f"{name}_bucket", **labels, le="+Inf")
    add(f"{name}_count", **labels)
    add(f"{name}_sum", value, **labels)


def save() -> None:
    """Puts this worker's numbers where the others can read them."""
    if FOLDER:
        pathlib.Path(FOLDER).mkdir(parents=True, exist_ok=True)
        target = pathlib.Path(FOLDER, f"{os.getpid()}.json")
        fresh = target.with_suffix(".new")
        fresh.write_text(json.dumps(_mine))
        fresh.replace(target)  # at once, so that nobody reads half a file


def exposition() -> str:
    save()
    totals: defaultdict[str, float] = defaultdict(float)
    workers = [json.loads(path.read_text()) for path in pathlib.Path(FOLDER).glob("*.json")]
    for worker in workers if FOLDER else [_mine]:
        for series, value in worker.items():
            totals[series] += value
    lines = []
    for name, kind in TYPES.items():
        lines.append(f"# TYPE {name} {kind}")
        for series, value in totals.items():
            bare = series.partition("{")[0]
            if bare == name or (kind == "histogram" and bare.rpartition("_")[0] == name):
                lines.append(f"{series} {value!r}")
    return "\n".join([*lines, ""])


def _series(name: str, labels: dict[str, str]) -> str:
    if not labels:
        return name
    inner = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return f"{name}{{{inner}}}"
