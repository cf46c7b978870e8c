"""Runs tests/attacks: each a submission with a declaration of what must come of it."""

import contextlib
import dataclasses
import io
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from grader import grading
from grader.catalog import Catalog, Kata
from grader.cli import screen
from grader.engines.base import Engine, Slot
from grader.errors import EngineTrouble, RefusedSubmission
from grader.submission import Submission, collect
from grader.verdict import Outcome, Verdict
from tests.conftest import ROOT, TOY
from tests.machine import docker_holds, eventually, offspring

CLASSES = ("forge", "subvert", "environment", "steal", "break")
#: How long after its limits a grading may still take, in seconds.
TOLERANCE = 5
#: Terminal escapes and the marks that turn the direction of writing.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CI_COMMAND = re.compile(r"::[a-z-]+[^:\n]*::|##(vso)?\[")
_KEYS = {"class", "tries", "kata", "base", "outcome", "causes"}
_OPTIONAL: dict[str, Any] = {"fast": False, "tools": [], "only_here": False}
#: What attacks say that got what no canary stands in, and those that could not even be tried.
_BREACH, _TOOTHLESS = "BREACH", "TOOTHLESS"
#: Graded before any attack: tells which limits are not in force where learner code runs.
_LIMITS = ROOT / "tests" / "probe" / "limits.py"


@dataclasses.dataclass(frozen=True)
class Attack:
    """One folder of tests/attacks."""

    folder: pathlib.Path
    kind: str
    kata: str
    base: str
    outcome: Outcome
    causes: frozenset[str]
    fast: bool = False
    #: Files of tests/attacks/tools that it imports from `more`.
    tools: tuple[str, ...] = ()
    #: Aimed at the workings of this grader alone, so that there is nothing to compare.
    only_here: bool = False

    @property
    def name(self) -> str:
        return self.folder.name


def load(folder: pathlib.Path) -> Attack:
    """Reads a declaration; says what is wrong with it."""
    declared = tomllib.loads((folder / "attack.toml").read_text("utf-8"))
    optional = {name: declared.pop(name, default) for name, default in _OPTIONAL.items()}
    assert set(declared) == _KEYS, f"{folder.name}: attack.toml needs exactly {sorted(_KEYS)}"
    assert declared["class"] in CLASSES, f"{folder.name}: class is one of {CLASSES}"
    assert folder.name.startswith(declared["class"] + "-"), f"{folder.name}: begin with the class"
    assert declared["outcome"] in ("failed", "refused"), f"{folder.name}: an attack never passes"
    return Attack(folder, declared["class"], declared["kata"], declared["base"],
                  Outcome(declared["outcome"]), frozenset(declared["causes"]),
                  optional["fast"], tuple(optional["tools"]), optional["only_here"])  # fmt: skip


def attacks() -> list[Attack]:
    folders = sorted((ROOT / "tests" / "attacks").glob("*/attack.toml"))
    return [load(path.parent) for path in folders]


