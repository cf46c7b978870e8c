"""Hidden tests under plain pytest and a debugger, without a container, for authors of katas:

pytest -p grader.author solutions/NN-pillar/KATA/hidden --submission DIR [--seed N] [-k NAME --pdb]
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator

import pytest

from grader.catalog import Catalog
from grader.engines import process
from grader.errors import GraderError
from grader.grading import Task, job_for, new_seed
from grader.judge.plugin import Grading
from grader.submission import collect


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kata")
    group.addoption("--submission", type=pathlib.Path, help="folder of the answer to be tested")
    group.addoption("--seed", type=int, default=None, help="replays a grading's data")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.submission is None:
        return  # someone else's pytest run that happens to load this module
    folder = pathlib.Path(config.args[0].partition("::")[0]).resolve()
    hidden = next((p for p in (folder, *folder.parents) if p.name == "hidden"), None)
    if hidden is None:
        raise pytest.UsageError("name the folder hidden/ of a kata's solutions, or a test in it")
    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    home = stack.enter_context(
        tempfile.TemporaryDirectory(prefix="kata-", ignore_cleanup_errors=True)
    )
    try:
        kata = Catalog.find(hidden).get(hidden.parent.name)
        submission = collect(kata, config.option.submission)
        box = stack.enter_context(process.box(pathlib.Path(home)))
    except GraderError as error:
        raise pytest.UsageError(str(error)) from None
    seed = new_seed() if config.option.seed is None else config.option.seed
    job = job_for(Task(kata, submission, seed), box)
    if config.option.usepdb:
        # Whoever reads along in a debugger takes longer than any limit.
        job.limits.update(dict.fromkeys(("wall_seconds", "behaviour_seconds"), 24 * 3600))
    config.pluginmanager.register(Grading(job, 0, lambda result: None), "grading")
    config.stash[_SEED] = seed


def pytest_report_header(config: pytest.Config) -> Iterator[str]:
    if _SEED in config.stash:
        yield f"kata: --seed {config.stash[_SEED]} replays this run (no isolation here)"


_SEED = pytest.StashKey[int]()
