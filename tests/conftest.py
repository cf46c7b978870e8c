"""Fixtures of the project's own tests: the engines, and a toy repository with one kata."""

import collections
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator

import hypothesis
import pytest
from selenium import webdriver

from grader.catalog import Catalog, Kata
from grader.engines import ENGINES
from grader.engines.base import Engine
from grader.engines.bubblewrap import BubblewrapEngine
from grader.engines.docker import DockerEngine
from grader.errors import EngineTrouble
from grader.upstreams import FakeLLM, FakeVendor
from tests.gradings import end_slots

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOY = ROOT / "tests" / "toy"
ISOLATING = ("docker", "bubblewrap")
_ready: dict[str, Engine | str] = {}
# The same examples in every run, however slow the machine.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
hypothesis.settings.load_profile("suite")


def engine_or_skip(name: str) -> Engine:
    """A prepared engine. Skips where there is none, unless KATA_REQUIRE_ENGINES names it."""
    if name not in _ready:
        engine = ENGINES[name]()
        problem = engine.problem()
        if problem is None:
            try:
                engine.prepare(lambda step: None)
            except EngineTrouble as error:
                problem = str(error)
        _ready[name] = problem or engine
    found = _ready[name]
    if isinstance(found, str):
        if name in os.environ.get("KATA_REQUIRE_ENGINES", "").split(","):
            pytest.fail(f"engine {name} is required: {found}")
        pytest.skip(f"engine {name} would add this test; {found}")
    return found


def cold(engine: Engine) -> Engine:
    """The same engine without zygotes: a new container or sandbox for each grading."""
    assert isinstance(engine, DockerEngine | BubblewrapEngine)
    other = type(engine)(warm=False)
    other.image = engine.image
    return other


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that works here."""
    return engine_or_skip(request.param)


@pytest.fixture(params=[*ISOLATING, *(f"cold {name}" for name in ISOLATING)])
def isolating(request: pytest.FixtureRequest) -> Engine:
    """Each engine with walls that works here, with zygotes and without."""
    engine = engine_or_skip(request.param.removeprefix("cold "))
    return cold(engine) if request.param.startswith("cold") else engine


@pytest.fixture
def toy(tmp_path: pathlib.Path) -> Kata:
    """The toy kata in a repository of its own, free to be changed."""
    shutil.copytree(TOY, tmp_path / "repo")
    return Catalog(tmp_path / "repo").get("adder")


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    with FakeVendor() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def no_slot_outlives_its_module() -> Iterator[None]:
    yield
    end_slots()


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window. Skips where there is none, unless KATA_REQUIRE_BROWSER is set."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (program and driver):
        problem = "chromium or chromedriver is not on PATH"
        if os.environ.get("KATA_REQUIRE_BROWSER"):
            pytest.fail(f"a browser is required: {problem}")
        pytest.skip(f"a browser would add this test; {problem}")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.add_argument("--headless=new")
    options.add_argument("--disable-dev-shm-usage")
    options.add_argument("--hide-scrollbars")  # the widths below are those of the page
    if sys.platform == "linux" and os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield started
    started.quit()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which tests an engine would add."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and "would add this test" in report.longrepr[2]:
            reason = report.longrepr[2].removeprefix("Skipped: ")
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        name, _, problem = reason.partition(" would add this test; ")
        terminalreporter.write_line(f"{name} would add {count} tests; {problem}")
    for line in _attacks(terminalreporter):
        terminalreporter.write_line(line)


def _attacks(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """How many attacks of each class were tried, by engine, and how many came to nothing."""
    tried: dict[str, collections.Counter[str]] = {}
    vain: dict[str, collections.Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            if report.when == "call" and (attack := dict(report.user_properties).get("attack")):
                engine, kind = attack
                tried.setdefault(engine, collections.Counter())[kind] += 1
                vain.setdefault(engine, collections.Counter())[kind] += outcome == "passed"
    for engine, counts in tried.items():
        each = ", ".join(f"{kind} {vain[engine][kind]} of {counts[kind]}" for kind in counts)
        total = f"{vain[engine].total()} of {counts.total()}"
        yield f"attacks on {engine} that came to nothing: {total} ({each})"