class Ground:
    """Where attacks take place: copies of the katas and a machine, both planted with canaries."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.canary = f"CANARY{secrets.token_hex(8)}"
        self.words = {"@REPO@": str(ROOT), "@PLANTED@": str(folder), "@PYTHON@": sys.executable}
        self._stack = contextlib.ExitStack()
        self._passes: dict[tuple[str, str], set[str]] = {}
        for source, name in ((TOY, "toy"), (ROOT, "repo")):
            for part in ("katas", "solutions"):
                shutil.copytree(source / part, folder / name / part)
            (folder / name / "pyproject.toml").touch()
            for path in (folder / name / "solutions").rglob("*.py"):
                path.write_text(f"{path.read_text('utf-8')}\n# {self._word('solution')}\n")
        self.toy, self.repo = Catalog(folder / "toy"), Catalog(folder / "repo")

    def __enter__(self) -> "Ground":
        secret = self.folder / "secret.txt"
        secret.write_text(self._word("file"))
        self.words["@FILE@"] = str(secret)
        os.environ["KATA_SECRET"] = self._word("environment")
        self._stack.callback(os.environ.pop, "KATA_SECRET")
        self.words["@PORT@"] = str(self._listen(socket.AF_INET, ("127.0.0.1", 0), "tcp")[1])
        path = str(self.folder / "door")
        self._listen(socket.AF_UNIX, path, "unix")
        self.words["@SOCKET@"] = path
        name = f"kata-{secrets.token_hex(6)}"
        self._listen(socket.AF_UNIX, f"\0{name}", "abstract")
        self.words["@ABSTRACT@"] = name
        self.words["@UDP_PORT@"] = str(self._answer_datagrams())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kata(self, name: str) -> Kata:
        catalog = self.toy if name in {kata.short_name for kata in self.toy.katas} else self.repo
        return catalog.get(name)

    def neighbour(self) -> grading.Task:
        """Another learner's right answer to the toy kata, with a canary in it."""
        kata = self.toy.get("adder")
        files = collect(kata, kata.solutions / "reference").files
        marked = {name: content + f"\n# {self._word('submission')}\n".encode()
                  for name, content in files.items()}  # fmt: skip
        return grading.Task(kata, Submission(marked), grading.new_seed())

    def passes(self, kata: Kata, engine: Engine, slot: Slot) -> set[str]:
        """What the kata's starter passes by itself."""
        if (engine.name, kata.name) not in self._passes:
            task = grading.Task(kata, collect(kata, kata.folder), grading.new_seed())
            verdict = grading.grade(task, engine, slot)
            held = {result.id for result in verdict.behaviours if result.passed}
            self._passes[engine.name, kata.name] = held
        return self._passes[engine.name, kata.name]

    def submission(self, attack: Attack, folder: pathlib.Path) -> None:
        """Lays the attack over its base, in `folder`."""
        kata = self.kata(attack.kata)
        base = kata.folder if attack.base == "starter" else kata.solutions / attack.base
        for path in base.rglob("*"):
            name = path.relative_to(base).as_posix()
            if path.is_file() and kata.is_editable(name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                text = path.read_text("utf-8").replace(f"\n# {self._word('solution')}\n", "")
                (folder / name).write_text(text)
        laid = {path.relative_to(attack.folder).as_posix(): path
                for path in sorted(attack.folder.rglob("*")) if path.is_file()}  # fmt: skip
        laid |= {f"more/{tool}.py": attack.folder.parent / "tools" / f"{tool}.py"
                 for tool in attack.tools}  # fmt: skip
        for name, path in laid.items():
            if name in ("attack.toml", "setup.sh"):
                continue
            content = path.read_bytes()
            for word, meaning in self.words.items():
                content = content.replace(word.encode(), meaning.encode())
            target = folder / name.removesuffix(".before").removesuffix(".after")
            target.parent.mkdir(parents=True, exist_ok=True)
            old = target.read_bytes() if target.exists() else b""
            if name.endswith(".before"):
                content = content + b"\n" + old
            elif name.endswith(".after"):
                content = old + b"\n" + content
            target.write_bytes(content)
        if (attack.folder / "setup.sh").exists():
            script = (attack.folder / "setup.sh").read_text("utf-8")
            for word, meaning in self.words.items():
                script = script.replace(word, meaning)
            subprocess.run(["bash", "-euc", script], cwd=folder, check=True, timeout=60)

    def _word(self, where: str) -> str:
        return f"{self.canary}-{where}"

    def _listen(self, family: int, address: object, where: str) -> tuple[str, int]:
        listener = self._stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(self._word(where).encode())

        threading.Thread(target=serve, daemon=True).start()
        self._stack.callback(_hang_up, listener)
        bound: tuple[str, int] = listener.getsockname()
        return bound

    def _answer_datagrams(self) -> int:
        server = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    _, sender = server.recvfrom(100)
                    server.sendto(self._word("udp").encode(), sender)

        threading.Thread(target=serve, daemon=True).start()
        port: int = server.getsockname()[1]
        return port


def refuse_unlimited(ground: Ground, engine: Engine, slot: Slot) -> None:
    """Fails unless the limits that keep attacks harmless are in force where learner code runs."""
    assert engine.isolated, "attacks run only where the limits are in force"
    probe = dataclasses.replace(
        ground.neighbour(), submission=Submission({"adder.py": _LIMITS.read_bytes()})
    )
    told = grading.grade(probe, engine, slot).behaviours[0].finding
    assert told is not None
    assert "not in force: []" in told.observed, f"no attack is started here: {told.observed}"
    # From now on there is somebody else's work to steal.
    grading.grade(ground.neighbour(), engine, slot)


def carry_out(
    attack: Attack, ground: Ground, engine: Engine, slot: Slot, folder: pathlib.Path
) -> tuple[Verdict, float]:
    """What comes of an attack, and how many seconds it took."""
    assert engine.isolated, "attacks run only where the limits are in force"
    folder.mkdir()
    ground.submission(attack, folder)
    kata = ground.kata(attack.kata)
    started = time.monotonic()
    try:
        task = grading.Task(kata, collect(kata, folder), grading.new_seed())
        verdict = grading.grade(task, engine, slot)
    except RefusedSubmission as refusal:
        verdict = grading.refused(kata, engine, str(refusal))
    return verdict, time.monotonic() - started


def check(attack: Attack, ground: Ground, engine: Engine, slot: Slot, folder: pathlib.Path) -> None:
    """Carries out one attack and asserts that nothing came of it."""
    assert engine.isolated, "attacks run only where the limits are in force"
    kata = ground.kata(attack.kata)
    uses_docker = engine.name == "docker"
    with grading.boxes(grading.Task(kata, Submission({}), 0), slot):
        pass  # what a slot keeps warm for this kata is there from now on
    family = offspring(os.getpid())
    containers = docker_holds(os.getpid()) if uses_docker else set()
    verdict, seconds = carry_out(attack, ground, engine, slot, folder)
    failed = [result for result in verdict.behaviours if not result.passed]
    causes = {str(result.cause) for result in failed}
    assert verdict.outcome is attack.outcome, (verdict.outcome, failed)
    shown = all_text(verdict)
    for word in (ground.canary, _BREACH):
        assert word not in shown, f"a canary is seen, or a breach: {shown}"
    assert _TOOTHLESS not in shown, f"the attack could not be tried: {shown}"
    assert not _CI_COMMAND.search(shown), f"a CI service would take a command: {shown}"
    assert not _UNPRINTABLE.search(shown), f"control characters are shown: {shown!r}"
    passed = unearned(attack, verdict, ground, engine, slot)
    assert not passed, f"passed unearned: {passed}"
    assert causes <= attack.causes, f"{causes}: {failed}"
    assert seconds <= kata.limits.wall_seconds + TOLERANCE, f"took {seconds:.1f} s"
    gone = eventually(lambda: offspring(os.getpid()) <= family)
    assert gone, f"left running: {offspring(os.getpid()) - family}"
    gone = not uses_docker or eventually(lambda: docker_holds(os.getpid()) <= containers)
    assert gone, "a container, volume or network is left"
    after = grading.grade(ground.neighbour(), engine, slot)
    assert after.outcome is Outcome.PASSED, f"the next grading was harmed: {after.behaviours}"


def unearned(
    attack: Attack, verdict: Verdict, ground: Ground, engine: Engine, slot: Slot
) -> set[str]:
    """Behaviours that the attack has passed, and its base would not have."""
    passed = {result.id for result in verdict.behaviours if result.passed}
    if attack.base == "starter":
        return passed - ground.passes(ground.kata(attack.kata), engine, slot)
    return passed if verdict.outcome is Outcome.PASSED else set()


def all_text(verdict: Verdict) -> str:
    """All the text that a learner or a report gets to see, unescaped."""
    return "\n".join([*_texts(verdict.as_json()), on_screen(verdict)])


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def on_screen(verdict: Verdict) -> str:
    """What a terminal without colour would show."""
    ordinary, output = screen._out, io.StringIO()
    screen._out = Console(file=output, width=100, color_system=None)
    try:
        screen.print_verdict(verdict, titles_only=False)
    finally:
        screen._out = ordinary
    return output.getvalue()


@contextlib.contextmanager
def replacing_slot(engine: Engine) -> Iterator["ReplacingSlot"]:
    """A slot for many attacks; after trouble the next attack gets a new one."""
    slot = ReplacingSlot(engine)
    try:
        yield slot
    finally:
        slot.close()


class ReplacingSlot:
    """Keeps one slot open until something goes wrong in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stack = contextlib.ExitStack()
        self._slot: Slot | None = None

    @contextlib.contextmanager
    def use(self) -> Iterator[Slot]:
        if self._slot is None:
            self._slot = self._stack.enter_context(self._engine.slot())
        try:
            yield self._slot
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._slot = None
        with contextlib.suppress(EngineTrouble):
            self._stack.close()


def _hang_up(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
