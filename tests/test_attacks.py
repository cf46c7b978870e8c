"""The attack suite: `nox -s tests` runs the fast ones, `nox -s attacks` all of them."""

import collections
import dataclasses
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from grader import grading
from grader.catalog import Kata
from grader.engines import ENGINES, docker, image, local
from grader.engines.base import Engine, Slot
from grader.engines.process import ProcessEngine
from grader.submission import Submission
from grader.verdict import Outcome
from tests.attacking import (
    CLASSES,
    Attack,
    Ground,
    ReplacingSlot,
    attacks,
    carry_out,
    check,
    refuse_unlimited,
    replacing_slot,
)
from tests.conftest import ISOLATING, ROOT, engine_or_skip
from tests.gradings import RIGHT

ATTACKS = attacks()
Arena = tuple[Engine, Ground, ReplacingSlot]


@pytest.fixture(scope="module", params=ISOLATING)
def arena(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    engine = engine_or_skip(request.param)
    with Ground(tmp_path_factory.mktemp("ground")) as ground, replacing_slot(engine) as slot:
        with slot.use() as first:
            refuse_unlimited(ground, engine, first)
        yield engine, ground, slot


@pytest.mark.parametrize(
    "attack",
    [pytest.param(attack, id=attack.name, marks=() if attack.fast else pytest.mark.attack)
     for attack in ATTACKS],
)  # fmt: skip
def test_attack(
    arena: Arena,
    attack: Attack,
    tmp_path: pathlib.Path,
    record_property: Callable[[str, object], None],
) -> None:
    engine, ground, slots = arena
    record_property("attack", [engine.name, attack.kind])
    with slots.use() as slot:
        check(attack, ground, engine, slot, tmp_path / "submission")


def test_every_class_is_represented() -> None:
    counts = collections.Counter(attack.kind for attack in ATTACKS)
    assert set(counts) == set(CLASSES)
    assert counts.total() >= 80


# --- do attacks start where they could do harm? -----------------------------------------------


def test_no_attack_starts_where_nothing_is_isolated(tmp_path: pathlib.Path) -> None:
    ground, engine, none = Ground(tmp_path / "ground"), ProcessEngine(), cast(Slot, None)
    with pytest.raises(AssertionError, match="only where the limits are in force"):
        refuse_unlimited(ground, engine, none)
    for start in (check, carry_out):
        with pytest.raises(AssertionError, match="only where the limits are in force"):
            start(ATTACKS[0], ground, engine, none, tmp_path / "submission")
    assert not (tmp_path / "submission").exists()


@pytest.mark.parametrize(
    ("edit", "missing"),
    [(("resource.setrlimit(kind, (soft, hard))", "pass"), "DATA"),
     (("            seccomp.shut()\n", "            pass\n"), "system calls")],
    ids=["no resource limits", "no filter"],
)  # fmt: skip
def test_no_attack_starts_where_limits_are_not_in_force(
    arena: Arena,
    edit: tuple[str, str],
    missing: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weaken(monkeypatch, tmp_path, {"box/supervisor.py": edit})
    _, ground, _ = arena
    engine = another(arena)
    with engine.slot() as slot, pytest.raises(AssertionError) as refused:
        refuse_unlimited(ground, engine, slot)
    assert "no attack is started" in str(refused.value)
    assert missing in str(refused.value)


def test_where_namespaces_are_refused_boxes_are_cold(
    arena: Arena, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, toy: Kata
) -> None:
    weaken(monkeypatch, tmp_path, {
        "box/zygote.py": ("kernel.new_network()", "raise OSError('refused')"),
    })  # fmt: skip
    engine = another(arena)
    task = grading.Task(toy, Submission({"adder.py": RIGHT.encode()}), 7)
    with engine.slot() as slot:
        with grading.boxes(task, slot) as box:
            assert box.zygote is None
        assert grading.grade(task, engine, slot).outcome is Outcome.PASSED


# --- would the suite notice? ------------------------------------------------------------------


def another(arena: Arena) -> Engine:
    """An engine of the same kind, prepared from the package as it is by now."""
    engine = ENGINES[arena[0].name]()
    assert engine.problem() is None
    engine.prepare(lambda step: None)
    return engine


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
    engine = another(arena)
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
    """Judge and boxes get the host's network instead of one of their own."""
    weaken(monkeypatch, tmp_path, {
        "judge/box.py": ("kernel.new_network()", "kernel.new_namespaces(0)"),
        "kernel.py": ("    _check(_libc().setns(network, _NEW_NETWORK))\n", ""),
    })  # fmt: skip
    container, spawn = docker.DockerEngine._container, local.spawn

    def on_the_host(*arguments: Any, **options: Any) -> Any:
        changed: list[Any] = ["host" if each == "none" else each for each in arguments]
        return container(*changed, **options)

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
