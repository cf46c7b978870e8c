"""Plays Prometheus: fetches a /metrics page, reads it, answers questions about it.

The page is read here rather than with prometheus_client's parser, which appends _total to the
names of counters, does not say which line is wrong, and is not installed on a learner's machine.
"""

import http.client
import re
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urljoin, urlsplit

MAX_BYTES = 5 * 1024 * 1024
MAX_REDIRECTS = 5
TYPES = {"counter", "gauge", "histogram", "summary", "untyped",
         "unknown", "info", "stateset", "gaugehistogram"}  # fmt: skip

# Possessive quantifiers: the page is learner's text, and must not be able to stall the judge.
_LABEL = re.compile(
    r'[ \t]*+([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+(?:,|$)'
)
_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*+)"
    r'(?:[ \t]*+\{((?:[^"}]|"(?:[^"\\]|\\.)*+")*+)\})?'
    r"[ \t]++([^\s_]++)(?:[ \t]++-?[0-9.]++)?(?:[ \t]++#[ \t].*+)?"
)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class ScrapeError(Exception):
    """The page could not be scraped; the text says why."""


class Samples:
    """What one scrape found."""

    def __init__(self, text: str = "", ms: float = 0.0, open_metrics: bool = False) -> None:
        self.ms = ms
        self.types: dict[str, str] = {}
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            stripped = line.strip(" \t")
            if stripped.startswith("#"):
                self._comment(stripped, number)
            elif stripped:
                self._sample(stripped, number)
        if open_metrics and text.rstrip("\n").rpartition("\n")[2] != "# EOF":
            raise ScrapeError("the page is OpenMetrics, and does not end with # EOF")

    def value(self, name: str, /, **labels: object) -> float | None:
        """The sum over all series of that name with (at least) these labels; None if none."""
        found = [value for has, value in self._matching(name, labels)]
        return sum(found) if found else None

    def series(self, name: str | None = None) -> int:
        """How many distinct series there are, of that name or altogether."""
        if name is not None:
            return len(self._values.get(name, {}))
        return sum(len(each) for each in self._values.values())

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(key) for key in self._values.get(name, {})]

    def buckets(self, name: str, /, **labels: object) -> list[tuple[float, float]]:
        """(upper bound, cumulative count) of a histogram, ascending, summed over its series."""
        totals: dict[float, float] = {}
        for has, value in self._matching(f"{name.removesuffix('_bucket')}_bucket", labels):
            with suppress(KeyError, ValueError):
                bound = float(has["le"])
                totals[bound] = totals.get(bound, 0.0) + value
        return sorted(totals.items())

    def _matching(self, name: str, labels: dict[str, object]) -> list[tuple[dict[str, str], float]]:
        wanted = {key: str(value) for key, value in labels.items()}.items()
        found = []
        for key, value in self._values.get(name, {}).items():
            has = dict(key)
            if wanted <= has.items():
                found.append((has, value))
        return found

    def _comment(self, line: str, number: int) -> None:
        words = line.split(None, 3)
        if len(words) > 1 and words[0] == "#" and words[1] == "TYPE":
            if len(words) < 4 or words[3] not in TYPES:
                raise ScrapeError(f"line {number} names no known type: {_shown(line)}")
            self.types[words[2]] = words[3]

    def _sample(self, line: str, number: int) -> None:
        found = _SAMPLE.fullmatch(line)
        labels = _labels((found[2] or "").strip(" \t")) if found else None
        if found is None or labels is None:
            raise ScrapeError(f"line {number} is not a sample: {_shown(line)}")
        try:
            value = float(found[3])
        except ValueError:
            raise ScrapeError(f"line {number} has no number: {_shown(line)}") from None
        if len(dict(labels)) < len(labels):
            raise ScrapeError(f"line {number} has a label twice: {_shown(line)}")
        # Of two samples for one series Prometheus keeps the first. An empty label is no label.
        key = tuple(sorted(label for label in labels if label[1]))
        self._values.setdefault(found[1], {}).setdefault(key, value)


def _labels(text: str) -> list[tuple[str, str]] | None:
    labels, position = [], 0
    while position < len(text):
        label = _LABEL.match(text, position)
        if label is None:
            return None
        labels.append((label[1], re.sub(r'\\([n"\\])', lambda m: _ESCAPES[m[1]], label[2])))
        position = label.end()
    return labels


def _shown(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:77]}..."


class Scraper:
    """Scrapes on demand. A url without a path means /metrics."""

    def __init__(self, url: str, timeout: float = 2.0) -> None:
        target = urlsplit(url)
        if target.scheme != "http" or not target.hostname:
            raise ValueError(f"a scraper needs an http:// address, not {url!r}")
        self.url = url if target.path.strip("/") else urljoin(url, "/metrics")
        self.timeout = timeout

    def scrape(self) -> Samples:
        start = time.monotonic()
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            status, kind, location, body = self._get(url, start + self.timeout)
            if status not in (301, 302, 303, 307, 308) or not location:
                break
            try:
                target = urljoin(url, location)
                elsewhere = urlsplit(target)[:2] != urlsplit(url)[:2]
            except ValueError:
                target, elsewhere = location, True
            if elsewhere:
                raise ScrapeError(f"{url} redirects to another server: {_shown(target)}")
            url = target
        else:
            raise ScrapeError(f"{self.url} redirects more than {MAX_REDIRECTS} times")
        ms = (time.monotonic() - start) * 1000
        if status != 200:
            raise ScrapeError(f"{url} answered {status}, not 200")
        media = kind.partition(";")[0].strip().lower()
        if media not in ("text/plain", "application/openmetrics-text"):
            raise ScrapeError(f"{url} has content type {_shown(kind) or 'none'}, not text/plain")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise ScrapeError(f"{url} is not UTF-8 text") from None
        return Samples(text, ms, open_metrics=media != "text/plain")

    def _get(self, url: str, deadline: float) -> tuple[int, str, str, bytes]:
        target = urlsplit(url)
        left = max(0.001, deadline - time.monotonic())
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=left)
        late = threading.Event()
        timer: threading.Timer | None = None
        try:
            connection.connect()
            # A socket's timeout starts anew with every byte; the timer ends the scrape as a whole.
            timer = threading.Timer(left, _hang_up, (connection.sock, late))
            timer.daemon = True
            timer.start()
            path = f"{target.path or '/'}{'?' if target.query else ''}{target.query}"
            connection.request("GET", path, headers={"Accept": "text/plain;version=0.0.4"})
            response = connection.getresponse()
            body = response.read(MAX_BYTES + 1)
            if response.length and len(body) <= MAX_BYTES:
                raise http.client.IncompleteRead(body, response.length)
            headers = response.headers
        except (OSError, ValueError, http.client.HTTPException) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                raise ScrapeError(f"{url} did not answer within {self.timeout:g} s") from None
            raise ScrapeError(f"{url} cannot be read: {type(error).__name__}: {error}") from None
        finally:
            if timer is not None:
                timer.cancel()
            connection.close()
        if late.is_set():
            raise ScrapeError(f"{url} did not answer within {self.timeout:g} s")
        if len(body) > MAX_BYTES:
            raise ScrapeError(f"{url} is larger than {MAX_BYTES // 1024**2} MB")
        return response.status, headers.get("Content-Type", ""), headers.get("Location", ""), body


def _hang_up(connection: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
