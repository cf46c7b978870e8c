"""What a scrape, a probe and a client see of the churn service."""

import itertools
import json
import math
import statistics
import string
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from numpy.random import Generator

from grader.judge import Reply, Service, Submission, expect
from grader.upstreams import Answer, FakeVendor, Hang, Samples, ScrapeError, Scraper, Status

PREDICT = "/v1/customers/{customer_id}/predict"
EXPLAIN = "/v1/customers/{customer_id}/explanation"
PROBES = ("/metrics", "/healthz", "/readyz")
FAST, SLOW, UNKNOWN = "monthly", "two_year", "weekly"

REQUESTS = "churn_requests_total"
DURATION = "churn_request_duration_seconds"
IN_FLIGHT = "churn_requests_in_flight"
ERRORS = "churn_errors_total"
PREDICTIONS = "churn_predictions_total"
CONFIDENCE = "churn_prediction_confidence"


# --- what the tests share ------------------------------------------------------------------


@dataclass
class Watched:
    """A running service, its artefact, and the Prometheus beside it."""

    service: Service
    artefact: dict[str, Any]
    rng: Generator

    @property
    def version(self) -> str:
        return str(self.artefact["version"])

    def scrape(self) -> Samples:
        """What the page shows. One failed scrape is bad luck: Prometheus comes again as well."""
        for pause in (0.1, 0.2, 0.0):
            try:
                return Scraper(f"{self.service.url}/metrics").scrape()
            except ScrapeError as error:
                trouble = error
                time.sleep(pause)
        expect(
            False,
            observed=f"three scrapes in a row failed; the last: {trouble}",
            expected="200 at /metrics, in Prometheus' text format, within 2 s",
        )
        raise trouble

    def settled(self, holds: Callable[[Samples], bool], seconds: float = 2.0) -> Samples:
        """The first scrape for which `holds`, or the last one before the time is up."""
        give_up = time.monotonic() + seconds
        while True:
            samples = self.scrape()
            if holds(samples) or time.monotonic() > give_up:
                return samples
            time.sleep(0.03)

    def counted(self, wanted: float, seconds: float = 2.0, **labels: str) -> Samples:
        """A scrape with that many requests counted, or the last one before the time is up."""
        return self.settled(lambda samples: total(samples, REQUESTS, **labels) >= wanted, seconds)

    def customer(self, contract: str = FAST) -> dict[str, Any]:
        return {
            "tenure_months": int(self.rng.integers(0, 73)),
            "monthly_charge": round(float(self.rng.uniform(15, 120)), 2),
            "support_calls": int(self.rng.integers(0, 9)),
            "contract": contract,
        }

    def call(self, action: str = "predict", contract: str = FAST) -> tuple[str, str, Any]:
        number = int(self.rng.integers(1, 10**9))
        return "POST", f"/v1/customers/{number}/{action}", self.customer(contract)

    def together(self, calls: list[tuple[Any, ...]]) -> list[Reply]:
        """All at once, each over its own connection: uvicorn closes one on which a 500 was sent."""
        return self.service.together(calls, headers={"Connection": "close"})

    @contextmanager
    def under_way(self, calls: list[tuple[str, str, Any]]) -> Iterator[list[HTTPConnection]]:
        """Sends the calls and does not wait for answers; at the end hangs up."""
        address = urlsplit(self.service.url)
        with ExitStack() as open_ones:
            connections = []
            for method, path, body in calls:
                connection = HTTPConnection(address.hostname or "", address.port, timeout=5)
                open_ones.enter_context(closing(connection))
                with suppress(OSError):  # who is not let in is missing in the gauge
                    headers = {"Content-Type": "application/json"}
                    connection.request(method, path, json.dumps(body), headers)
                connections.append(connection)
            yield connections


def an_artefact(rng: Generator, **changes: Any) -> dict[str, Any]:
    """A model whose confidences spread over the whole range."""
    version = f"2026-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}-{rng.integers(16**6):06x}"
    return {
        "version": version,
        "load_seconds": 0.0,
        "bias": float(rng.uniform(-0.3, 0.3)),
        "weights": {
            "tenure_months": float(rng.uniform(-0.05, -0.03)),
            "monthly_charge": float(rng.uniform(0.01, 0.02)),
            "support_calls": float(rng.uniform(0.1, 0.3)),
        },
        "contracts": {FAST: float(rng.uniform(-0.5, 0.5)), SLOW: float(rng.uniform(-0.5, 0.5))},
        "latency_ms": {FAST: 0, SLOW: 500},
        **changes,
    }


