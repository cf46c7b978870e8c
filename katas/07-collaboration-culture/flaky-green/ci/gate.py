"""What the build agents add to pytest: `python -m pytest -p ci.gate [options] suite`.

A test that is skipped, expected to fail or deselected counts as failed, always.
"""

import datetime
import random
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest

_slept = 0.0
_started = time.process_time()
_deselected = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gate")
    group.addoption("--order", type=int, help="run the tests in an order drawn from this number")
    group.addoption("--reverse", action="store_true", help="the same order, from the end")
    group.addoption("--part", default="1/1", help="2/3: after ordering, the second of three parts")
    group.addoption("--twice", action="store_true", help="run each test twice, in one process")
    group.addoption("--now", help="let datetime and time stand at this moment (ISO 8601, offset)")
    group.addoption("--at-least", type=int, default=0, help="red with fewer tests than this")
    group.addoption("--naps", type=float, help="red when the tests sleep longer in all (seconds)")
    group.addoption("--cpu", type=float, help="red when the run takes more CPU time (seconds)")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if early_config.known_args_namespace.now:
        _set_clock(datetime.datetime.fromisoformat(early_config.known_args_namespace.now))
    sleep = time.sleep

    def counted(seconds: float) -> None:
        global _slept
        if threading.current_thread() is threading.main_thread():
            _slept += seconds
        sleep(seconds)

    time.sleep = counted


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    yield
    if config.option.order is not None:
        items.sort(key=lambda item: item.nodeid)
        random.Random(config.option.order).shuffle(items)
    if config.option.reverse:
        items.reverse()
    part, parts = map(int, config.option.part.split("/"))
    items[:] = items[part - 1 :: parts]
    if config.option.twice:
        items += items


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = "skipped or expected to fail"
        report.__dict__.pop("wasxfail", None)
    return report


def pytest_deselected(items: list[pytest.Item]) -> None:
    global _deselected
    _deselected += len(items)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    option, cpu = session.config.option, time.process_time() - _started
    reasons = []
    if _deselected:
        reasons.append(f"{_deselected} tests deselected")
    if session.testscollected < option.at_least:
        reasons.append(f"{session.testscollected} tests, and not {option.at_least}")
    if option.naps is not None and _slept > option.naps:
        reasons.append(f"the tests slept for {_slept:.2f} s")
    if option.cpu is not None and cpu > option.cpu:
        reasons.append(f"the run took {cpu:.1f} s of CPU time")
    if reasons:
        print("\ngate: " + "; ".join(reasons))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _set_clock(start: datetime.datetime) -> None:
    """From now on datetime and time say `start`, and go on from there."""
    ahead = start.timestamp() - time.time()
    stamp, in_ns, local, utc = time.time, time.time_ns, time.localtime, time.gmtime
    real = datetime.datetime, datetime.date
    time.tzset()

    class Kind(type):
        def __instancecheck__(cls, thing: object) -> bool:
            return isinstance(thing, real[cls is date])

    class now(real[0], metaclass=Kind):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return cls.fromtimestamp(stamp() + ahead, tz)

        @classmethod
        def today(cls) -> datetime.datetime:
            return cls.now()

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    class date(real[1], metaclass=Kind):
        @classmethod
        def today(cls) -> datetime.date:
            return cls.fromtimestamp(stamp() + ahead)

    now.__name__, now.__qualname__ = "datetime", "datetime"
    datetime.datetime, datetime.date = now, date
    time.time = lambda: stamp() + ahead
    time.time_ns = lambda: in_ns() + int(ahead * 1e9)
    time.localtime = lambda seconds=None: local(time.time() if seconds is None else seconds)
    time.gmtime = lambda seconds=None: utc(time.time() if seconds is None else seconds)
