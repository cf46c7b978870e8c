"""The attack suite: `nox -s tests` runs the fast ones, `nox -s attacks` all of them."""

import pathlib
from collections.abc import Iterator

import pytest

from grader.engines.base import Engine
from tests.attacking import Attack, Ground, ReplacingSlot, attacks, check, replacing_slot
from tests.conftest import ISOLATING, engine_or_skip

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
