"""Where milliseconds go, cold commands, and scale: measured on the toy kata.

It tests next to nothing, so nearly all of its time is the grader's; here it has the libraries that
real katas have.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from grader.catalog import Catalog, Kata
from grader.engines.base import Engine
from grader.grading import Task, grade_all, new_seed
from grader.submission import collect
from grader.verdict import Verdict
from tests.bench import meter
from tests.bench.ways import Ours, Way
from tests.conftest import TOY

#: A line of a table; None where the machine does not tell.
Row = dict[str, float | None]
PARTS = ("start", "imports", "collect", "tests", "transfer", "teardown")
_LIBRARIES = '["pandas", "sklearn.linear_model", "fastapi", "httpx", "uvicorn"]'
_LOOKS, _SAVES = 7, 20
#: Between a verdict and the next save, as a learner would make one.
_PAUSE_SECONDS = 0.5
_EMPTY_SESSION = "import nox\n\n\n@nox.session(python=False)\ndef empty(session):\n    pass\n"


def toy_kata(folder: pathlib.Path) -> Kata:
    """The toy kata with the libraries of a real one, in a repository of its own."""
    shutil.copytree(TOY, folder / "repo")
    path = folder / "repo/katas/01-toy/adder/kata.toml"
    path.write_text(path.read_text("utf-8").replace("preload = []", f"preload = {_LIBRARIES}"))
    return Catalog(folder / "repo").get("adder")


def parts(way: Way, limit: Way, kata: Kata) -> Row:
    """Milliseconds of one grading by part, on a warm slot; medians.

    start: from handing in until a new process runs; ours, until the first test begins, so with the
    job's way to the judge, the box's start and pytest's. imports: until the libraries are there.
    collect: pytest itself. tests: as long as they take in the limit. transfer: what they take
    longer, by walls, codec and files. teardown: from the last test's end to the outcome.
    cold: the whole of the first grading, which begins with the start of a slot.
    """
    first, *looks = [_stages(way, task) for task in _references(kata, 1 + _LOOKS)]
    middle = {part: statistics.median(look[part] for look in looks) for part in first}
    least = statistics.median(_stages(limit, task)["tests"] for task in _references(kata, _LOOKS))
    middle["transfer"] = max(middle["tests"] - least, 0)
    middle["tests"] -= middle["transfer"]
    told = {**{part: middle[part] for part in PARTS}, "cold": sum(first.values())}
    return {part: round(seconds * 1000, 1) for part, seconds in told.items()}


def _stages(way: Way, task: Task) -> dict[str, float]:
    handed_in = time.monotonic()
    [results] = way.batch([task])
    done = time.monotonic()
    imports = sum(result.seconds for result in results if not result.behaviour)
    tests = [result for result in results if result.behaviour]
    begin, in_tests = tests[0].at - tests[0].seconds, sum(result.seconds for result in tests)
    ready = results[0].at if imports else begin
    return {
        "start": ready - imports - handed_in, "imports": imports, "tests": in_tests,
        "collect": tests[-1].at - ready - in_tests, "teardown": done - tests[-1].at,
    }  # fmt: skip


def cold(engine: Engine, kata: Kata) -> Row:
    """Seconds of a whole `kata grade`, of the start of what stands before it, and, on a warm slot,
    from a saved file to its verdict on the screen of `kata watch`; medians."""
    repo = kata.folder.parents[2]
    (repo / "noxfile.py").write_text(_EMPTY_SESSION)
    programs = pathlib.Path(sys.executable).parent
    path = os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath)))
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import_grader_cli": [sys.executable, "-c", "import grader.cli"],
        "kata_grade": [str(programs / "kata"), "grade", kata.short_name, "--engine", engine.name,
                       "--from", str(kata.solutions / "reference")],
    }  # fmt: skip
    if nox := shutil.which("nox", path=path):
        commands["nox"] = [nox, "-s", "empty"]
    seconds = {name: _seconds(command, repo) for name, command in commands.items()}
    return {**seconds, "saved_to_screen": _saved_to_screen(engine, kata)}


def _seconds(command: Sequence[str], cwd: pathlib.Path) -> float:
    looks = []
    for _ in range(_LOOKS):
        started = time.monotonic()
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        looks.append(time.monotonic() - started)
    return round(statistics.median(looks), 3)


def _saved_to_screen(engine: Engine, kata: Kata) -> float:
    command = [sys.executable, "-c", "import grader.cli; grader.cli.main()", "watch", "--plain",
               "--engine", engine.name, kata.short_name]  # fmt: skip
    reference = (kata.solutions / "reference/adder.py").read_text("utf-8")
    looks = []
    with subprocess.Popen(
        command, cwd=kata.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, encoding="utf-8",
    ) as watch:  # fmt: skip
        assert watch.stdout is not None
        for number in range(1 + _SAVES):
            started = time.monotonic()
            (kata.folder / "adder.py").write_text(f"{reference}# {number}\n", "utf-8")
            next(line for line in watch.stdout if "behaviours hold" in line)
            looks.append(time.monotonic() - started)
            time.sleep(_PAUSE_SECONDS)
        watch.send_signal(signal.SIGINT)
    # The first had to wait for the slot.
    return round(statistics.median(looks[1:]), 3)


def scale(engine: Engine, kata: Kata, slots: int, gradings: int) -> Row:
    """Throughput and memory of so many gradings in a row on warm slots, replaying one."""
    with contextlib.ExitStack() as stack:
        ours = Ours(engine, slots, stack)
        ours.batch(_references(kata, slots * 2))
        tasks = _references(kata, 1) * gradings
        cost, boxes = meter.spent(meter.background(), _boxes_mb, ours.engine, tasks, slots)
        memory = meter.memory_mb(meter.slot_processes(engine))
    return {
        "slots": slots, "gradings": gradings, "per_minute": round(gradings / cost.wall * 60, 1),
        "cpu_seconds": round(cost.cpu / gradings, 4), "slots_mb": memory, "box_mb": boxes,
        "grader_mb": meter.own_memory_mb(),
    }  # fmt: skip


def _boxes_mb(engine: Engine, tasks: Sequence[Task], jobs: int) -> float | None:
    """Grades; the most memory that a box took, by the verdicts."""
    used = (verdict.usage.memory_mb or 0.0 for _, verdict in grade_all(engine, tasks, jobs)
            if isinstance(verdict, Verdict))  # fmt: skip
    return max(used, default=0.0) or None


def _references(kata: Kata, count: int) -> list[Task]:
    submission = collect(kata, kata.solutions / "reference")
    return [Task(kata, submission, new_seed()) for _ in range(count)]
