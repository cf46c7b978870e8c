"""A cohort's folder: cohort.toml, the roster and the store beside it."""

import datetime as dt
import functools
import pathlib
import tomllib
import zoneinfo
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import pydantic
import sqlalchemy as sa

from grader.catalog import Catalog, Kata
from grader.cohort.roster import ROSTER, Roster
from grader.cohort.store import Store
from grader.errors import UsageError

CONFIG = "cohort.toml"
_DATABASE = "cohort.sqlite"
_Text = Annotated[str, pydantic.Field(min_length=1)]


@functools.lru_cache(maxsize=1000)
def instant(local: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """A local time as UTC. If the clocks show it twice, or jump over it: the later reading."""
    return max(local.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))


def last_moment(due: dt.datetime, days: int, grace: dt.timedelta, zone: dt.tzinfo) -> dt.datetime:
    """Until when (UTC) a hand-in counts that was due at a local time, so many days late."""
    return instant(due + dt.timedelta(days=days), zone) + grace


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Late(_Model):
    """What a late hand-in costs. A day is begun, not full; none is accepted after the cut-off."""

    grace_minutes: Annotated[int, pydantic.Field(ge=0)] = 0
    percent_per_day: Annotated[float, pydantic.Field(ge=0, le=100)] = 0
    #: Days after the due time; 0 accepts nothing late.
    cut_off_days: Annotated[int, pydantic.Field(ge=0)] = 0


class Assigned(_Model):
    """A kata of the cohort. Times are local ones, in the cohort's time zone."""

    name: _Text
    due: dt.datetime
    weight: Annotated[float, pydantic.Field(ge=0)] = 1
    opens: dt.datetime | None = None

    @pydantic.field_validator("due", "opens", mode="before")
    @classmethod
    def _with_time(cls, value: Any) -> Any:
        # A date alone would be midnight at its start, a day before what is meant.
        if type(value) is dt.date or (isinstance(value, str) and len(value) <= 10):
            raise ValueError(f"write the time, too: {value}T23:59:00")
        return value

    @pydantic.field_validator("due", "opens")
    @classmethod
    def _local(cls, value: dt.datetime | None) -> dt.datetime | None:
        if value is not None and value.tzinfo is not None:
            raise ValueError("give the local time, without an offset; time_zone says where")
        return value


class Config(_Model):
    """cohort.toml."""

    name: _Text
    time_zone: str
    engine: Literal["auto", "docker", "bubblewrap", "process"] = "auto"
    feedback: Literal["full", "titles"] = "full"
    attempts: Literal["best", "last"] = "best"
    max_attempts: Annotated[int, pydantic.Field(ge=1)] | None = None
    #: SQLAlchemy's URL; without one a SQLite file in the cohort's folder.
    database: str | None = None
    late: Late = Late()
    katas: Annotated[list[Assigned], pydantic.Field(min_length=1)]

    @pydantic.field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'{value!r} is no time zone; write one like "Europe/Berlin"') from None
        return value

    @pydantic.model_validator(mode="after")
    def _times_exist(self) -> Self:
        for kata in self.katas:
            for time in filter(None, (kata.due, kata.opens)):
                there = self.utc(time).astimezone(self.zone).replace(tzinfo=None, fold=0)
                if there != time.replace(fold=0):
                    raise ValueError(
                        f"{kata.name}: {time} does not exist in {self.time_zone}: the clocks go "
                        "forward then; name a time before or after"
                    )
        return self

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def utc(self, local: dt.datetime) -> dt.datetime:
        """A local time in UTC; of an hour that comes twice in autumn, the later one."""
        return instant(local, self.zone)


