"""The database below a cohort's store: found by its URL, and brought up to date."""

from typing import Any

import alembic.command
import alembic.config
import alembic.script
import sqlalchemy as sa

from grader.errors import UsageError

#: SQLite waits so long for somebody else who writes.
BUSY_SECONDS = 60
#: Of a transaction that writes: SQLite lets a reader that turns into a writer fail at once.
TO_WRITE = {"kata_begin": "BEGIN IMMEDIATE"}
#: Any number, so long as all graders take the same.
_MIGRATION_LOCK = 4711


def connect(url: str | sa.URL) -> sa.Engine:
    """An engine for a database by its URL. Raises `UsageError`."""
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
            sa.event.listen(engine, "connect", _prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        if parsed.get_backend_name() == "postgresql":
            return sa.create_engine(parsed, pool_pre_ping=True)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise UsageError(f"the database's URL is not understood: {error}") from None
    raise UsageError(
        f"a cohort is kept in SQLite or PostgreSQL, not in {parsed.get_backend_name()}; write "
        'database = "postgresql://user@host/name", or nothing'
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver's own idea of transactions leaves out DDL and reads; ours is below.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("kata_begin", "BEGIN"))


def migrate(connection: sa.Connection, name: str) -> None:
    """Makes the tables, or brings them up to date. Raises `UsageError` for those of a newer grader.

    `name` is what the database is called in words.
    """
    config = alembic.config.Config()
    config.set_main_option("script_location", "grader.cohort:migrations")
    script = alembic.script.ScriptDirectory.from_config(config)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    found = None
    if sa.inspect(connection).has_table("alembic_version"):
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found == script.get_current_head():
        return
    if found is not None and found not in {each.revision for each in script.walk_revisions()}:
        raise UsageError(f"{name} was written by a newer version of the grader; update this one")
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
