"""The service's metrics: their names, their labels, and the text that Prometheus scrapes."""

import os
from collections.abc import Iterable
from pathlib import Path

METRICS_DIR = os.environ.get("METRICS_DIR", "")
if METRICS_DIR:
    # The client library chooses between one process and several when it is imported, by this
    # variable, so both lines have to come before the import below.
    os.makedirs(METRICS_DIR, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_DIR

from prometheus_client import (  # noqa: E402
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402
from prometheus_client.registry import Collector  # noqa: E402

CONTENT_TYPE = CONTENT_TYPE_LATEST
# From a healthy answer to one that waited out the load balancer. Steps of 2.5 at most, so that
# a quantile read from them is wrong by no more than that factor.
DURATION_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60)
CONFIDENCE_BUCKETS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)

REQUESTS = Counter(
    "churn_requests_total", "Finished requests.", ["route", "status", "model_version"]
)
DURATION = Histogram(
    "churn_request_duration_seconds",
    "From a request's arrival to its end.",
    ["route"],
    buckets=DURATION_BUCKETS,
)
# The sum over all workers, without a label that names the process.
IN_FLIGHT = Gauge(
    "churn_requests_in_flight", "Requests being handled.", multiprocess_mode="livesum"
)
ERRORS = Counter("churn_errors_total", "Failed requests, by who failed.", ["route", "kind"])
PREDICTIONS = Counter(
    "churn_predictions_total", "Predictions that the model made.", ["label", "model_version"]
)
CONFIDENCE = Histogram(
    "churn_prediction_confidence",
    "The model's confidence in the label that it gave.",
    ["model_version"],
    buckets=CONFIDENCE_BUCKETS,
)


class AllWorkers(Collector):
    """The sums over every worker's files."""

    def collect(self) -> Iterable[Metric]:
        # A worker that is just starting has made a file and not yet written to it. The library
        # trips over it, so an empty file waits for the next scrape.
        files = [str(file) for file in Path(METRICS_DIR).glob("*.db") if file.stat().st_size]
        return MultiProcessCollector.merge(files)


def exposition() -> bytes:
    """All workers' numbers, added up, in Prometheus' text format."""
    if not METRICS_DIR:
        return generate_latest(REGISTRY)
    # A fresh registry for each scrape: the default one holds this worker's share alone.
    everyone = CollectorRegistry()
    everyone.register(AllWorkers())
    return generate_latest(everyone)
