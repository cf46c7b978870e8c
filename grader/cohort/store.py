"""What a cohort keeps: hand-ins, gradings, trouble, rulings, in one SQL database.

SQLite or PostgreSQL, through SQLAlchemy; ids of learners only, never a name or an e-mail address;
times in UTC. Every write is one transaction: what is there is whole.
"""

import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import json
import secrets
import sys
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from grader import wire
from grader.cohort import database
from grader.cohort.records import (
    FACT,
    GRADING,
    HAND_IN,
    RULING,
    RUN,
    SUBMISSION,
    TROUBLE,
    Grading,
    HandIn,
    Ruling,
    Run,
    Trouble,
    grading_row,
    metadata,
)
from grader.errors import GraderError
from grader.submission import Submission

_NAMES = [field.name for field in dataclasses.fields(Grading)]
_FAILING = _NAMES.index("failing")
_SHARED = slice(_NAMES.index("kata"), _NAMES.index("seed"))


class StoreTrouble(GraderError):
    """The database is gone, full or not to be written. What was committed is safe."""


class Store:
    """One cohort's database. Methods raise `StoreTrouble` when it is gone, full or locked."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._together: sa.Connection | None = None
        self.name = engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str | sa.URL) -> Self:
        """Opens a store by URL, and makes or brings it up to date first."""
        store = cls(database.connect(url))
        try:
            with store._write() as connection:
                database.migrate(connection, store.name)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Submissions and hand-ins

    def add_hand_in(self, hand_in: HandIn, submission: Submission | None = None) -> bool:
        """Keeps a hand-in with its content; False if nothing is new.

        New is neither the very same hand-in, nor what the learner's latest one already is.
        """
        row = {**_as_row(hand_in), "id": hand_in.id}
        with self._write() as connection:
            of_learner = (HAND_IN.c.learner == hand_in.learner, HAND_IN.c.kata == hand_in.kata)
            latest = connection.execute(
                sa.select(HAND_IN.c.submission, HAND_IN.c.refusal)
                .where(*of_learner, HAND_IN.c.at <= hand_in.at)
                .order_by(HAND_IN.c.at.desc(), HAND_IN.c.collected.desc())
                .limit(1)
            ).first()
            if latest is not None and tuple(latest) == (row["submission"], row["refusal"]):
                return False
            if submission is not None:
                content = wire.encode(dict(submission.files))
                self._insert(connection, SUBMISSION, {
                    "kata": hand_in.kata, "hash": submission.hash, "size": len(content),
                    "content": zlib.compress(content, 9),
                })  # fmt: skip
            return self._insert(connection, HAND_IN, row)

    def hand_ins(
        self, learners: Collection[str] | None = None, katas: Collection[str] | None = None
    ) -> list[HandIn]:
        """Hand-ins of these learners and katas (full names), oldest first."""
        columns = [HAND_IN.c[field.name] for field in dataclasses.fields(HandIn)]
        query = sa.select(*columns).order_by(HAND_IN.c.at, HAND_IN.c.collected, HAND_IN.c.id)
        query = _among(_among(query, HAND_IN.c.learner, learners), HAND_IN.c.kata, katas)
        with self._read() as connection:
            return [HandIn(*row) for row in connection.execute(query).all()]

    def learners(self) -> set[str]:
        """Ids of all of whom something is kept, in the roster or not."""
        query = sa.union(sa.select(HAND_IN.c.learner), sa.select(RULING.c.learner))
        with self._read() as connection:
            return set(connection.execute(query).scalars())

    def submission(self, kata: str, hash: str) -> Submission:
        """The content of a submission. Raises `KeyError` if it is not kept (any more)."""
        query = sa.select(SUBMISSION.c.content).where(
            SUBMISSION.c.kata == kata, SUBMISSION.c.hash == hash
        )
        with self._read() as connection:
            content = connection.execute(query).scalar()
        if content is None:
            raise KeyError(hash)
        return Submission(wire.decode(zlib.decompress(content)))

    # Gradings

    def add_grading(self, verdict: Mapping[str, Any], at: dt.datetime) -> bool:
        """Keeps a verdict (as `Verdict.as_json` gives it).

        False if there is one already, or nobody's hand-in is left that it could be about.
        """
        row = grading_row(verdict, at)
        key = row["key"]
        # Locked, so that nobody forgets its learner meanwhile.
        handed_in = sa.select(HAND_IN.c.id).with_for_update(read=True).limit(1).where(
            HAND_IN.c.kata == row["kata"], HAND_IN.c.submission == row["submission"]
        )  # fmt: skip
        with self._write() as connection:
            if connection.execute(handed_in).first() is None:
                return False
            new = self._insert(connection, GRADING, row)
            connection.execute(TROUBLE.update().where(TROUBLE.c.key == key).values(parked=False))
            if new:
                self._insert(connection, FACT, {"name": _applied(row["kata"]),
                                                 "value": row["edition"]})  # fmt: skip
            return new

    def has_grading(self, key: str) -> bool:
        with self._read() as connection:
            query = sa.select(sa.literal(1)).where(GRADING.c.key == key)
            return connection.execute(query).first() is not None

    def graded(self, editions: Collection[str]) -> set[tuple[str, str]]:
        """Kata and submission of all gradings under these editions (their ids)."""
        query = _among(sa.select(GRADING.c.kata, GRADING.c.submission), GRADING.c.edition, editions)
        with self._read() as connection:
            return set(map(tuple, connection.execute(query).all()))

    def gradings(
        self,
        katas: Collection[str] | None = None,
        editions: Collection[str] | None = None,
        learners: Collection[str] | None = None,
    ) -> list[Grading]:
        """Gradings of these katas under these editions (their ids), oldest first.

        With `learners`, those of what these have handed in.
        """
        columns = [GRADING.c[field.name] for field in dataclasses.fields(Grading)]
        query = sa.select(*columns).order_by(GRADING.c.at, GRADING.c.key)
        query = _among(_among(query, GRADING.c.kata, katas), GRADING.c.edition, editions)
        if learners is not None:
            theirs = _among(sa.select(HAND_IN.c.kata, HAND_IN.c.submission), HAND_IN.c.learner,
                            learners)  # fmt: skip
            query = query.where(sa.tuple_(GRADING.c.kata, GRADING.c.submission).in_(theirs))
        with self._read() as connection:
            return [_to_grading(row) for row in connection.execute(query).all()]

    def possible(self, kata: str, edition: str | None) -> int | None:
        """The points that could be had under an edition (its id); None if nothing was graded."""
        query = sa.select(GRADING.c.possible).where(
            GRADING.c.kata == kata, GRADING.c.edition == edition
        )
        with self._read() as connection:
            found: int | None = connection.execute(query.limit(1)).scalar()
            return found

    def verdict(self, key: str) -> dict[str, Any]:
        """The whole verdict of a grading."""
        with self._read() as connection:
            query = sa.select(GRADING.c.verdict).where(GRADING.c.key == key)
            document: dict[str, Any] = json.loads(connection.execute(query).scalar_one())
            return document

    def verdict_texts(self) -> Iterator[tuple[str, str, str, dt.datetime, str]]:
        """Key, kata, submission, time and verdict (JSON, one line) of every grading, unordered.

        A few are in memory at a time.
        """
        columns = (getattr(GRADING.c, name) for name in ("key", "kata", "submission", "at"))
        query = sa.select(*columns, GRADING.c.verdict)
        with self._read() as connection:
            streaming = connection.execution_options(yield_per=1000)
            for rows in streaming.execute(query).partitions():
                yield from map(tuple, rows)

    def with_cause(self, kata: str, cause: str) -> set[str]:
        """The submissions (hashes) of which some verdict names this cause."""
        # Within a text of the verdict the quotes would be escaped.
        sign = f'"cause":{json.dumps(cause)}'
        query = sa.select(GRADING.c.submission).where(
            GRADING.c.kata == kata, GRADING.c.verdict.contains(sign, autoescape=True)
        )
        with self._read() as connection:
            return set(connection.execute(query).scalars())

    def applied(self, kata: str) -> str | None:
        """The id of the edition whose gradings count for a kata; the first one until changed."""
        return self.fact(_applied(kata))

    def apply(self, kata: str, edition: str) -> None:
        """From now on the gradings under this edition (its id) count."""
        self.set_fact(_applied(kata), edition)

    # Trouble

    def note_trouble(
        self, key: str, submission: str, kata: str, message: str, at: dt.datetime, *, most: int
    ) -> Trouble:
        """Counts one more try that ended in trouble; the `most`-th parks the grading."""
        row = {"key": key, "submission": submission, "kata": kata, "tries": 0,
               "message": _text(message), "at": at, "parked": False}  # fmt: skip
        with self._write() as connection:
            self._insert(connection, TROUBLE, row)
            tries = TROUBLE.c.tries + 1
            mine = TROUBLE.c.key == key
            connection.execute(
                TROUBLE.update().where(mine)
                .values(tries=tries, parked=tries >= most, message=row["message"], at=at)
            )  # fmt: skip
            return Trouble(*connection.execute(sa.select(TROUBLE).where(mine)).one())

    def troubles(self) -> list[Trouble]:
        """All trouble there has been, oldest first, with that which came right later."""
        with self._read() as connection:
            query = sa.select(TROUBLE).order_by(TROUBLE.c.at, TROUBLE.c.key)
            return [Trouble(*row) for row in connection.execute(query)]

    def unpark(self, katas: Collection[str]) -> None:
        """Lets what is parked of these katas be tried anew, with all its tries."""
        parked = TROUBLE.update().where(TROUBLE.c.parked, TROUBLE.c.kata.in_(katas))
        with self._write() as connection:
            connection.execute(parked.values(parked=False, tries=0))

    # Rulings

    def add_ruling(self, ruling: Ruling) -> int:
        """Appends a ruling and returns its number."""
        row = _as_row(ruling)
        del row["id"]
        with self._write() as connection:
            result = connection.execute(RULING.insert().values(row).returning(RULING.c.id))
            return int(result.scalar_one())

    def rulings(
        self, learners: Collection[str] | None = None, katas: Collection[str] | None = None
    ) -> list[Ruling]:
        """Rulings in the order in which they were given."""
        columns = [RULING.c[field.name] for field in dataclasses.fields(Ruling)]
        query = sa.select(*columns).order_by(RULING.c.id)
        query = _among(_among(query, RULING.c.learner, learners), RULING.c.kata, katas)
        with self._read() as connection:
            return [Ruling(*row) for row in connection.execute(query)]

    # Runs of the grader

    def begin_run(self, engine: str, slots: int, due: int, at: dt.datetime) -> int:
        row = {"begun": at, "seen": at, "engine": engine, "slots": slots, "due": due,
               "graded": 0, "troubles": 0}  # fmt: skip
        with self._write() as connection:
            result = connection.execute(RUN.insert().values(row).returning(RUN.c.id))
            return int(result.scalar_one())

    def note_run(
        self, id: int, graded: int, troubles: int, at: dt.datetime, *, ended: bool = False
    ) -> None:
        """A sign of life, or the end of a run in good order."""
        values = {"graded": graded, "troubles": troubles, "seen": at}
        if ended:
            values["ended"] = at
        with self._write() as connection:
            connection.execute(RUN.update().where(RUN.c.id == id).values(values))

    def runs(self) -> list[Run]:
        with self._read() as connection:
            return [Run(*row) for row in connection.execute(sa.select(RUN).order_by(RUN.c.id))]

    def pulse(self) -> tuple[Any, ...]:
        """What differs whenever anything that a report tells of has changed; quick to ask."""
        counts = [
            sa.select(sa.func.count()).select_from(table).scalar_subquery()
            for table in (HAND_IN, GRADING, RULING, FACT)
        ]
        latest = [sa.select(sa.func.max(column)).scalar_subquery()
                  for column in (RUN.c.id, RUN.c.seen, TROUBLE.c.at)]  # fmt: skip
        parked = sa.select(sa.func.count()).where(TROUBLE.c.parked).scalar_subquery()
        told = FACT.c.name.startswith("hints:")
        hints = sa.select(sa.func.sum(sa.cast(FACT.c.value, sa.Integer))).where(told)
        applied = sa.select(FACT.c.value).where(FACT.c.name.startswith(_applied("")))
        with self._read() as connection:
            row = tuple(
                connection.execute(
                    sa.select(*counts, *latest, parked, hints.scalar_subquery())
                ).one()
            )
            return row + tuple(sorted(connection.execute(applied).scalars()))

    # Hints that learners share

    def note_hints(self, learner: str, kata: str, count: int) -> None:
        """How many hints a learner has asked for, as they tell."""
        self.set_fact(f"hints:{kata}:{learner}", str(count))

    def hints(self) -> dict[tuple[str, str], int]:
        """Hints by learner and kata, where they are told."""
        query = sa.select(FACT.c.name, FACT.c.value).where(FACT.c.name.startswith("hints:"))
        with self._read() as connection:
            found = [(*name.split(":", 2)[1:], value) for name, value in connection.execute(query)]
        return {(learner, kata): int(value) for kata, learner, value in found}

    # Facts

    def fact(self, name: str) -> str | None:
        with self._read() as connection:
            query = sa.select(FACT.c.value).where(FACT.c.name == name)
            value: str | None = connection.execute(query).scalar()
            return value

    def set_fact(self, name: str, value: str) -> None:
        with self._write() as connection:
            if not self._insert(connection, FACT, {"name": name, "value": value}):
                connection.execute(FACT.update().where(FACT.c.name == name).values(value=value))

    def seed(self, key: str) -> int:
        """The seed of a grading by its key: the same on every try, and nobody can foresee it."""
        drawn = hashlib.sha256(f"{self._secret} {key}".encode()).digest()
        return int.from_bytes(drawn[:4], "big") >> 1

    def pseudonym(self, learner: str) -> str:
        """A name for a learner (id) that stays the same, and that nobody outside can undo."""
        drawn = hashlib.sha256(f"{self._secret} name {learner}".encode())
        return f"learner-{drawn.hexdigest()[:10]}"

    @functools.cached_property
    def _secret(self) -> str:
        secret = self.fact("secret")
        if secret is None:
            with self._write() as connection:
                self._insert(connection, FACT,
                             {"name": "secret", "value": secrets.token_hex(32)})  # fmt: skip
            secret = self.fact("secret")
        assert secret is not None
        return secret

    # Privacy

    def forget(self, learner: str) -> dict[str, int]:
        """Deletes a learner (by id) with all that is only theirs; rows deleted by table.

        What another learner handed in with the same bytes stays theirs.
        """
        gone: dict[str, int] = {}
        with self._write() as connection:
            for table in (HAND_IN, RULING):
                result = connection.execute(table.delete().where(table.c.learner == learner))
                gone[table.name] = result.rowcount
            # Facts about one learner end with their id.
            mine = FACT.c.name.endswith(f":{learner}", autoescape=True)
            kinds = sa.or_(FACT.c.name.startswith("look:"), FACT.c.name.startswith("hints:"))
            connection.execute(FACT.delete().where(mine, kinds))
            for table in (GRADING, TROUBLE, SUBMISSION):
                hash = table.c.hash if table is SUBMISSION else table.c.submission
                owned = sa.exists().where(
                    HAND_IN.c.kata == table.c.kata, HAND_IN.c.submission == hash
                )
                gone[table.name] = connection.execute(table.delete().where(~owned)).rowcount
        self._compact()
        return gone

    def _compact(self) -> None:
        """Writes over what was deleted, also in the log that leads there."""
        if self._engine.dialect.name == "sqlite":
            # Deleted rows were overwritten at once (secure_delete). In place of a transaction.
            options, commands = {"kata_begin": "PRAGMA wal_checkpoint(TRUNCATE)"}, []
        else:
            options = {"isolation_level": "AUTOCOMMIT"}
            commands = [f"VACUUM FULL {table.name}" for table in metadata.sorted_tables]
        with self._told(), self._engine.execution_options(**options).begin() as connection:
            for command in commands:
                connection.exec_driver_sql(command)

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """All that is kept, row by row: where it stands, and everything in it as text."""
        with self._read() as connection:
            for table in metadata.sorted_tables:
                streaming = connection.execution_options(yield_per=500)
                for row in streaming.execute(sa.select(table)):
                    values = dict(row._mapping)
                    where = " ".join(str(values[column.name]) for column in table.primary_key)
                    if table is SUBMISSION:
                        values["content"] = zlib.decompress(values["content"])
                    parts = [value if isinstance(value, bytes) else str(value).encode()
                             for value in values.values()]  # fmt: skip
                    yield f"{table.name} {where}", b"\n".join(parts)

    # The database below

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written within is one transaction: quick for many, all of it or nothing.

        For one thread; others wait or write elsewhere.
        """
        with self._write() as connection:
            self._together = connection
            try:
                yield
            finally:
                self._together = None

    def _insert(self, connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
        """Inserts a row unless its primary key is there; whether it did."""
        kind = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = kind.insert(table).values(row).on_conflict_do_nothing()
        inserted = connection.execute(statement.returning(*table.primary_key.columns))
        return inserted.first() is not None

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        if self._together is not None:
            yield self._together
            return
        with self._told(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end."""
        if self._together is not None:
            yield self._together
            return
        writing = self._engine.execution_options(**database.TO_WRITE)
        with self._told(), writing.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what a database may raise into words."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise StoreTrouble(self._explain(error)) from error

    def _explain(self, error: sa.exc.SQLAlchemyError) -> str:
        kept = "what was graded is kept, and the same command goes on from there"
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        if "disk is full" in said or "No space left" in said:
            return f"there is no room left for {self.name}; make room: {kept}"
        if "database is locked" in said:
            held = f"{self.name} has been locked for {database.BUSY_SECONDS} s by somebody else"
            return f"{held}; {kept}"
        if "readonly" in said or "unable to open" in said or "disk I/O" in said:
            return f"{self.name} cannot be written ({said}); mend that: {kept}"
        if getattr(error, "connection_invalidated", False) or "Is the server running" in said:
            return f"{self.name} does not answer ({said}); start it: {kept}"
        return f"{self.name} is trouble ({said}); {kept}"


def _among(
    query: sa.Select[Any], column: sa.Column[Any], values: Collection[str] | None
) -> sa.Select[Any]:
    return query if values is None else query.where(column.in_(list(values)))


def _as_row(record: Any) -> dict[str, Any]:
    row = dataclasses.asdict(record)
    return {key: _text(value) if isinstance(value, str) else value for key, value in row.items()}


def _to_grading(row: Sequence[Any]) -> Grading:
    # By position, because reports read 100,000 of them; what they have in common is kept once.
    values = list(row)
    values[_SHARED] = map(sys.intern, values[_SHARED])
    values[_FAILING] = tuple(values[_FAILING].split())
    return Grading(*values)


def _applied(kata: str) -> str:
    return f"applied:{kata}"


def _text(value: str) -> str:
    """As every database can hold it."""
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
