"""A Dask cluster as the place where a cohort is graded, and what its workers do."""

import concurrent.futures
import contextlib
import functools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from grader import __version__, grading
from grader.catalog import Catalog, Kata
from grader.cohort.grade import PATIENCE, attempt, choose_engine
from grader.errors import EngineTrouble, GraderError
from grader.grading import Slots, Task
from grader.submission import Submission


class Cluster:
    """A Dask cluster by its scheduler's address. Workers are trusted: they have the hidden tests.

    What is sent is plain data: the kata's name, the files, the seed. Each worker has the
    repository and an engine of its own; what comes back is a verdict's JSON. Dask gives a lost
    worker's gradings to the others.
    """

    def __init__(
        self,
        address: str,
        engine: str,
        katas: Sequence[Kata],
        *,
        without_isolation: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        import distributed

        self._address = address
        self._patience = patience
        self._asked = engine, without_isolation
        self._without: float | None = None
        try:
            self._client = distributed.Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise EngineTrouble(
                f"no Dask scheduler answers at {address} ({error}); start one with: dask scheduler"
            ) from None
        try:
            self.engine, self.image = self._agree(katas)
            self._executor = self._client.get_executor(pure=False)
        except BaseException:
            self._client.close(timeout=2)
            raise

    def _agree(self, katas: Sequence[Kata]) -> tuple[str, str]:
        """Asks every worker what it would grade with; they must all be the same as here."""
        workers = self._threads()
        if not workers:
            raise EngineTrouble(
                f"the scheduler at {self._address} has no workers; start some, each in a clone of "
                f"this repository: dask worker {self._address}"
            )
        names = [kata.name for kata in katas]
        asked = {
            worker: self._client.submit(
                _describe, *self._asked, names, pure=False, workers=[worker]
            )
            for worker in workers
        }
        told = {worker: future.result() for worker, future in asked.items()}
        here = [[kata.name, grading.kata_hash(kata)] for kata in katas]
        for worker, about in told.items():
            if "problem" in about:
                raise EngineTrouble(f"worker {worker}: {about['problem']}")
            if about["katas"] != here or about["grader"] != __version__:
                raise EngineTrouble(
                    f"worker {worker} has other katas or another grader than are here; bring both "
                    "to the same commit, and start the worker again"
                )
        kinds = {(about["engine"], about["image"]) for about in told.values()}
        if len(kinds) > 1:
            each = ", ".join(sorted(f"{engine} ({image})" for engine, image in kinds))
            raise EngineTrouble(f"the workers differ in what they grade with: {each}; name one "
                                "with --engine")  # fmt: skip
        return kinds.pop()

    def _threads(self) -> Mapping[str, int]:
        threads: Mapping[str, int] = self._client.nthreads()
        return threads

    def at_once(self) -> int:
        count = 0
        with contextlib.suppress(OSError, TimeoutError):
            if self._client.status == "running":
                count = sum(self._threads().values())
        if count:
            self._without = None
            # Two for each thread, so that none waits for its next one.
            return 2 * count
        now = time.monotonic()
        self._without = self._without or now
        if now - self._without > self._patience:
            raise EngineTrouble(
                f"the scheduler at {self._address} is gone, or has had no worker for "
                f"{self._patience:.0f} s. What was graded is kept: start it, and run the same "
                "command again"
            )
        return 0

    def submit(
        self, kata: Kata, submission: Submission, seed: int
    ) -> concurrent.futures.Future[str]:
        future: concurrent.futures.Future[str] = self._executor.submit(
            _on_worker, *self._asked, self._patience, kata.name, dict(submission.files), seed
        )
        return future

    def close(self) -> None:
        with contextlib.suppress(Exception):  # of a cluster that may be gone already
            self._executor.shutdown(wait=False)
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)


# On a worker

_making = threading.Lock()


@functools.cache
def _slots_here(name: str, without_isolation: bool) -> tuple[Catalog, Slots]:
    """A worker's catalogue and slots, made once."""
    import atexit
    import pathlib

    import distributed

    catalog = Catalog.find(pathlib.Path.cwd())
    engine, _ = choose_engine(name, lambda step: None, without_isolation=without_isolation)
    slots = Slots(engine, distributed.get_worker().state.nthreads)
    atexit.register(slots.close)
    return catalog, slots


def _describe(name: str, without_isolation: bool, katas: Sequence[str]) -> dict[str, Any]:
    """What this worker would grade these katas with."""
    try:
        with _making:
            catalog, slots = _slots_here(name, without_isolation)
            hashes = [[kata, grading.kata_hash(catalog.get(kata))] for kata in katas]
            for kata in katas:
                _ = catalog.get(kata).hidden_tests
    except GraderError as error:
        return {"problem": str(error)}
    engine = slots.engine
    return {"engine": engine.name, "image": engine.image or engine.name, "katas": hashes,
            "grader": __version__}  # fmt: skip


def _on_worker(
    name: str,
    without_isolation: bool,
    patience: float,
    kata_name: str,
    files: Mapping[str, bytes],
    seed: int,
) -> str:
    """One grading on a worker, with its own katas and its own engine."""
    try:
        with _making:
            catalog, slots = _slots_here(name, without_isolation)
            kata = catalog.get(kata_name)
            _ = kata.hidden_tests
    except GraderError as error:
        return json.dumps({"trouble": str(error)})
    return attempt(slots, Task(kata, Submission(files), seed), patience, alone=False)