def start(
    submission: Submission,
    rng: Generator,
    *,
    explainer: FakeVendor | None = None,
    workers: int = 1,
    **changes: Any,
) -> Watched:
    """A service with a made-up model, loaded in every worker."""
    artefact = an_artefact(rng, **changes)
    submission.write({"model.json": json.dumps(artefact)})
    service = serve(submission, explainer, workers)
    give_up = time.monotonic() + 5
    in_a_row = 0
    while in_a_row < 1 + 5 * (workers - 1) and time.monotonic() < give_up:
        loaded = service.get("/v1/model").status == 200
        in_a_row = in_a_row + 1 if loaded else 0
        if not loaded:
            time.sleep(0.02)
    return Watched(service, artefact, rng)


def serve(submission: Submission, explainer: FakeVendor | None = None, workers: int = 1) -> Service:
    url = explainer.url if explainer else "http://127.0.0.1:9"
    env = {"MODEL_PATH": "model.json", "METRICS_DIR": "metrics", "EXPLAINER_URL": url}
    # Generous: two workers import everything anew, and a busy machine takes its time over it.
    return submission.serve("app:app", env=env, workers=workers, timeout=25.0)


def total(samples: Samples, name: str, **labels: str) -> float:
    return samples.value(name, **labels) or 0.0


