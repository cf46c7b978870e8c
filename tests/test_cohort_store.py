"""What a cohort keeps, on SQLite and on a real PostgreSQL alike."""

import dataclasses
import datetime as dt
import json
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import alembic.autogenerate
import alembic.migration
import pytest
import sqlalchemy as sa

from grader.cohort import database, records
from grader.cohort.records import Edition, HandIn, Ruling
from grader.cohort.store import Store, StoreTrouble
from grader.errors import UsageError
from grader.submission import Submission
from tests import postgres

NOON = dt.datetime(2026, 10, 25, 12, tzinfo=dt.UTC)
KATA = "01-toy/adder"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    with postgres.server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cohort.sqlite'}"
    server: postgres.Server = request.getfixturevalue("postgresql")
    return server.database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def work(text: str) -> Submission:
    return Submission({"adder.py": text.encode(), "more/bytes.py": b"\x00\xff\r\n"})


def hand_in(learner: str, submission: Submission | None, **changes: Any) -> HandIn:
    hash = submission.hash if submission else None
    record = HandIn(learner, KATA, hash, None, NOON, "folder", NOON)
    return dataclasses.replace(record, **changes)


def verdict(submission: Submission, **changes: Any) -> dict[str, Any]:
    return {
        "kata": {"name": KATA, "title": "The adder", "hash": "sha256:k1"},
        "submission": {"hash": submission.hash, "refusal": None},
        "engine": {"name": "bubblewrap", "isolated": True, "image": None},
        "grader": "1", "seed": 2**31 - 1, "outcome": "failed",
        "points": {"earned": 1, "possible": 3},
        "behaviours": [
            {"id": "adds", "outcome": "failed", "finding": {"observed": "a\0b \ud800 é"}},
            {"id": "keeps-a-total", "outcome": "passed", "finding": None},
        ],
        "seconds": 0.25,
        **changes,
    }  # fmt: skip


def have(store: Store, *texts: str) -> None:
    """Somebody has handed these in."""
    for text in texts:
        assert store.add_hand_in(hand_in("zoe", work(text)), work(text))


def test_a_hand_in_is_kept_with_its_content(store: Store) -> None:
    assert store.add_hand_in(hand_in("a1", work("x")), work("x"))
    assert store.hand_ins() == [hand_in("a1", work("x"))]
    assert store.submission(KATA, work("x").hash) == work("x")


def test_the_same_twice_is_one(store: Store) -> None:
    later = NOON + dt.timedelta(hours=1)
    assert store.add_hand_in(hand_in("a1", work("x")), work("x"))
    assert not store.add_hand_in(hand_in("a1", work("x"), collected=later), work("x"))
    assert not store.add_hand_in(hand_in("a1", work("x"), at=later, source="git 1"), work("x"))
    assert store.add_hand_in(hand_in("a1", work("y"), at=later), work("y"))
    assert not store.add_hand_in(hand_in("a1", work("x"), collected=later), work("x"))
    assert store.add_hand_in(hand_in("b2", work("x")), work("x"))
    assert sorted(each.learner for each in store.hand_ins(katas=[KATA])) == ["a1", "a1", "b2"]


def test_a_learner_may_go_back_to_what_was(store: Store) -> None:
    for hour, text in enumerate("xyx"):
        moment = NOON + dt.timedelta(hours=hour)
        assert store.add_hand_in(hand_in("a1", work(text), at=moment), work(text))
    assert len(store.hand_ins(["a1"])) == 3


def test_a_refusal_is_kept_as_text_that_any_database_holds(store: Store) -> None:
    refused = hand_in("a1", None, refusal="the file name a\0\ud800.py is not UTF-8")
    assert store.add_hand_in(refused)
    assert not store.add_hand_in(refused)
    [kept] = store.hand_ins()
    assert kept.submission is None
    assert kept.refusal == "the file name a\\0\\ud800.py is not UTF-8"


def test_times_come_back_in_utc(store: Store) -> None:
    berlin = dt.timezone(dt.timedelta(hours=2))
    moment = dt.datetime(2026, 10, 25, 14, 0, 0, 123456, berlin)
    store.add_hand_in(hand_in("a1", work("x"), at=moment), work("x"))
    [kept] = store.hand_ins()
    assert (kept.at, kept.at.utcoffset()) == (moment, dt.timedelta(0))


