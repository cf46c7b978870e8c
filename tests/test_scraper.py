"""The scraper reads a metrics page as Prometheus would."""

import math
import time
from contextlib import suppress
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from grader.upstreams import (
    Drip,
    Drop,
    FakeVendor,
    Hang,
    Malformed,
    NoHeadersEnd,
    Samples,
    ScrapeError,
    Scraper,
    Slow,
    Status,
    Step,
)

MESSAGES: Any = [{"role": "user", "content": "hi"}]
BODY = {"model": "m", "messages": MESSAGES}


PAGE = """\
# HELP hits Requests\n# TYPE hits_total counter
hits_total{route="/a",status="200"} 3
hits_total{route="/a",status="500",} 1 1700000000
hits_total{ route = "/{b}, \\"x\\"\\n\\\\n" , status="200"} 1e1
# TYPE lat histogram
lat_bucket{route="/a",le="0.1"} 2
lat_bucket{route="/a",le="1"} 6
lat_bucket{route="/a",le="+Inf"} 8
lat_bucket{route="/b",le="0.1"} 0
lat_bucket{route="/b",le="1"} 2
lat_bucket{route="/b",le="+Inf"} 2
up 1
odd NaN
"""


def test_samples() -> None:
    samples = Samples(PAGE)
    assert samples.value("hits_total") == 14
    assert samples.value("hits_total", status=200) == 13
    assert samples.value("hits_total", route="/a", status="500") == 1
    assert samples.value("hits_total", status="404") is None
    assert samples.value("hits") is None
    assert math.isnan(Samples('x{a="1"} +Inf\nx{a="2"} -Inf').value("x") or 0)
    assert math.isnan(samples.value("odd") or 0)
    assert (samples.series("hits_total"), samples.series(), samples.series("x")) == (3, 11, 0)
    assert {"route": '/{b}, "x"\n\\n', "status": "200"} in samples.labels("hits_total")
    assert samples.labels("up") == [{}]
    assert samples.types == {"hits_total": "counter", "lat": "histogram"}
    assert samples.buckets("lat", route="/a") == [(0.1, 2), (1, 6), (math.inf, 8)]
    assert samples.buckets("lat_bucket") == [(0.1, 2), (1, 8), (math.inf, 10)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hits{a=1} 3", "line 2 is not a sample"),
        ('hits{a="1"', "is not a sample"),
        ("hits", "is not a sample"),
        ("hits three", "has no number"),
        ('hits{a="1",a="2"} 3', "a label twice"),
        ("# TYPE hits wrong", "no known type"),
        ("9hits 3", "is not a sample"),
        ("<html>", "is not a sample"),
    ],
)
def test_pages_that_cannot_be_read(line: str, message: str) -> None:
    with pytest.raises(ScrapeError, match=message):
        Samples("up 1\n" + line)


@pytest.mark.parametrize("middle", [" ", "{", '{a="', "\\", 'a="",', "\t", "1 ", '{a="b"'])
def test_hostile_pages_are_read_in_linear_time(middle: str) -> None:
    start = time.monotonic()
    for page in ("a" + middle * 100_000 + "!", "a{" + middle * 100_000 + "} 1 # x"):
        with suppress(ScrapeError):
            Samples(page)
    assert time.monotonic() - start < 20  # 100,000 squared would take minutes


def test_a_page_by_the_real_client_library() -> None:
    client: Any = prometheus_client  # partly untyped
    registry = CollectorRegistry()
    counter = prometheus_client.Counter("asked", "Asked", ["who"], registry=registry)
    histogram = prometheus_client.Histogram("took", "Took", registry=registry, buckets=[1, 60])
    counter.labels('ü"\\\n').inc(3)
    histogram.observe(30)
    samples = Samples(client.generate_latest(registry).decode())
    assert samples.value("asked_total", who='ü"\\\n') == 3
    assert samples.buckets("took") == [(1, 0), (60, 1), (math.inf, 1)]
    page = client.openmetrics.exposition.generate_latest(registry).decode()
    assert Samples(page, open_metrics=True).value("asked_total") == 3
    with pytest.raises(ScrapeError, match="EOF"):
        Samples(page.replace("# EOF", ""), open_metrics=True)


def metrics(body: str, kind: str = "text/plain; version=0.0.4", status: int = 200) -> Step:
    return Malformed(body, status, kind)


def test_scrape_over_http(vendor: FakeVendor) -> None:
    scraper = Scraper(vendor.url, timeout=0.3)
    vendor.script(
        Slow(metrics(PAGE), 0.05),
        metrics(PAGE, "application/json"),
        metrics(PAGE, status=500),
        metrics("# " + "x" * 5 * 1024 * 1024),
        Hang(),
        Drip(metrics(PAGE), 0.01),
        NoHeadersEnd(0.01),
        Drop(),
        Status(307, headers={"Location": "http://127.0.0.1:1/metrics"}),
        Status(307, headers={"Location": "http://["}),
        Status(307, headers={"Location": "/\xe9"}),
        Status(307, headers={"Location": "/metrics/"}),
    )
    samples = scraper.scrape()
    assert samples.series() == 11
    assert samples.ms >= 50
    assert vendor.calls[0].path == "/metrics"
    messages = ("content type", "500", "larger", "within", "within", "within", "cannot be read",
                "another server", "another server", "cannot be read", "redirects more")  # fmt: skip
    for message in messages:
        with pytest.raises(ScrapeError, match=message):
            scraper.scrape()
    vendor.when(lambda c: c.path == "/metrics/", metrics(PAGE))
    assert scraper.scrape().series() == 11
    vendor.stop()
    with pytest.raises(ScrapeError, match="cannot be read"):
        scraper.scrape()
    with pytest.raises(ValueError, match="http://"):
        Scraper("https://example.org")