def by_labels(samples: Samples, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """What a counter shows, series by series; those at zero do not matter."""
    shown = {}
    for series in samples.labels(name):
        value = total(samples, name, **series)
        if value:
            key = tuple(series.get(label, "(none)") for label in labels)
            shown[key] = shown.get(key, 0.0) + value
    return shown


def told(counts: Mapping[tuple[str, ...], float], most: int = 6) -> str:
    lines = [f"{' '.join(key)}: {value:g}" for key, value in sorted(counts.items())]
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return "; ".join(lines[:most] + more) or "nothing"


def compared(
    shown: Mapping[tuple[str, ...], float], wanted: Mapping[tuple[str, ...], float]
) -> tuple[str, str]:
    """What was shown and what was wanted, where the two differ."""
    apart = [key for key in {**shown, **wanted} if shown.get(key, 0) != wanted.get(key, 0)]
    rest = "; the others are right" if len(apart) < len(wanted) else ""
    observed = told({key: shown.get(key, 0.0) for key in apart}) + rest
    expected = told({key: wanted[key] for key in apart if key in wanted})
    return observed, expected if expected != "nothing" else "none of these"


def expect_counts(samples: Samples, name: str, labels: tuple[str, ...], wanted: Any) -> None:
    wanted = {key: float(value) for key, value in wanted.items() if value}
    shown = by_labels(samples, name, *labels)
    observed, expected = compared(shown, wanted)
    expect(
        shown == wanted,
        observed=f"{name} by {', '.join(labels)}: {observed}",
        expected=expected,
        given=f"{sum(wanted.values()):g} events, seen from outside",
    )


def expect_status(reply: Reply, status: int, given: str) -> None:
    expect(reply.status == status, observed=repr(reply), expected=str(status), given=given)


# --- the incident --------------------------------------------------------------------------


def test_counts_by_route_and_status(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor)
    vendor.script(Answer("many calls"))
    calls = [watched.call() for _ in range(rng.integers(5, 12))]
    calls += [watched.call("explanation") for _ in range(rng.integers(2, 5))]
    calls += [watched.call(contract=UNKNOWN) for _ in range(rng.integers(2, 5))]
    calls += [("POST", f"/v1/customers/{word(rng)}/predict", watched.customer())]
    calls += [("GET", f"/{word(rng)}") for _ in range(rng.integers(2, 5))]
    replies = watched.together(calls)
    wanted = Counter(
        (route_of(call[1]), str(reply.status), watched.version)
        for call, reply in zip(calls, replies, strict=True)
    )
    samples = watched.counted(len(calls) + 1)
    shown = by_labels(samples, REQUESTS, "route", "status", "model_version")
    others = {key: value for key, value in shown.items() if key[0] != "/v1/model"}
    observed, expected = compared(others, wanted)
    expect(
        others == {key: float(value) for key, value in wanted.items()},
        observed=f"{REQUESTS} by route, status, model version: {observed}",
        expected=expected,
        given=f"{len(calls)} requests on four routes",
    )


def route_of(path: str) -> str:
    for template in (PREDICT, EXPLAIN):
        if path.startswith("/v1/customers/") and path.endswith(template.rpartition("/")[2]):
            return template
    return "unmatched"


def word(rng: Generator, length: int = 12) -> str:
    return "".join(rng.choice(list(string.ascii_lowercase), length))


def test_errors_counted_once(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor)
    vendor.script(Status(500))
    faulty = [
        {**watched.customer(), "support_calls": -1},
        {**watched.customer(), "tenure_months": -1},
        {**watched.customer(), "monthly_charge": -0.01},
        {**watched.customer(), "tenure_months": word(rng)},
        {"contract": FAST},
        [],
    ]
    rng.shuffle(faulty)
    invalid = [("POST", f"/v1/customers/{n}/predict", body) for n, body in enumerate(faulty)]
    invalid += [("POST", f"/v1/customers/{word(rng)}/predict", watched.customer())]
    model = [watched.call(contract=UNKNOWN) for _ in range(rng.integers(2, 6))]
    model_too = [watched.call("explanation", UNKNOWN) for _ in range(rng.integers(1, 4))]
    upstream = [watched.call("explanation") for _ in range(rng.integers(2, 5))]
    fine = [watched.call() for _ in range(3)]
    watched.together(invalid + model + model_too + upstream + fine)
    samples = watched.counted(len(invalid + model + model_too + upstream + fine) + 1)
    expect_counts(
        samples,
        ERRORS,
        ("route", "kind"),
        {
            (PREDICT, "validation"): len(invalid),
            (PREDICT, "model"): len(model),
            (EXPLAIN, "model"): len(model_too),
            (EXPLAIN, "upstream"): len(upstream),
        },
    )
    wanted = {
        ("422",): len(invalid),
        ("500",): len(model) + len(model_too),
        ("502",): len(upstream),
        ("200",): len(fine) + total(samples, REQUESTS, route="/v1/model", status="200"),
    }
    seen = {key: total(samples, REQUESTS, status=key[0]) for key in wanted}
    observed, expected = compared(seen, wanted)
    expect(
        seen == wanted,
        observed=f"{REQUESTS} by status: {observed}",
        expected=f"{expected}; every failed request once, with the status that the client got",
        given=f"{len(invalid)} invalid requests, {len(model + model_too)} with which the model "
        f"raises, {len(upstream)} to an explainer that answers 500",
    )


def test_slow_answers_readable(submission, rng):
    slow_ms = int(rng.integers(250, 320))
    watched = start(submission, rng, latency_ms={FAST: 0, SLOW: slow_ms})
    fast, slow = int(rng.integers(6, 10)), int(rng.integers(3, 5))
    calls = [watched.call() for _ in range(fast)]
    calls += [watched.call(contract=SLOW) for _ in range(slow)]
    outside = sum(reply.ms for reply in watched.together(calls)) / 1000
    samples = watched.counted(len(calls), route=PREDICT)

    bounds = [bound for bound, _ in samples.buckets(DURATION) if math.isfinite(bound)]
    listed = ", ".join(f"{bound:g}" for bound in bounds) or "(no buckets)"
    given = f"{fast} fast calls, and {slow} that take {slow_ms} ms or more"
    expect(
        bool(bounds) and 0 < bounds[0] <= 0.01 and bounds[-1] >= 60 and len(bounds) <= 30,
        observed=f"the upper bounds of {DURATION} are {listed}",
        expected="at most 30 finite bounds, the lowest at 0.01 s or less, the highest 60 s or more",
        given=given,
    )
    wide = [
        f"{low:g} to {high:g}"
        for low, high in itertools.pairwise(bounds)
        if high > 0.01 and low < 60 and high / low > 2.5 + 1e-9
    ]
    expect(
        not wide,
        observed=f"the upper bounds of {DURATION} are {listed}; too wide: {', '.join(wide)}",
        expected="from 0.01 s to 60 s no bound above 2.5 times the one before",
        given=given,
    )

    count = total(samples, f"{DURATION}_count", route=PREDICT)
    expect(
        count == len(calls),
        observed=f"{DURATION}_count for {PREDICT} is {count:g}",
        expected=f"{len(calls)}",
        given=given,
    )
    summed = total(samples, f"{DURATION}_sum", route=PREDICT)
    expect(
        slow * slow_ms / 1000 * 0.98 <= summed <= outside + 0.5,
        observed=f"{DURATION}_sum for {PREDICT} is {summed:.3f}",
        expected=f"seconds: at least {slow * slow_ms / 1000:.1f}, and no more than the "
        f"{outside:.1f} that the clients waited",
        given=given,
    )
    below = max(count for bound, count in samples.buckets(DURATION, route=PREDICT) if bound <= 0.2)
    expect(
        below <= fast,
        observed=f"{below:g} of the answers are in buckets up to 0.2 s",
        expected=f"at most the {fast} fast ones",
        given=given,
    )


def test_in_flight_returns_to_zero(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor, latency_ms={FAST: 0, SLOW: 1000})
    vendor.script(Status(500))
    slow = [watched.call(contract=SLOW) for _ in range(rng.integers(3, 6))]
    with watched.under_way(slow) as connections:
        samples = watched.settled(lambda samples: total(samples, IN_FLIGHT) >= len(slow), 0.9)
        for connection in connections:
            with suppress(OSError, HTTPException):
                connection.getresponse().read()
    gauge = samples.value(IN_FLIGHT)
    expect(
        gauge == len(slow),
        observed=f"{IN_FLIGHT} is {shown(gauge)}",
        expected=f"{len(slow)}: those, and neither the scrape nor what is over",
        given=f"{len(slow)} predictions under way",
    )
    calls = [watched.call(contract=UNKNOWN) for _ in range(6)]
    calls += [watched.call("explanation") for _ in range(3)]
    calls += [("POST", "/v1/customers/1/predict", {}), ("GET", f"/{word(rng)}")]
    watched.together(calls)
    samples = watched.settled(lambda samples: samples.value(IN_FLIGHT) == 0)
    gauge = samples.value(IN_FLIGHT)
    expect(
        gauge == 0,
        observed=f"{IN_FLIGHT} is {shown(gauge)}, 2 s after the last answer",
        expected="0",
        given="model errors, explainer errors, invalid requests and an unknown path; all answered",
    )


def shown(value: float | None) -> str:
    return "absent" if value is None else f"{value:g}"


# --- neighbours ----------------------------------------------------------------------------


def test_bounded_series(submission, rng):
    watched = start(submission, rng)
    calls = [watched.call() for _ in range(300)]
    calls += [watched.call(contract=word(rng)) for _ in range(30)]
    calls += [("GET", f"/{word(rng, 6)}/{word(rng)}") for _ in range(30)]
    calls += [("GET", f"/v1/customers/{rng.integers(10**9)}/{word(rng)}") for _ in range(30)]
    for first in range(0, len(calls), 42):
        watched.together(calls[first : first + 42])
    samples = watched.counted(len(calls) + 1)
    largest = max((REQUESTS, f"{DURATION}_bucket", ERRORS, PREDICTIONS), key=samples.series)
    expect(
        samples.series() < 300,
        observed=f"{samples.series()} series, {samples.series(largest)} of them {largest}",
        expected="fewer than 300, however many customers and paths there are",
        given="300 customers, 30 contracts that the model does not know, 60 made-up paths",
    )
    wanted = {(PREDICT, "200"): 300, (PREDICT, "500"): 30, ("unmatched", "404"): 60}
    seen = {key: total(samples, REQUESTS, route=key[0], status=key[1]) for key in wanted}
    observed, expected = compared(seen, wanted)
    expect(
        seen == wanted,
        observed=f"{REQUESTS} by route and status: {observed}",
        expected=f"{expected}; unknown paths are counted too, all as `unmatched`",
        given="300 predictions, 30 model errors, 60 made-up paths",
    )


def test_two_workers_add_up(submission, rng):
    watched = start(submission, rng, workers=2, latency_ms={FAST: 20, SLOW: 15_000})
    # In pairs: of a burst, one worker might accept every connection before the other wakes up.
    pairs = [[watched.call(), watched.call()] for _ in range(25)]
    calls = [call for pair in pairs for call in pair]
    fine = sum(reply.status == 200 for pair in pairs for reply in watched.together(pair))
    watched.counted(len(calls), route=PREDICT)
    scrapes = [watched.scrape() for _ in range(10)]
    for name, labels, wanted in (
        (REQUESTS, {"route": PREDICT}, len(calls)),
        (f"{DURATION}_count", {"route": PREDICT}, len(calls)),
        (PREDICTIONS, {}, fine),
        (f"{CONFIDENCE}_count", {}, fine),
    ):
        values = [total(samples, name, **labels) for samples in scrapes]
        expect(
            set(values) == {wanted},
            observed=f"{name} in ten scrapes: {', '.join(f'{value:g}' for value in values)}",
            expected=f"{wanted} in each, whichever worker answers the scrape",
            given=f"{len(calls)} predictions, two workers",
        )
    slow = [watched.call(contract=SLOW) for _ in range(12)]
    with watched.under_way(slow):
        watched.settled(lambda samples: total(samples, IN_FLIGHT) >= len(slow))
        values = [total(watched.scrape(), IN_FLIGHT) for _ in range(4)]
    expect(
        set(values) == {len(slow)},
        observed=f"{IN_FLIGHT} in four scrapes: {', '.join(f'{value:g}' for value in values)}",
        expected=f"{len(slow)}: the sum over both workers",
        given=f"{len(slow)} slow predictions under way, two workers",
    )


def test_probes_not_counted(submission, rng):
    watched = start(submission, rng)
    calls = [watched.call() for _ in range(rng.integers(3, 7))]
    watched.together(calls)
    before = watched.counted(len(calls), route=PREDICT)
    for path in PROBES:
        watched.together([("GET", path)] * 8 + [("GET", f"{path}?from=kubelet")])
    watched.together([watched.call()])
    samples = watched.counted(len(calls) + 1, route=PREDICT)
    wanted = total(before, REQUESTS) + 1
    for name in (REQUESTS, f"{DURATION}_count"):
        value = total(samples, name)
        expect(
            value == wanted,
            observed=f"{name} is {value:g}: {told(by_labels(samples, name, 'route'))}",
            expected=f"{wanted:g}, without any of the probes and scrapes",
            given=f"{total(before, REQUESTS):g} requests, then 27 probes and scrapes, "
            "then 1 prediction",
        )
    gauge = samples.value(IN_FLIGHT)
    expect(
        gauge == 0,
        observed=f"{IN_FLIGHT} is {shown(gauge)}",
        expected="0: the scrape that asks is not counted",
        given="no request under way but the scrape",
    )


def test_predictions_and_confidence(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor)
    vendor.script(Answer("many calls"))
    predicts = [watched.call() for _ in range(rng.integers(25, 40))]
    explains = [watched.call("explanation") for _ in range(rng.integers(3, 7))]
    others = [watched.call(contract=UNKNOWN), ("POST", "/v1/customers/1/predict", {})]
    replies = watched.together(predicts + explains + others)[: -len(others)]
    samples = watched.counted(len(predicts + explains + others) + 1)

    labels: Counter[tuple[str, str]] = Counter()
    confidences = []
    for (_, _, customer), reply in zip(predicts + explains, replies, strict=True):
        label, confidence = by_formula(watched.artefact, customer)
        expect_status(reply, 200, f"a customer: {customer}")
        labels[label, watched.version] += 1
        confidences.append(confidence)
    expect_counts(samples, PREDICTIONS, ("label", "model_version"), labels)

    given = f"{len(confidences)} predictions on two routes, a model error, an invalid request"
    buckets = dict(samples.buckets(CONFIDENCE, model_version=watched.version))
    for bound in (0.6, 0.7, 0.8, 0.9, 1.0):
        wanted = sum(confidence <= bound for confidence in confidences)
        expect(
            buckets.get(bound) == wanted,
            observed=f"{CONFIDENCE} up to {bound}: {shown(buckets.get(bound))}; "
            f"its bounds: {', '.join(f'{each:g}' for each in buckets) or '(none)'}",
            expected=f"a bucket up to {bound}, with {wanted} predictions in it",
            given=given,
        )
    summed = total(samples, f"{CONFIDENCE}_sum")
    expect(
        math.isclose(summed, math.fsum(confidences), rel_tol=1e-6),
        observed=f"{CONFIDENCE}_sum is {summed:.4f}",
        expected=f"{math.fsum(confidences):.4f}",
        given=given,
    )


def by_formula(artefact: dict[str, Any], customer: dict[str, Any]) -> tuple[str, float]:
    score = artefact["bias"] + artefact["contracts"][customer["contract"]]
    score += sum(weight * customer[name] for name, weight in artefact["weights"].items())
    leaves = 1 / (1 + math.exp(-score))
    return ("leave" if leaves >= 0.5 else "stay"), max(leaves, 1 - leaves)


# --- faults and load -----------------------------------------------------------------------


def test_clients_that_hang_up(submission, rng, timeline):
    watched = start(submission, rng, latency_ms={FAST: 0, SLOW: 3500})
    gone = int(rng.integers(3, 7))
    leaving = [
        threading.Thread(
            target=watched.service.abandon,
            args=("POST", watched.call(contract=SLOW)[1]),
            kwargs={"json": watched.customer(SLOW), "after": 0.15},
            daemon=True,
        )
        for _ in range(gone)
    ]
    for client in leaving:
        client.start()
    for client in leaving:
        client.join()
    watched.together([watched.call()])
    samples = watched.settled(
        lambda samples: (
            total(samples, REQUESTS, route=PREDICT) >= gone + 1 and samples.value(IN_FLIGHT) == 0
        )
    )
    given = f"{gone} clients that hang up after 0.15 s, one that waits for its answer"
    gauge = samples.value(IN_FLIGHT)
    expect(
        gauge == 0,
        observed=f"{IN_FLIGHT} is {shown(gauge)}, 2 s after the clients hung up",
        expected="0",
        given=given,
    )
    for name in (REQUESTS, f"{DURATION}_count"):
        value = total(samples, name, route=PREDICT)
        expect(
            value == gone + 1,
            observed=f"{name} for {PREDICT} is {value:g}",
            expected=f"{gone + 1}: who has given up counts as well",
            given=given,
        )
    counts = by_labels(samples, REQUESTS, "route", "status")
    seen = {(status,): value for (route, status), value in counts.items() if route == PREDICT}
    expect(
        seen == {("499",): gone, ("200",): 1},
        observed=f"{REQUESTS} by status: {told(seen)}",
        expected=f"200: 1; 499: {gone}",
        given=given,
    )
    expect_counts(samples, ERRORS, ("route", "kind"), {})
    made = total(samples, PREDICTIONS)
    expect(made == 1, observed=f"{PREDICTIONS} is {made:g}", expected="1", given=given)


def test_watchable_under_load(submission, vendor, rng, timeline):
    timeline.watch(explainer=vendor)
    watched = start(submission, rng, explainer=vendor, latency_ms={FAST: 0, SLOW: 15_000})
    vendor.script(Hang())
    load = [watched.call(contract=SLOW) for _ in range(40)]
    load += [watched.call("explanation", SLOW) for _ in range(4)]
    given = "44 slow calls under way, and an explainer that hangs"
    with watched.under_way(load):
        samples = watched.settled(lambda samples: total(samples, IN_FLIGHT) >= len(load))
        replies = {path: [watched.service.get(path) for _ in range(3)] for path in PROBES}
    gauge = samples.value(IN_FLIGHT)
    expect(
        gauge == len(load),
        observed=f"{IN_FLIGHT} is {shown(gauge)}",
        expected=str(len(load)),
        given=given,
    )
    for path in PROBES:
        for reply in replies[path]:
            expect_status(reply, 200, f"GET {path}; {given}")
        median = statistics.median(reply.ms for reply in replies[path])
        expect(
            median <= 500,
            observed=f"GET {path} took {median:.0f} ms (the median of three)",
            expected="at most 500 ms",
            given=given,
        )


def test_probes_ignore_the_explainer(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor)
    for step, name in ((Status(503), "an explainer that answers 503"), (Hang(), "one that hangs")):
        vendor.script(step)
        for path in PROBES[1:] * 2:
            expect_status(watched.service.get(path, timeout=2), 200, f"GET {path}; {name}")
    watched.scrape()
    asked = [f"{call.method} {call.path}" for call in vendor.calls]
    expect(
        not asked,
        observed=f"the explainer was asked: {', '.join(asked[:5])}",
        expected="no request to the explainer",
        given="probes and scrapes, nothing else",
    )
    vendor.script(Status(503))
    watched.together([watched.call("explanation") for _ in range(8)])
    expect_status(watched.service.get("/readyz"), 200, "GET /readyz after 8 failed explanations")


def test_live_while_loading(submission, rng, timeline):
    loading = 6.0
    submission.write({"model.json": json.dumps(an_artefact(rng, load_seconds=loading))})
    started = time.monotonic()
    service = serve(submission)
    took = time.monotonic() - started
    expect(
        took < loading,
        observed=f"the service listened only after {took:.1f} s",
        expected="a service that listens while its model is being loaded",
        given=f"a model that takes {loading:g} s to load",
    )
    watched = Watched(service, {}, rng)
    for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
        reply = service.get(path)
        if time.monotonic() - started < loading - 0.1:
            expect_status(reply, status, f"GET {path} while the model is being loaded")
    _, path, customer = watched.call()
    reply = service.post(path, json=customer)
    if time.monotonic() - started < loading - 0.1:
        expect_status(reply, 503, "a prediction while the model is being loaded")
        samples = watched.counted(1)
        expect_counts(
            samples, REQUESTS, ("route", "status", "model_version"), {(PREDICT, "503", "none"): 1}
        )


def test_ready_only_with_a_model(submission, rng):
    loading = 0.3
    artefact = an_artefact(rng, load_seconds=loading)
    submission.write({"model.json": json.dumps(artefact)})
    started = time.monotonic()
    service = serve(submission)
    watched = Watched(service, artefact, rng)
    status = 0
    while status != 200 and time.monotonic() < started + 5:
        status = service.get("/readyz").status
        after = time.monotonic() - started
        expect(
            status == (503 if after < loading else status) and status in (200, 503),
            observed=f"GET /readyz is {status} after {after * 1000:.0f} ms",
            expected="503 until the model is loaded, 200 from then on",
            given=f"a model that takes {loading * 1000:.0f} ms to load",
        )
        time.sleep(0.02)
    expect(
        status == 200,
        observed=f"GET /readyz is still {status} after 5 s",
        expected="200",
        given=f"a model that takes {loading * 1000:.0f} ms to load",
    )
    _, path, customer = watched.call()
    reply = service.post(path, json=customer)
    expect_status(reply, 200, "a prediction, once /readyz had answered 200")
    service.stop()

    artefact = an_artefact(rng)
    broken = json.dumps({key: value for key, value in artefact.items() if key != "weights"})
    broken = str(rng.choice([broken, broken[:40], ""]))
    submission.write({"model.json": broken})
    service = serve(submission)
    ends = time.monotonic() + 0.3
    while time.monotonic() < ends:
        for path, status in (("/readyz", 503), ("/healthz", 200)):
            expect_status(service.get(path), status, f"GET {path} with a broken model artefact")
        time.sleep(0.05)
    give_up = time.monotonic() + 2
    while "model.json" not in service.log() and time.monotonic() < give_up:
        time.sleep(0.05)
    expect(
        "model.json" in service.log(),
        observed=f"the service's output ends with {service.log()[-200:]!r}",
        expected="that it names the artefact, model.json",
        given="a broken model artefact",
    )


# --- usefulness ----------------------------------------------------------------------------


def test_answers_as_before(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor, latency_ms={FAST: 0, SLOW: 20})
    reason = f"{word(rng)} calls"
    vendor.script(Answer(reason))
    for number in range(5):
        _, path, customer = watched.call(contract=str(rng.choice([FAST, SLOW])))
        if number == 0:
            customer |= {"tenure_months": 0, "monthly_charge": 0.0, "support_calls": 0}
        label, confidence = by_formula(watched.artefact, customer)
        reply = watched.service.post(path, json=customer)
        expect_status(reply, 200, f"a customer: {customer}")
        body = reply.fields(label=str, confidence=float, model_version=str)
        expect(
            body["label"] == label
            and math.isclose(body["confidence"], confidence, abs_tol=1e-6)
            and body["model_version"] == watched.version,
            observed=f"{body}",
            expected=f"label {label}, confidence {confidence:.6f}, version {watched.version}",
            given=f"a customer: {customer}",
        )
    _, path, customer = watched.call("explanation")
    label, _ = by_formula(watched.artefact, customer)
    body = watched.service.post(path, json=customer).fields(label=str, reason=str)
    expect(
        body == {"label": label, "reason": reason},
        observed=f"{body}",
        expected=f"label {label}, reason {reason!r}",
        given="a customer to explain",
    )
    sent = vendor.calls[-1].fields
    expect(
        len(vendor.calls) == 1 and sent.get("label") == label and sent.get("customer") == customer,
        observed=f"the explainer got {len(vendor.calls)} requests, the last one {sent}",
        expected="one, with the label and the customer",
        given="a customer to explain",
    )
    version = watched.service.get("/v1/model").fields(version=str)["version"]
    expect(version == watched.version, observed=version, expected=watched.version)
    for call, status, given in (
        (watched.call(contract=UNKNOWN), 500, "a contract that the model does not know"),
        (("POST", "/v1/customers/7/predict", {}), 422, "an empty body"),
        (("GET", f"/{word(rng)}"), 404, "an unknown path"),
        (("GET", "/v1/customers/7/predict"), 405, "GET where there is only POST"),
    ):
        expect_status(watched.together([call])[0], status, given)
    vendor.script(Status(500))
    failed = watched.together([watched.call("explanation")])[0]
    expect_status(failed, 502, "an explainer that answers 500")
    vendor.script(Hang())
    given = "an explainer that hangs, and four callers at once"
    replies = watched.together([watched.call("explanation") for _ in range(4)])
    for reply in replies:
        expect_status(reply, 502, given)
    fastest = min(reply.ms for reply in replies)
    expect(
        fastest <= 2800,
        observed=f"the first answer came after {fastest:.0f} ms",
        expected="502 after about 2 s, as before",
        given=given,
    )


def test_names_types_and_labels(submission, vendor, rng):
    watched = start(submission, rng, explainer=vendor)
    vendor.script(Status(500))
    calls = [watched.call(), watched.call(contract=UNKNOWN), watched.call("explanation")]
    calls += [("POST", "/v1/customers/1/predict", {})]
    watched.together(calls)
    samples = watched.counted(len(calls) + 1)
    lines = watched.service.get("/metrics").text.splitlines()
    types = dict(words[2:4] for line in lines if len(words := line.split()) > 3 and
                 words[:2] == ["#", "TYPE"])  # fmt: skip
    for name, kind, labels in (
        (REQUESTS, "counter", {"route", "status", "model_version"}),
        (DURATION, "histogram", {"route"}),
        (IN_FLIGHT, "gauge", set()),
        (ERRORS, "counter", {"route", "kind"}),
        (PREDICTIONS, "counter", {"label", "model_version"}),
        (CONFIDENCE, "histogram", {"model_version"}),
    ):
        named = types.get(name, types.get(name.removesuffix("_total"), "(none)"))
        expect(named == kind, observed=f"{name} has the type {named}", expected=kind)
        shown_as = f"{name}_bucket" if kind == "histogram" else name
        wanted = labels | {"le"} if kind == "histogram" else labels
        found = samples.labels(shown_as)
        odd = next((set(series) for series in found if set(series) != wanted), None)
        expect(
            bool(found) and odd is None,
            observed=f"{shown_as} has {len(found)} series"
            + (f", one with the labels {', '.join(sorted(odd)) or '(none)'}" if odd is not None
               else ""),
            expected=f"series with exactly these labels: {', '.join(sorted(wanted)) or '(none)'}",
            given="predictions, a model error, an explainer error, an invalid request",
        )  # fmt: skip