def test_a_grading_is_kept_once(store: Store) -> None:
    have(store, "x")
    assert store.add_grading(verdict(work("x")), NOON)
    assert not store.add_grading(verdict(work("x"), outcome="passed"), NOON)
    [kept] = store.gradings()
    assert (kept.outcome, kept.points, kept.possible, kept.failing) == ("failed", 1, 3, ("adds",))
    assert kept.key == Edition("sha256:k1", "bubblewrap", "1").key(work("x").hash)
    assert store.has_grading(kept.key)
    assert store.verdict(kept.key) == verdict(work("x"))
    [told] = store.verdict_texts()
    assert told[:4] == (kept.key, KATA, work("x").hash, kept.at)
    assert json.loads(told[4]) == verdict(work("x"))
    assert store.graded([kept.edition]) == {(KATA, work("x").hash)}
    assert store.graded(["another"]) == set()
    assert (store.possible(KATA, kept.edition), store.possible(KATA, "another")) == (3, None)


def test_two_that_write_the_same_at_once_keep_one(store: Store, url: str) -> None:
    have(store, *map(str, range(20)))
    with Store.open(url) as other:
        results: list[bool] = []
        both = [
            threading.Thread(target=lambda s=each: results.extend(
                s.add_grading(verdict(work(str(n))), NOON) for n in range(20)))
            for each in (store, other)
        ]  # fmt: skip
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    assert len(results) == 40
    assert sum(results) == 20 == len(store.gradings())


def test_a_new_edition_is_graded_beside_the_old_one(store: Store) -> None:
    have(store, "x")
    store.add_grading(verdict(work("x")), NOON)
    first = store.applied(KATA)
    mended = {"name": KATA, "title": "The adder", "hash": "sha256:k2"}
    assert store.add_grading(verdict(work("x"), kata=mended), NOON)
    assert store.applied(KATA) == first
    second = Edition("sha256:k2", "bubblewrap", "1").id
    assert [each.kata_hash for each in store.gradings(editions=[second])] == ["sha256:k2"]
    store.apply(KATA, second)
    assert store.applied(KATA) == second


def test_trouble_is_counted_parked_and_tried_anew(store: Store) -> None:
    key = Edition("sha256:k1", "bubblewrap", "1").key(work("x").hash)

    def again() -> records.Trouble:
        return store.note_trouble(key, work("x").hash, KATA, "lost", NOON, most=3)

    assert [(t.tries, t.parked) for t in (again(), again(), again())] == [
        (1, False), (2, False), (3, True)]  # fmt: skip
    store.unpark(["another kata"])
    assert [t.parked for t in store.troubles()] == [True]
    store.unpark([KATA])
    assert [(t.tries, t.parked) for t in store.troubles()] == [(0, False)]
    store.note_trouble(key, work("x").hash, KATA, "lost", NOON, most=1)
    have(store, "x")
    store.add_grading(verdict(work("x")), NOON)
    assert [t.parked for t in store.troubles()] == [False]


def test_rulings_are_appended(store: Store) -> None:
    ruling = Ruling("a1", KATA, "adjustment", -0.5, "jo", "copied the README", NOON)
    given = [ruling, ruling, dataclasses.replace(ruling, kind="graded", points=None)]
    numbered = [dataclasses.replace(each, id=store.add_ruling(each)) for each in given]
    assert store.rulings(["a1"]) == numbered
    assert store.rulings(["b2"]) == []


def test_runs(store: Store) -> None:
    run = store.begin_run("docker", 4, 100, NOON)
    store.note_run(run, 10, 1, NOON + dt.timedelta(seconds=5))
    [kept] = store.runs()
    assert (kept.ended, kept.graded, kept.seen - kept.begun) == (None, 10, dt.timedelta(seconds=5))
    store.note_run(run, 100, 1, NOON + dt.timedelta(seconds=9), ended=True)
    assert store.runs()[0].ended == NOON + dt.timedelta(seconds=9)


def test_seeds_are_the_same_on_every_try_and_in_every_process(store: Store, url: str) -> None:
    with Store.open(url) as other:
        assert store.seed("k") == other.seed("k") == store.seed("k")
    assert len({store.seed(str(n)) for n in range(50)}) > 40
    assert all(0 <= store.seed(str(n)) < 2**31 for n in range(50))


