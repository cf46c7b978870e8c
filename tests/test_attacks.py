"""The attack suite: `nox -s tests` runs the fast ones, `nox -s attacks` all of them."""

import collections
import dataclasses
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from grader import grading
from grader.engines import ENGINES, docker, image, local
from grader.engines.base import Engine
from grader.verdict import Outcome
from tests.attacking import CLASSES, Attack, Ground, ReplacingSlot, attacks, check, replacing_slot
from tests.conftest import ISOLATING, ROOT, engine_or_skip

ATTACKS = attacks()


@pytest.fixture(scope="module", params=ISOLATING)
def arena(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Ground, ReplacingSlot]]:
    engine = engine_or_skip(request.param)
    with Ground(tmp_path_factory.mktemp("ground")) as ground, replacing_slot(engine) as slot:
        yield engine, ground, slot


@pytest.mark.parametrize(
    "attack",
    [pytest.param(attack, id=attack.name, marks=() if attack.fast else pytest.mark.attack)
     for attack in ATTACKS],
)  # fmt: skip
def test_attack(
    arena: tuple[Engine, Ground, ReplacingSlot], attack: Attack, tmp_path: pathlib.Path
) -> None:
    engine, ground, slots = arena
    with slots.use() as slot:
        check(attack, ground, engine, slot, tmp_path / "submission")


def test_every_class_is_represented() -> None:
    counts = collections.Counter(attack.kind for attack in ATTACKS)
    assert set(counts) == set(CLASSES)
    assert counts.total() >= 80


# --- would the suite notice? ------------------------------------------------------------------


Arena = tuple[Engine, Ground, ReplacingSlot]


def weaken(
    monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path, edits: dict[str, tuple[str, str]]
) -> None:
    """Lets judges and boxes run on a copy of the package in which some text is replaced."""
    copy = folder / "weak" / "grader"
    shutil.copytree(ROOT / "grader", copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (old, new) in edits.items():
        text = (copy / name).read_text("utf-8")
        assert old in text
        (copy / name).write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setattr(local, "PACKAGE_PARENT", copy.parent)
    monkeypatch.setattr(image, "_PACKAGE", copy)


def assert_red(arena: Arena, name: str, folder: pathlib.Path) -> None:
    """The attack that comes to nothing otherwise must be noticed, now that the grader is weak."""
    _, ground, _ = arena
    engine = ENGINES[arena[0].name]()
    assert engine.problem() is None
    engine.prepare(lambda step: None)
    [attack] = [attack for attack in ATTACKS if attack.name == name]
    with engine.slot() as slot, pytest.raises(AssertionError) as noticed:
        check(attack, ground, engine, slot, folder / "submission")
    assert "passed" in str(noticed.value).lower() or "canary" in str(noticed.value).lower()


def test_hidden_tests_in_the_box_are_noticed(
    arena: Arena, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = grading.fixed_files
    monkeypatch.setattr(
        grading, "fixed_files", lambda kata: {**ordinary(kata), **kata.hidden_tests}
    )
    assert_red(arena, "steal-canary-on-disk", tmp_path)


def test_a_network_left_on_is_noticed(
    arena: Arena, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge, and with it the box, gets the host's network instead of one of its own."""
    container, spawn = docker.DockerEngine._container, local.spawn

    def on_the_host(*arguments: Any, **options: Any) -> Any:
        return container(*("host" if a == "none" else a for a in arguments), **options)

    def without_wall(argv: list[str], *rest: Any, **options: Any) -> Any:
        return spawn([word for word in argv if word != "--unshare-net"], *rest, **options)

    monkeypatch.setattr(docker.DockerEngine, "_container", on_the_host)
    monkeypatch.setattr(local, "spawn", without_wall)
    assert_red(arena, "steal-tcp-of-the-host", tmp_path)


def test_pickle_on_the_wire_is_noticed(
    arena: Arena, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = "import pickle\n    return msgpack.ExtType(_FRAME, pickle.dumps(value))\n    "
    refused = "    kind = type(value)\n    "
    edit = (f"{refused}raise", f"{refused}{allowed}raise")
    weaken(monkeypatch, tmp_path, {"wire.py": edit})
    path = tmp_path / "weak/grader/wire.py"
    path.write_text(path.read_text("utf-8").replace(
        "    value = _decode(content, depth)\n",
        "    if code == _FRAME:\n        import pickle\n        return pickle.loads(content)\n"
        "    value = _decode(content, depth)\n", 1,
    ))  # fmt: skip
    assert_red(arena, "subvert-equal-by-pickle", tmp_path)


def test_missing_behaviours_counted_as_passed_are_noticed(
    arena: Arena, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in graders that count failures: a process that is gone tells of none."""
    told = "        self._report({"
    silent = (
        "        if self._worst['outcome'] is not Outcome.PASSED:\n            return finished\n"
    )
    weaken(monkeypatch, tmp_path, {"judge/plugin.py": (told, silent + told)})
    ordinary = grading._result

    def lenient(behaviour: Any, reports: list[Any], watch: Any) -> Any:
        result = ordinary(behaviour, reports, watch)
        return result if reports else dataclasses.replace(
            result, outcome=Outcome.PASSED, cause=None, finding=None)  # fmt: skip

    monkeypatch.setattr(grading, "_result", lenient)
    assert_red(arena, "forge-exit-before-any-answer", tmp_path)