class Cohort:
    """An open cohort: its settings, its roster, and the katas that it works on."""

    def __init__(self, folder: pathlib.Path, config: Config, catalog: Catalog) -> None:
        self.folder = folder
        self.config = config
        self.catalog = catalog
        #: By full name, in the order of cohort.toml.
        self.assigned: dict[str, Assigned] = {}
        for assigned in config.katas:
            try:
                name = catalog.get(assigned.name).name
            except UsageError as error:
                raise UsageError(f"{folder / CONFIG}: katas: {error}") from None
            if name in self.assigned:
                raise UsageError(f"{folder / CONFIG}: katas: {name} stands there twice; keep one")
            self.assigned[name] = assigned

    @classmethod
    def find(cls, start: pathlib.Path, catalog: Catalog) -> "Cohort":
        """The cohort in `start` or the nearest folder above. Raises `UsageError` with the fix."""
        for folder in (start.absolute(), *start.absolute().parents):
            if (folder / CONFIG).is_file():
                return cls(folder, _read(folder / CONFIG), catalog)
        raise UsageError(
            f"no {CONFIG} in {start} or above; go to a cohort's folder or name it with --cohort; "
            "kata cohort init DIR makes one"
        )

    @functools.cached_property
    def roster(self) -> Roster:
        """The learners. Raises `UsageError` that names every bad row."""
        return Roster.read(self.folder / ROSTER)

    @property
    def katas(self) -> list[Kata]:
        return [self.catalog.get(name) for name in self.assigned]

    def due(self, kata: str) -> dt.datetime:
        """When a kata (full name) is due, in UTC."""
        return self.config.utc(self.assigned[kata].due)

    def cut_off(self, kata: str) -> dt.datetime:
        """The last moment at which a hand-in of a kata (full name) counts at all, in UTC.

        Days are the calendar's, in the cohort's time zone: 23:59 stays 23:59 when clocks change.
        """
        late = self.config.late
        grace = dt.timedelta(minutes=late.grace_minutes)
        return last_moment(self.assigned[kata].due, late.cut_off_days, grace, self.config.zone)

    def chosen(self, names: Sequence[str]) -> list[Kata]:
        """Katas of this cohort by full or short name; all of them for no names."""
        katas = [self.catalog.get(name) for name in names] or self.katas
        for kata in katas:
            if kata.name not in self.assigned:
                raise UsageError(
                    f"{kata.name} is no kata of this cohort; add it to {self.folder / CONFIG}"
                )
        return list({kata.name: kata for kata in katas}.values())

    @property
    def database(self) -> str | sa.URL:
        """SQLAlchemy's URL of the store."""
        # Not as text: a folder's name may hold a question mark.
        file = sa.URL.create("sqlite", database=str(self.folder / _DATABASE))
        return self.config.database or file

    def store(self) -> Store:
        """The cohort's store, made or brought up to date first. Close it after use."""
        return Store.open(self.database)


def init(folder: pathlib.Path, catalog: Catalog, today: dt.date) -> list[pathlib.Path]:
    """Writes a cohort's folder, ready to be filled in; returns the files. Overwrites nothing."""
    due = today + dt.timedelta(days=14)
    katas = "".join(_KATA.format(name=kata.short_name, due=due) for kata in catalog.katas)
    files = {
        CONFIG: _CONFIG.format(name=folder.absolute().name, katas=katas),
        ROSTER: "id,name,email,source\n",
        ".gitignore": "# Names, work and marks of learners: none of it belongs into git.\n*\n",
    }
    for name in files:
        if (folder / name).exists() and name != ".gitignore":
            raise UsageError(f"{folder / name} is there already; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if not (folder / name).exists():
                (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None
    return [folder / CONFIG, folder / ROSTER]


def _read(path: pathlib.Path) -> Config:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    try:
        return Config.model_validate(document)
    except pydantic.ValidationError as error:
        raise UsageError("\n".join(_explain(path, problem) for problem in error.errors())) from None


def _explain(path: pathlib.Path, problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    where = f"{path}: {key}: " if key else f"{path}: "
    if problem["type"] == "extra_forbidden":
        return f"{where}there is no such key; remove it"
    if problem["type"] == "missing":
        return f"{where}is missing; add it"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return where + message[0].lower() + message[1:]


_CONFIG = """\
# A cohort of learners. `kata cohort --help` says what comes next.
name = "{name}"

# Due times are local to this zone, across the change of the clocks:
# a name like "Europe/Berlin" or "America/New_York".
time_zone = "UTC"

# "auto" takes docker or bubblewrap, whichever works.
engine = "auto"

# What learners read: "full", or "titles" for which behaviours hold and no more.
feedback = "full"

# Which hand-in counts, "best" or "last"; and at most how many do.
attempts = "best"
# max_attempts = 5

# Where everything is kept; without it, cohort.sqlite in this folder.
# A password belongs into ~/.pgpass rather than here.
# database = "postgresql://user@host/name"

[late]
grace_minutes = 15     # so late still counts as on time
percent_per_day = 10   # taken off for each day begun
cut_off_days = 7       # nothing counts later than this; 0: nothing late does

# Keep the katas that you hand out. Weights are relative to each other.
{katas}"""
_KATA = """
[[katas]]
name = "{name}"
due = {due}T23:59:00
weight = 1
"""
