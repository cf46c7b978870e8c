"""`nox -s peers`: the same attacks against pytest in one container, as most graders run it.

Two peers are tried. The plain one lays the hidden tests beside the whole submission and shows the
learner pytest's output. The careful one takes only the files that the kata asks for, makes them and
the tests read-only, and turns off what a submission could bring along: conftest.py, configuration,
tracebacks. Both are fair: a new container per submission, no network, no capabilities, limits on
memory, processes, processors and file sizes, the right answer passes and the wrong one fails.

A verdict is read in the three usual ways: from the exit code, from the last line, from the JUnit
file. A pass is forged where they tell of three passed tests and the submission has not earned it.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import io
import itertools
import os
import pathlib
import re
import sys
import tarfile
import tempfile
import xml.etree.ElementTree
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import docker
import docker.errors
import docker.types
import requests

from grader import __version__
from grader.engines.docker import DockerEngine, owner_of
from grader.errors import EngineTrouble
from grader.verdict import Outcome, Verdict
from tests.attacking import (
    CLASSES,
    TOLERANCE,
    Attack,
    Ground,
    ReplacingSlot,
    all_text,
    attacks,
    carry_out,
    refuse_unlimited,
    replacing_slot,
    unearned,
)
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "peers.md"
KATA = "adder"
#: Containers at work at once.
JOBS = 2
#: The toy kata's hidden tests, as one would write them for pytest alone. Attacks look for @CANARY@.
_TESTS = """\
import subprocess
import sys

from adder import Total, add


def test_adds():
    assert add(591, 1734) == 2325  # @CANARY@