def test_a_forgotten_learner_leaves_what_others_have_as_well(store: Store) -> None:
    for learner in ("a1", "b2"):
        store.add_hand_in(hand_in(learner, work("both")), work("both"))
    later = NOON + dt.timedelta(hours=1)
    store.add_hand_in(hand_in("a1", work("own"), at=later), work("own"))
    for text in ("both", "own"):
        store.add_grading(verdict(work(text)), NOON)
    store.add_ruling(Ruling("a1", KATA, "appeal", None, "a1", "why?", NOON))
    gone = store.forget("a1")
    assert gone == {"hand_in": 2, "ruling": 1, "grading": 1, "trouble": 0, "submission": 1}
    assert [each.submission for each in store.gradings()] == [work("both").hash]
    assert store.submission(KATA, work("both").hash) == work("both")
    assert store.forget("a1") == dict.fromkeys(gone, 0)
    # A grading that was at work meanwhile.
    assert not store.add_grading(verdict(work("own")), NOON)
    with pytest.raises(KeyError):
        store.submission(KATA, work("own").hash)


def test_what_is_forgotten_is_no_longer_in_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cohort.sqlite"
    with Store.open(f"sqlite:///{path}") as store:
        store.add_hand_in(hand_in("learner-4711", None, refusal="something odd"))
        store.forget("learner-4711")
        files = [each for each in tmp_path.iterdir() if b"learner-4711" in each.read_bytes()]
    assert path.is_file()
    assert files == []


def test_the_migrations_make_what_the_code_uses(url: str) -> None:
    Store.open(url).close()
    engine = database.connect(url)
    with engine.connect() as connection:
        context = alembic.migration.MigrationContext.configure(connection)
        assert alembic.autogenerate.compare_metadata(context, records.metadata) == []
    engine.dispose()


def test_many_may_open_a_new_store_at_once(url: str) -> None:
    problems: list[Exception] = []

    def open_it() -> None:
        try:
            Store.open(url).close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_hint_changes_the_pulse(store: Store) -> None:
    store.note_hints("a1", KATA, 1)
    before = store.pulse()
    assert store.pulse() == before
    store.note_hints("a1", KATA, 2)
    assert store.pulse() != before


def test_a_store_of_a_newer_version_is_left_alone(url: str) -> None:
    Store.open(url).close()
    engine = database.connect(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(UsageError, match="newer version"):
        Store.open(url)


def fill(store: Store) -> None:
    have(store, *map(str, range(50)))
    for number in range(50):
        store.add_grading(verdict(work(str(number)), padding="x" * 5000), NOON)


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: pathlib.Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'cohort.sqlite'}") as store:
        have(store, "x", "more")
        store.add_grading(verdict(work("x")), NOON)

        def limit(connection: sqlite3.Connection, pages: int) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        sa.event.listen(store._engine, "connect", lambda connection, _: limit(connection, 1))
        store._engine.dispose()
        with pytest.raises(StoreTrouble, match=r"no room left.*make room"):
            fill(store)
    with Store.open(f"sqlite:///{tmp_path / 'cohort.sqlite'}") as store:
        kept = store.gradings()
        assert work("x").hash in {each.submission for each in kept}
        assert all(store.verdict(each.key)["outcome"] == "failed" for each in kept)
        assert store.add_grading(verdict(work("more")), NOON)


def test_a_lost_server_is_told_and_loses_nothing() -> None:
    with postgres.server() as server, Store.open(server.database()) as store:
        have(store, "x", "y")
        store.add_grading(verdict(work("x")), NOON)
        server.stop()
        with pytest.raises(StoreTrouble, match=r"does not answer.*start it"):
            store.add_grading(verdict(work("y")), NOON)
        server.start()
        assert store.add_grading(verdict(work("y")), NOON)
        assert len(store.gradings()) == 2


@pytest.mark.parametrize(
    ("url", "told"),
    [("mysql://h/x", "not in mysql"), ("nonsense", "not understood"),
     ("postgresql://u:secret@localhost:1/x", "does not answer")],
)  # fmt: skip
def test_urls_that_lead_nowhere(url: str, told: str) -> None:
    with pytest.raises((UsageError, StoreTrouble), match=told) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)
