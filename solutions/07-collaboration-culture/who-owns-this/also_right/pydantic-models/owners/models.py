"""The input files as pydantic models; what need not be sound in them stays a plain dict."""

from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, PositiveInt, TypeAdapter

Text = Annotated[str, BeforeValidator(lambda value: (value or "").strip())]
NOW = TypeAdapter(AwareDatetime)


class Person(BaseModel):
    active: bool


class Team(BaseModel):
    parent: str | None = None
    members: list[str] = []


class Rotation(BaseModel):
    time_zone: str
    starts: date
    hand_over: time
    days: PositiveInt
    people: list[str] = Field(min_length=1)

    def at(self, now: datetime) -> str | None:
        zone = ZoneInfo(self.time_zone)
        # Within one zone, subtraction compares what the clocks on the wall show.
        passed = now.astimezone(zone) - datetime.combine(self.starts, self.hand_over, zone)
        if passed < timedelta(0):
            return None
        return self.people[passed // timedelta(days=self.days) % len(self.people)]


class Org(BaseModel):
    people: dict[str, Person]
    teams: dict[str, Team]
    access: dict[str, str]
    rotations: dict[str, Any]

    @cached_property
    def names(self) -> dict[str, str]:
        return {name.lower(): name for name in (*self.people, *self.teams)}

    @cached_property
    def everybody(self) -> dict[str, set[str]]:
        """Team -> all its people: pushed upwards until nothing changes, so circles settle."""
        people = {name: set(team.members) for name, team in self.teams.items()}
        changed = True
        while changed:
            changed = False
            for name, team in self.teams.items():
                if team.parent in people and not people[name] <= people[team.parent]:
                    people[team.parent] |= people[name]
                    changed = True
        return people

    @cached_property
    def writers(self) -> set[str]:
        """All who may write: pushed downwards until nothing changes."""
        writers = {name for name, level in self.access.items()
                   if level in {"write", "maintain", "admin"}}
        before = -1
        while len(writers) != before:
            before = len(writers)
            for name, team in self.teams.items():
                if team.parent in writers and team.parent in self.teams:
                    writers.add(name)
        for name in writers & self.teams.keys():
            writers = writers | self.everybody[name]
        return writers

    def active(self, name: str) -> set[str]:
        people = self.everybody.get(name, {name})
        return {one for one in people if one in self.people and self.people[one].active}


class File(BaseModel):
    path: str
    previous: str | None = None


class Change(BaseModel):
    author: str
    files: list[File]


class Alert(BaseModel):
    id: str
    owner: Text = ""
    runbook: Text = ""


ALERTS = TypeAdapter(list[Alert])