def test_adds_as_a_command():
    command = [sys.executable, "/tmp/work/adder.py", "40", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "42"  # @CANARY@


def test_keeps_a_total():
    total = Total()
    assert [total.add(n) for n in (1, 2, 3)][-1] == 6  # @CANARY@
"""
_ALL = 3
_READINGS = ("exit code", "last line", "JUnit file")
_LEARNER = 65534
_VERSIONS = "import platform, pytest; print(platform.python_version(), pytest.__version__)"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A way to grade with pytest in one container."""

    name: str
    options: tuple[str, ...]
    tests: str
    junit: str
    #: Only what the kata asks for is taken, and it cannot be changed.
    careful: bool


PLAIN = Peer("plain", (), "/tmp/work/test_adder.py", "/tmp/work/junit.xml", careful=False)
CAREFUL = Peer(
    "careful",
    ("--tb=no", "--noconftest", "-c", "/dev/null", "--rootdir", "/tests"),
    "/tests/test_adder.py", "/tmp/junit.xml", careful=True,
)  # fmt: skip
PEERS = (PLAIN, CAREFUL)
OURS = "this grader"


@dataclasses.dataclass
class Told:
    """What came of one attack."""

    #: Where a whole pass was read.
    read: frozenset[str] = frozenset()
    #: At least one single test has passed that was not earned.
    a_test: bool = False
    #: Hidden text was shown.
    revealed: bool = False
    #: It had to be stopped.
    hung: bool = False

    @property
    def in_full(self) -> bool:
        return self.read == frozenset(_READINGS)

    @property
    def forged(self) -> str:
        if self.in_full:
            return "in full"
        return ", ".join(sorted(self.read)) or ("a test" if self.a_test else "no")

    def __str__(self) -> str:
        words = [f"forged: {self.forged}"] if self.forged != "no" else []
        words += ["hidden text shown"] * self.revealed + ["hung"] * self.hung
        return ", ".join(words) or "nothing"


#: By grader and attack.
Results = dict[str, dict[str, Told]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("words", nargs="*", help="only attacks with one of these in their name")
    options.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    chosen = options.parse_args()
    applies, left_out = sort_out(attacks())
    if chosen.words:
        applies = [each for each in applies if any(word in each.name for word in chosen.words)]
        if chosen.write:
            options.error("--write needs all attacks")
    engine = DockerEngine()
    if problem := engine.problem():
        raise SystemExit(problem)
    client = docker.from_env()
    if missing := [name for name in ("MemoryLimit", "PidsLimit") if not client.info().get(name)]:
        raise SystemExit(
            f"Docker enforces no {' and no '.join(missing)} here; no attack is started"
        )
    engine.prepare(_say)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Ground(folder) as ground:
            container = _Container(client, str(engine.image), ground)
            starter = container.control(folder)
            results = {
                **container.tried(applies),
                OURS: dict(tried_here(applies, ground, engine, folder)),
            }
    text = page(applies, left_out, results, starter, container.versions(), container.seconds)
    print(text)
    if chosen.write:
        PAGE.write_text(text, "utf-8")


def sort_out(every: Iterable[Attack]) -> tuple[list[Attack], dict[str, list[Attack]]]:
    """Attacks that mean something to a peer, and the others by the reason that they do not."""
    applies: list[Attack] = []
    left_out: dict[str, list[Attack]] = collections.defaultdict(list)
    for attack in every:
        if attack.outcome is Outcome.REFUSED:
            left_out["they end before anything runs: the submission is refused"].append(attack)
        elif attack.only_here:
            left_out["they aim at the protocol and processes of this grader alone"].append(attack)
        elif attack.kata != KATA:
            left_out["the hidden tests of their kata are written for this judge"].append(attack)
        else:
            applies.append(attack)
    return applies, left_out


# --- the peers ----------------------------------------------------------------------------------


class _Container:
    """Carries out attacks against the peers, each in a container of its own."""

    def __init__(self, client: docker.DockerClient, image: str, ground: Ground) -> None:
        self._client = client
        self._image = image
        self._ground = ground
        self._kata = ground.kata(KATA)
        self._canary = f"{ground.canary}-hidden"
        self.seconds = self._kata.limits.wall_seconds

    def versions(self) -> str:
        told = self._client.containers.run(
            self._image, ["python", "-c", _VERSIONS], network_mode="none", remove=True
        )
        python, pytest = told.decode().split()
        return (f"grader {__version__}, Python {python}, pytest {pytest}, "
                f"Docker {self._client.version()['Version']}")  # fmt: skip

    def control(self, folder: pathlib.Path) -> Mapping[str, Told]:
        """What the wrong starter is told. Raises unless each peer tells right from wrong."""
        told = {}
        for base in ("reference", "starter"):
            (folder / base).mkdir()
            attack = Attack(folder / base, "", KATA, base, Outcome.FAILED, frozenset())
            for peer in PEERS:
                told[peer.name] = self.grade(attack, peer)
                if told[peer.name].in_full != (base == "reference"):
                    raise SystemExit(f"{peer.name} gets the {base} wrong: {told[peer.name]}")
        return told

    def tried(self, chosen: Sequence[Attack]) -> Results:
        results: Results = {peer.name: {} for peer in PEERS}
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            waiting = {
                pool.submit(self.grade, attack, peer): (attack, peer)
                for attack in chosen for peer in PEERS
            }  # fmt: skip
            for done in concurrent.futures.as_completed(waiting):
                attack, peer = waiting[done]
                results[peer.name][attack.name] = done.result()
                _say(f"{peer.name}, {attack.name}: {done.result()}")
        return results

    def grade(self, attack: Attack, peer: Peer) -> Told:
        command = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                   f"--junitxml={peer.junit}", *peer.options, peer.tests]  # fmt: skip
        container = self._client.containers.create(
            self._image, command, working_dir="/tmp/work", user=f"{_LEARNER}:{_LEARNER}",
            environment={"PYTHONPATH": "/tmp/work"}, network_mode="none", cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"], mem_limit="512m", memswap_limit="512m",
            pids_limit=64, nano_cpus=10**9, shm_size="16m",
            ulimits=[docker.types.Ulimit(name="fsize", soft=1 << 28, hard=1 << 28),
                     docker.types.Ulimit(name="core", soft=0, hard=0)],
            log_config=docker.types.LogConfig(config={"max-size": "8m", "max-file": "1"}),
            labels={"ai-engineer-katas.owner": owner_of(os.getpid())},
        )  # fmt: skip
        try:
            container.put_archive("/", self._archive(attack, peer))
            container.start()
            code = None
            # Docker's client tells of a time-out by this one or that.
            with contextlib.suppress(requests.exceptions.RequestException):
                code = container.wait(timeout=self.seconds)["StatusCode"]
            if code is None:
                with contextlib.suppress(docker.errors.APIError):  # it has ended by now
                    container.kill()
            shown = container.logs().decode("utf-8", "replace")
            if code is None:
                return Told(revealed=self._canary in shown, hung=True)
            passed = _passed(self._junit(container, peer))
            return Told(
                frozenset(self._readings(container, code, passed)),
                # The starter passes none by itself; from the reference some are earned.
                a_test=passed > 0 and attack.base == "starter",
                revealed=self._canary in shown,
            )
        finally:
            container.remove(force=True, v=True)

    def _readings(self, container: Any, code: int, passed: int) -> Iterator[str]:
        """The ways of reading it in which all three tests have passed."""
        if code == 0:
            yield "exit code"
        last = container.logs(stdout=True, stderr=False, tail=1).decode("utf-8", "replace")
        if re.match(r"3 passed in", last.strip("= \n")):
            yield "last line"
        if passed == _ALL:
            yield "JUnit file"

    def _junit(self, container: Any, peer: Peer) -> bytes:
        # A submission may have put anything in its place: a link, a folder, a lot.
        with contextlib.suppress(docker.errors.NotFound, tarfile.TarError, KeyError):
            stream, _ = container.get_archive(peer.junit)
            content = b"".join(itertools.islice(stream, 4))
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                file = archive.extractfile(archive.getmembers()[0])
                return file.read() if file is not None else b""
        return b""

    def _archive(self, attack: Attack, peer: Peer) -> bytes:
        archive = io.BytesIO()
        with (
            tempfile.TemporaryDirectory() as folder,
            tarfile.open(fileobj=archive, mode="w") as tar,
        ):
            work, tests = pathlib.Path(folder, "work"), pathlib.Path(folder, "test_adder.py")
            work.mkdir()
            self._ground.submission(attack, work)
            tests.write_text(_TESTS.replace("@CANARY@", self._canary))
            tar.add(work, "tmp/work", recursive=False, filter=_owned_by(peer))
            for path in sorted(work.rglob("*")):
                name = path.relative_to(work).as_posix()
                if not peer.careful or (path.is_file() and self._kata.is_editable(name)):
                    tar.add(path, f"tmp/work/{name}", recursive=False, filter=_owned_by(peer))
            tar.add(tests, peer.tests.lstrip("/"), filter=_owned_by(peer))
        return archive.getvalue()


def _owned_by(peer: Peer) -> Callable[[tarfile.TarInfo], tarfile.TarInfo]:
    """A plain peer's files are the learner's, a careful one's can only be read."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0 if peer.careful else _LEARNER
        entry.mode = (0o755 if entry.isdir() else 0o644) if peer.careful else 0o777
        return entry

    return owned


def _passed(junit: bytes) -> int:
    """How many tests have passed, as the summary in a JUnit file tells."""
    try:
        suite = next(xml.etree.ElementTree.fromstring(junit).iter("testsuite"))
        counts = [int(suite.get(kind, 0)) for kind in ("errors", "failures", "skipped")]
        return int(suite.get("tests", 0)) - sum(counts)
    except (xml.etree.ElementTree.ParseError, StopIteration, ValueError):
        return 0


# --- this grader --------------------------------------------------------------------------------


def tried_here(
    chosen: Sequence[Attack], ground: Ground, engine: DockerEngine, folder: pathlib.Path
) -> Iterator[tuple[str, Told]]:
    """The same here, where one single behaviour that was not earned counts as a forged pass."""
    with replacing_slot(engine) as slots:
        with slots.use() as slot:
            refuse_unlimited(ground, engine, slot)
        for attack in chosen:
            verdict, seconds, passed = _once_more(attack, ground, engine, slots, folder)
            limit = ground.kata(KATA).limits.wall_seconds + TOLERANCE
            mine = Told(
                frozenset(_READINGS if verdict.outcome is Outcome.PASSED else ()),
                a_test=bool(passed),
                revealed=ground.canary in all_text(verdict),
                hung=seconds > limit,
            )
            _say(f"{OURS}, {attack.name}: {mine}")
            yield attack.name, mine


def _once_more(
    attack: Attack, ground: Ground, engine: DockerEngine, slots: ReplacingSlot, folder: pathlib.Path
) -> tuple[Verdict, float, set[str]]:
    """Verdict, seconds and unearned behaviours; where the engine had trouble, of a second try."""
    for place in (folder / attack.name, folder / f"{attack.name}-again"):
        try:
            with slots.use() as slot:
                verdict, seconds = carry_out(attack, ground, engine, slot, place)
                return verdict, seconds, unearned(attack, verdict, ground, engine, slot)
        except EngineTrouble as error:
            _say(f"{attack.name}: {error}")
    raise SystemExit(f"{attack.name}: the engine is in trouble")


# --- the page -----------------------------------------------------------------------------------

_PAGE = """\
# Against pytest in one container

`nox -s peers -- --write` made this page on {date} with {versions}. It tries the {count} attacks \
of `tests/attacks` that mean something to any grader: against pytest in one container, as most \
graders run it, and against this grader on its docker engine.

*Plain*: the hidden tests lie beside the submission, and the learner sees pytest's output. \
*Careful*: only the files that the kata asks for are taken, they and the tests can only be read, \
the tests lie in a folder of their own, and pytest runs with `{options}`. Both run in a new \
container without network or capabilities, with 512 MB, 64 processes, one processor and files of \
at most 256 MB; both pass the right answer and fail the wrong one.

## A pass that was not earned

*In full*: exit code, last line and JUnit file all tell of three passed tests. *In part*: one or \
two of them do, so it depends on which is read. *A test*: no whole pass, but at least one test \
passes unearned. For this grader, all three count.

{forged}

{forgers}

## Hidden tests shown to the learner

A canary from the hidden tests stands in what the learner sees: pytest's output, or the verdict. \
{baseline}

{revealed}

## Still running at the limit

The peers have no limit of their own: at the kata's {seconds} s they were killed from outside. \
This grader had to end by itself, at most {tolerance} s later.

{hung}

{hangers}

## Left out

{left_out}
"""


#: The kinds of forgery, each without the ones before it.
_WAYS: dict[str, Callable[[Told], bool]] = {
    "in full": lambda told: told.in_full,
    "in part": lambda told: bool(told.read) and not told.in_full,
    "a test": lambda told: told.a_test and not told.read,
}


def page(
    applies: Sequence[Attack],
    left_out: Mapping[str, Sequence[Attack]],
    results: Results,
    starter: Mapping[str, Told],
    versions: str,
    seconds: int,
) -> str:
    """The figures as Markdown."""
    forged = {
        f"{peer.name}, {how}": {name for name, told in results[peer.name].items() if did(told)}
        for peer in PEERS
        for how, did in _WAYS.items()
    }
    forged[OURS] = {name for name, told in results[OURS].items() if told.forged != "no"}
    revealed = {grader: {name for name, each in told.items() if each.revealed}
                for grader, told in results.items()}  # fmt: skip
    hung = {grader: {name for name, each in told.items() if each.hung}
            for grader, told in results.items()}  # fmt: skip
    shown = " and ".join(name for name, each in starter.items() if each.revealed)
    return _PAGE.format(
        date=dt.date.today(), versions=versions, count=len(applies), seconds=seconds,
        options=" ".join(CAREFUL.options), tolerance=TOLERANCE,
        forged=_table(applies, forged), revealed=_table(applies, revealed),
        hung=_table(applies, hung), hangers=_hangers(hung), forgers=_forgers(results),
        baseline=f"With {shown} the wrong starter, which attacks nothing, shows it as well."
        if shown else "The wrong starter, which attacks nothing, shows it nowhere.",
        left_out="\n".join(
            f"- {len(some)}, because {reason}: {', '.join(attack.name for attack in some)}."
            for reason, some in sorted(left_out.items())
        ),
    )  # fmt: skip


def _table(applies: Sequence[Attack], columns: Mapping[str, set[str]]) -> str:
    """How many attacks of each class stand in each column."""
    lines = [f"| class | attacks | {' | '.join(columns)} |",
             "| --- |" + " ---: |" * (len(columns) + 1)]  # fmt: skip
    for kind in (*CLASSES, "all"):
        some = {attack.name for attack in applies if kind in (attack.kind, "all")}
        counts = [len(some), *(len(some & names) for names in columns.values())]
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _forgers(results: Results) -> str:
    """The attacks that have forged a pass somewhere, and where it was read."""
    names = sorted({name for told in results.values() for name in told
                    if told[name].forged != "no"})  # fmt: skip
    lines = [f"| attack | {' | '.join(results)} |", "| --- |" + " --- |" * len(results)]
    for name in names:
        cells = " | ".join(told[name].forged for told in results.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _hangers(hung: Mapping[str, set[str]]) -> str:
    """The attacks that were still running at the limit."""
    return "\n".join(
        f"- {name}: {', '.join(sorted(some)) or 'none'}" for name, some in hung.items()
    )


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
