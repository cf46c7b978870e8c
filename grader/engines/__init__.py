"""The engines, in order of preference."""

from collections.abc import Callable, Mapping

from grader.engines.base import Engine, Progress
from grader.engines.bubblewrap import BubblewrapEngine
from grader.engines.process import ProcessEngine
from grader.errors import EngineTrouble, UsageError


def _docker() -> Engine:
    # Only here: Docker's SDK takes time to import.
    from grader.engines.docker import DockerEngine

    return DockerEngine()


#: Every engine by name; `auto` takes the first that works.
ENGINES: Mapping[str, Callable[[], Engine]] = {
    "docker": _docker,
    "bubblewrap": BubblewrapEngine,
    "process": ProcessEngine,
}


def choose(name: str, progress: Progress) -> tuple[Engine, list[str]]:
    """An engine by name or "auto", ready for use, and why each one before it was passed over."""
    if name != "auto" and name not in ENGINES:
        raise UsageError(f"there is no engine {name!r}; there is auto, {', '.join(ENGINES)}")
    passed_over: list[str] = []
    for kind in ENGINES if name == "auto" else [name]:
        engine = ENGINES[kind]()
        problem = engine.problem()
        if problem is None:
            try:
                engine.prepare(progress)
                return engine, passed_over
            except EngineTrouble as error:
                problem = str(error)
        passed_over.append(f"{kind}: {problem}")
    raise EngineTrouble("\n".join(["no engine works here", *passed_over]))
