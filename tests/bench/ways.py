"""The ways to grade that are compared: the limit, the naive one, and ours on each engine."""

import abc
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import docker

from grader import wire
from grader.box.tasks import THREAD_LIMITS
from grader.engines import local
from grader.engines.base import Engine, Slot
from grader.grading import Task, fixed_files, grade_all
from grader.verdict import BehaviourResult
from tests.bench import direct

_ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **THREAD_LIMITS}


class Result(NamedTuple):
    """One behaviour's. `at` is when it was told (`time.monotonic`), `seconds` how long it took.

    Without a name: the start of the process, which took so many seconds with its imports.
    """

    behaviour: str
    passed: bool
    at: float
    seconds: float


class Way(Protocol):
    name: str

    def batch(self, tasks: Sequence[Task]) -> list[list[Result]]:
        """Grades the tasks, several at once; results in their order."""


class Ours:
    """The grader, on slots that stay warm from one batch to the next, as within a longer run."""

    def __init__(self, engine: Engine, jobs: int, stack: contextlib.ExitStack) -> None:
        self.name = engine.name
        self.engine = _Kept(engine, stack)
        self._jobs = jobs

    def batch(self, tasks: Sequence[Task]) -> list[list[Result]]:
        came: dict[int, list[Result]] = {id(task): [] for task in tasks}

        def on_result(task: Task, told: BehaviourResult) -> None:
            came[id(task)].append(Result(told.id, told.passed, time.monotonic(), told.seconds))

        for _ in grade_all(self.engine, tasks, self._jobs, on_result):
            pass
        return list(came.values())


class _Kept:
    """An engine whose slots outlive the call that asked for them, until `stack` closes."""

    def __init__(self, engine: Engine, stack: contextlib.ExitStack) -> None:
        self.name, self.isolated, self.image = engine.name, engine.isolated, engine.image
        self.problem, self.prepare = engine.problem, engine.prepare
        self._engine = engine
        self._stack = stack
        self._idle: list[Slot] = []

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        idle = self._idle
        slot = idle.pop() if idle else self._stack.enter_context(self._engine.slot())
        yield slot
        idle.append(slot)


class _Direct(abc.ABC):
    """Pytest with the direct plugin over prepared folders; subclasses say how it is started."""

    #: Where the folders are made.
    _home: str | None = None

    def batch(self, tasks: Sequence[Task]) -> list[list[Result]]:
        with tempfile.TemporaryDirectory(
            prefix="bench-", dir=self._home, ignore_cleanup_errors=True
        ) as home:
            pathlib.Path(home).chmod(0o755)
            folders = [pathlib.Path(home, str(number)) for number in range(len(tasks))]
            for task, folder in zip(tasks, folders, strict=True):
                _prepare(task, folder)
            self._run(folders)
            return [_results(folder / direct.RESULTS) for folder in folders]

    @abc.abstractmethod
    def _run(self, folders: Sequence[pathlib.Path]) -> None:
        """Grades what lies in each folder, at once."""


class Limit(_Direct):
    """A warm process that forks for each grading: the least that the tests can cost.

    With an `image` it runs on the interpreter in there, in one container from first to last.
    """

    def __init__(
        self, preload: Sequence[str], jobs: int, stack: contextlib.ExitStack, image: str = ""
    ) -> None:
        self.name = "limit in image" if image else "limit"
        self._home = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        shutil.copy(direct.__file__, self._home)
        command = ["python" if image else sys.executable, f"{self._home}/direct.py", str(jobs)]
        environment = {**local.environment(str(local.PACKAGE_PARENT)), **_ENVIRONMENT}
        if image:
            settings = [f"--env={name}={text}" for name, text in _ENVIRONMENT.items()]
            command = ["docker", "run", "--rm", "--interactive", "--init", "--network=none",
                       f"--volume={self._home}:{self._home}", f"--user={os.getuid()}:{os.getgid()}",
                       "--env=PYTHONPATH=/opt/kata", *settings, image, *command]  # fmt: skip
            environment = dict(os.environ)
        self._server = stack.enter_context(subprocess.Popen(
            [*command, *preload], env=environment, cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ))  # fmt: skip
        self._wait()

    def _run(self, folders: Sequence[pathlib.Path]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps([str(folder) for folder in folders]) + "\n")
        self._server.stdin.flush()
        self._wait()

    def _wait(self) -> None:
        assert self._server.stdout is not None
        if not self._server.stdout.readline():
            raise SystemExit("the warm process of the limit has ended")


class Naive(_Direct):
    """A new container and a new pytest for each grading, its folder mounted."""

    name = "naive"

    def __init__(self, image: str, jobs: int) -> None:
        self._image = image
        self._jobs = jobs
        self._client: Any = docker.from_env()

    def _run(self, folders: Sequence[pathlib.Path]) -> None:
        with concurrent.futures.ThreadPoolExecutor(self._jobs) as pool:
            list(pool.map(self._one, folders))

    def _one(self, folder: pathlib.Path) -> None:
        container = self._client.containers.create(
            self._image, ["python", "-m", "pytest", "-p", "direct", *direct.OPTIONS],
            volumes={str(folder): {"bind": "/work", "mode": "rw"}}, working_dir="/work",
            environment={**_ENVIRONMENT, "PYTHONPATH": "/opt/kata:/work"}, user="65534:65534",
            network_mode="none", cap_drop=["ALL"], security_opt=["no-new-privileges:true"],
            mem_limit="4g", pids_limit=1024, labels={"ai-engineer-katas.bench": "1"},
        )  # fmt: skip
        try:
            container.start()
            container.wait()
        finally:
            container.remove(force=True)


def _prepare(task: Task, folder: pathlib.Path) -> None:
    """Lays out a grading: its hidden tests, its job, and the plugin."""
    for name, content in {**task.kata.hidden_tests, "pytest.ini": b"[pytest]\n"}.items():
        (folder / "hidden" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "hidden" / name).write_bytes(content)
    job = {
        "behaviours": [behaviour.id for behaviour in task.behaviours],
        "files": {**fixed_files(task.kata), **task.submission.files},
        "submitted": sorted(task.submission.files),
        "seed": task.seed,
        "limits": task.kata.limits.model_dump(),
        "preload": task.kata.contract.preload,
    }
    (folder / direct.JOB).write_bytes(wire.encode(job))
    shutil.copy(direct.__file__, folder)
    folder.chmod(0o777)


def _results(path: pathlib.Path) -> list[Result]:
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().splitlines())
    return [Result(line["behaviour"], line["outcome"] == "passed", line["at"], line["seconds"])
            for line in lines]  # fmt: skip
