"""One SQLite file for all workers: every event is added to a row, a scrape reads the rows."""

import os
import pathlib
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

COUNTERS = {
    "churn_requests": ("route", "status", "model_version"),
    "churn_errors": ("route", "kind"),
    "churn_predictions": ("label", "model_version"),
}
HISTOGRAMS = {
    "churn_request_duration_seconds": ("route", [0.01 * 2**n for n in range(14)]),
    "churn_prediction_confidence": ("model_version", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
}
SEPARATOR = "\x1f"
ADD = """
    INSERT INTO numbers VALUES (?, ?, ?, ?)
    ON CONFLICT (name, labels, part) DO UPDATE SET value = value + excluded.value
"""
Row = tuple[str, str, str, float]


@cache
def database() -> sqlite3.Connection:
    folder = pathlib.Path(os.environ.get("METRICS_DIR") or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    opened = sqlite3.connect(
        folder / "numbers.db", timeout=5, isolation_level=None, check_same_thread=False
    )
    # The numbers die with the pod anyway: no write needs to reach the disk.
    opened.execute("PRAGMA synchronous = OFF")
    opened.execute("PRAGMA journal_mode = MEMORY")
    opened.execute(
        "CREATE TABLE IF NOT EXISTS numbers"
        " (name, labels, part, value, PRIMARY KEY (name, labels, part))"
    )
    return opened


def count(name: str, *labels: str) -> Row:
    return name, SEPARATOR.join(labels), "", 1.0


def observe(name: str, label: str, value: float) -> list[Row]:
    bounds = HISTOGRAMS[name][1]
    part = next((str(bound) for bound in bounds if value <= bound), "+Inf")
    return [(name, label, part, 1.0), (name, label, "sum", value)]


def in_flight(change: int) -> Row:
    return "churn_requests_in_flight", "", "", float(change)


def write(*rows: Row) -> None:
    connection = database()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(ADD, rows)
    connection.execute("COMMIT")


class Ledger(Collector):
    def collect(self) -> Iterator[Metric]:
        rows = database().execute("SELECT name, labels, part, value FROM numbers").fetchall()
        found: dict[str, dict[str, dict[str, float]]] = {}
        for name, labels, part, value in rows:
            found.setdefault(name, {}).setdefault(labels, {})[part] = value
        for name, label_names in COUNTERS.items():
            counter = CounterMetricFamily(name, name, labels=label_names)
            for labels, parts in found.get(name, {}).items():
                counter.add_metric(labels.split(SEPARATOR), parts[""])
            yield counter
        for name, (label, bounds) in HISTOGRAMS.items():
            histogram = HistogramMetricFamily(name, name, labels=[label])
            for labels, parts in found.get(name, {}).items():
                buckets, below = [], 0.0
                for bound in [*map(str, bounds), "+Inf"]:
                    below += parts.get(bound, 0.0)
                    buckets.append((bound, below))
                histogram.add_metric([labels], buckets, parts["sum"])
            yield histogram
        now = found.get("churn_requests_in_flight", {}).get("", {}).get("", 0.0)
        yield GaugeMetricFamily("churn_requests_in_flight", "Now.", value=now)


def exposition() -> bytes:
    registry = CollectorRegistry()
    registry.register(Ledger())
    return generate_latest(registry)
