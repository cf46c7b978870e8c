"""A cohort's folder: cohort.toml, the roster and the store beside it."""

import datetime as dt
import difflib
import functools
import json
import pathlib
import re
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
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    def _with_time(cls, value: Any) -> dt.datetime:
        if isinstance(value, str):
            value = _date_or_time(value)
        if isinstance(value, dt.datetime):
            return value
        # A date alone would be midnight at its start, a day before what is meant.
        if isinstance(value, dt.date):
            raise ValueError(f"write the time, too: {value}T23:59:00")
        raise ValueError(
            f"{_shown(value)} is no date and time that exists; write year, month, day and time "
            "like 2026-11-22T23:59:00"
        )

    @pydantic.field_validator("due", "opens")
    @classmethod
    def _local(cls, value: dt.datetime | None) -> dt.datetime | None:
        if value is not None and value.tzinfo is not None:
            raise ValueError("give the local time, without an offset; time_zone says where")
        return value


def _date_or_time(text: str) -> dt.date | str:
    """What ISO 8601 makes of a text; the text itself where that is nothing."""
    for read in (dt.date.fromisoformat, dt.datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    return text


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
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: line {line}: not UTF-8; save it as UTF-8") from None
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {_not_toml(str(error), text)}") from None
    try:
        return Config.model_validate(document)
    except pydantic.ValidationError as error:
        lines = (f"{path}: {_explain(problem, document)}" for problem in error.errors())
        raise UsageError("\n".join(lines)) from None


def _not_toml(message: str, text: str) -> str:
    """What is wrong with which line, as tomllib tells it, with the line itself."""
    place = re.search(r" \(at line (\d+), column (\d+)\)", message)
    if not place:
        return f"is not TOML: {message}"
    number, column = map(int, place.groups())
    line = (text.split("\n")[number - 1 :] or [""])[0]
    if message.startswith("Invalid date"):
        value = line[column - 1 :].partition("#")[0].strip()
        return f"line {number}: there is no such date or time: {value}"
    return (
        f"line {number} is not TOML: {line.strip()} ({message[: place.start()]}); texts stand in "
        "quotes, times like 2026-11-22T23:59:00"
    )


#: What may stand there instead, by the kind of pydantic's error.
_INSTEAD = {
    "string_type": "text in quotes",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "greater_than_equal": "{ge:g} or more",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "model_type": "a section of its own: [late], or [[katas]] for each kata",
    "list_type": "[[katas]], with two brackets on each side, above each kata",
    "too_short": "at least one kata, below a line [[katas]]",
}
_SECTIONS: dict[str, tuple[type[_Model], str]] = {
    "": (Config, "above the first line in brackets"),
    "late": (Late, "below [late]"),
    "katas": (Assigned, "below a [[katas]]"),
}


def _explain(problem: Any, document: dict[str, Any]) -> str:
    """Which key, what stands there, and what to write instead."""
    loc, kind = problem["loc"], problem["type"]
    where = _where(loc, document)
    if kind == "extra_forbidden":
        return f"{where}there is no such key; {_other_key(loc)}"
    if kind == "missing":
        return f"{where}is missing; add it"
    if kind == "value_error":
        return f"{where}{problem['ctx']['error']}"
    if kind not in _INSTEAD:
        return f"{where}{_shown(problem['input'])} stands there: {problem['msg']}"
    instead = _INSTEAD[kind].format(**problem.get("ctx", {})).replace("'", '"')
    return f"{where}{_shown(problem['input'])} stands there; write {instead}"


def _where(loc: tuple[str | int, ...], document: dict[str, Any]) -> str:
    """As "late.cut_off_days: " or "katas: leaky-cv: due: "."""
    if len(loc) > 1 and isinstance(loc[1], int):
        kata = document["katas"][loc[1]]
        name = kata.get("name") if isinstance(kata, dict) else None
        named = name if name and isinstance(name, str) else f"number {loc[1] + 1}"
        return "".join(f"{part}: " for part in ("katas", named, *loc[2:]))
    return f"{'.'.join(map(str, loc))}: " if loc else ""


def _other_key(loc: tuple[str | int, ...]) -> str:
    """What to do about a key that is not known where it stands."""
    key, section = str(loc[-1]), str(loc[0]) if len(loc) > 1 else ""
    near = difflib.get_close_matches(key, _SECTIONS[section][0].model_fields, 1)
    if near:
        return f"did you mean {near[0]}?"
    for model, place in _SECTIONS.values():
        if key in model.model_fields:
            return f"it belongs {place}"
    return "remove it"


def _shown(value: Any) -> str:
    """A value as it stands in the file, or nearly."""
    return json.dumps(value, ensure_ascii=False, default=str)


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
