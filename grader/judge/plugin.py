"""The pytest plugin of a grading: the fixtures, and the outcome of each behaviour."""

import contextlib
import random
import re
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy
import pytest

from grader import upstreams
from grader.job import Job
from grader.judge.box import Box, from_zygote
from grader.judge.findings import BoxLost, Raised, Unmet, clean
from grader.judge.submission import Submission
from grader.judge.timeline import Timeline
from grader.verdict import Cause, Finding, Outcome

#: So much sooner than pytest-timeout a waiting test is told, in seconds: its message is the better.
_EARLIER = 0.5
#: What a test raises that takes plain data of another type or shape for what was promised. With the
#: reference's data it does not: `verify` has shown that.
_SHAPE_ERRORS = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
_PLAIN_ATTRIBUTE = re.compile(r"'(NoneType|bool|int|float|str|bytes|list|dict|set)' object has no")


class Grading:
    """Runs one lane of a job's hidden tests; `report` gets one plain dict per behaviour.

    Raises `BoxLost` when the box cannot be reached.
    """

    def __init__(self, job: Job, lane: int, report: Callable[[dict[str, Any]], None]) -> None:
        self._job = job
        self._lane = lane
        #: Neighbours test similar things and wait similarly long, so they go to different lanes.
        self._behaviours = job.behaviours[lane :: job.lanes]
        self._report = report
        self._box = Box(job.port, from_zygote(job.zygote, lane) if job.zygote else None)
        self._box.hello(job.limits, job.preload)
        self._ends = time.monotonic() + job.limits["wall_seconds"]

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture
    def submission(self, request: pytest.FixtureRequest) -> Iterator[Submission]:
        """The learner's code in a clean box."""
        seconds = self._job.limits["behaviour_seconds"]
        self._box.deadline = min(time.monotonic() + seconds - _EARLIER, self._ends)
        submission = Submission(self._box, self._job.files, self._job.submitted)
        yield submission
        submission.close()

    @pytest.fixture
    def seed(self) -> int:
        """The grading's seed."""
        return self._job.seed

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest, seed: int) -> numpy.random.Generator:
        """Random numbers of this grading's seed and this test."""
        own = zlib.crc32(request.node.name.encode())
        return numpy.random.default_rng([seed, own])

    @pytest.fixture
    def upstream(self) -> Iterator[Callable[..., Any]]:
        """Starts scripted upstreams, `upstream(FakeLLM)`, and stops them after the test."""
        with contextlib.ExitStack() as running:
            yield lambda kind, *args, **options: running.enter_context(kind(*args, **options))

    @pytest.fixture
    def llm(self, upstream: Callable[..., Any]) -> upstreams.FakeLLM:
        """An OpenAI-compatible provider."""
        fake: upstreams.FakeLLM = upstream(upstreams.FakeLLM)
        return fake

    @pytest.fixture
    def vendor(self, upstream: Callable[..., Any]) -> upstreams.FakeVendor:
        """A vendor's JSON API."""
        fake: upstreams.FakeVendor = upstream(upstreams.FakeVendor)
        return fake

    @pytest.fixture
    def timeline(self, submission: Submission) -> Timeline:
        """What happens when; a test that takes it has it told with what it finds."""
        return Timeline(submission)

    # --- hooks ------------------------------------------------------------------------------

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = {name: place for place, name in enumerate(self._behaviours)}
        wanted = [item for item in items if behaviour_of(item) in order]
        items[:] = sorted(wanted, key=lambda item: order[behaviour_of(item)])
        for item in items:
            if item.get_closest_marker("timeout") is None:
                # Of the function alone: between the phases pytest would not take it for a failure.
                seconds = self._job.limits["behaviour_seconds"]
                item.add_marker(pytest.mark.timeout(seconds, func_only=True))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        random.seed(f"{self._job.seed} {item.name}")
        self._worst: dict[str, Any] = {"outcome": Outcome.PASSED, "cause": None, "finding": None}
        started = time.monotonic()
        finished = yield
        seconds = time.monotonic() - started
        self._report({"behaviour": behaviour_of(item), "lane": self._lane, **self._worst,
                      "seconds": seconds})  # fmt: skip
        return finished

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if time.monotonic() >= self._ends:
            limit = self._job.limits["wall_seconds"]
            observed = f"not reached: the grading's {limit} s were used up before"
            raise Unmet(Finding(observed, "time left for every behaviour"), Cause.TIMED_OUT)

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is None or self._worst["outcome"] is not Outcome.PASSED:
            return
        self._worst = _result(call.excinfo.value)
        timeline = getattr(item, "funcargs", {}).get("timeline")
        if timeline is not None and self._worst["finding"] is not None:
            self._worst["finding"] = {**self._worst["finding"], "timeline": timeline.lines()}


def behaviour_of(item: pytest.Item) -> str:
    """The id of the behaviour that a test stands for."""
    name: str = getattr(item, "originalname", None) or item.name
    return name.removeprefix("test_").replace("_", "-")


def _result(error: BaseException) -> dict[str, Any]:
    """Outcome, cause and finding of a test that raised."""
    if isinstance(error, Raised):
        error = error.unmet()
    if isinstance(error, Unmet):
        return _failed(error.cause, error.finding)
    if isinstance(error, BoxLost):
        return {"outcome": Outcome.FAILED, "cause": None, "finding": None}
    if isinstance(error, pytest.fail.Exception) and str(error.msg).startswith("Timeout"):
        finding = Finding("nothing came of it in the time that one behaviour has", "an end in time")
        return _failed(Cause.TIMED_OUT, finding)
    if isinstance(error, AssertionError) and error.args:
        return _failed(Cause.FAILED, Finding(clean(str(error.args[0]))))
    if isinstance(error, _SHAPE_ERRORS) or _PLAIN_ATTRIBUTE.match(str(error)):
        observed = f"what came back could not be worked with ({type(error).__name__}: {error})"
        finding = Finding(clean(observed, 300), "an answer of the promised type and shape")
        return _failed(Cause.FAILED, finding)
    finding = Finding(clean(f"the hidden test itself broke: {type(error).__name__}: {error}", 300))
    return {
        "outcome": Outcome.TROUBLE,
        "cause": Cause.TROUBLE,
        "finding": vars(finding),
    }


def _failed(cause: Cause, finding: Finding) -> dict[str, Any]:
    return {"outcome": Outcome.FAILED, "cause": cause, "finding": vars(finding)}
