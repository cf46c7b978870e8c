"""The inputs as models. Errors never show what was in them."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError


class Model(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


class Body(Model):
    actions: Annotated[
        list[Literal["no-op", "create", "read", "update", "delete", "forget"]], Field(min_length=1)
    ]
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    after_unknown: Any = None
    before_sensitive: Any = None
    after_sensitive: Any = None


class Entry(Model):
    address: str
    mode: str
    type: str
    change: Body
    previous_address: str | None = None


class Resource(Model):
    mode: str = ""


class Module(Model):
    resources: list[Resource] = []
    child_modules: list["Module"] = []

    def managed(self) -> int:
        own = [resource for resource in self.resources if resource.mode == "managed"]
        return len(own) + sum(module.managed() for module in self.child_modules)


class Values(Model):
    root_module: Module = Module()


class State(Model):
    values: Values = Values()


class Plan(Model):
    format_version: Annotated[str, Field(pattern=r"^1\.\d+")]
    errored: Literal[False] = False
    resource_changes: list[Entry] = []
    prior_state: State = State()


class Policy(Model):
    stateful_types: list[str]
    disposable_modules: list[str]
    protections: dict[str, dict[str, Any]]
    minimum_managed: int
    max_changes: int
    approvers: list[str]


class Approval(Model):
    plan_sha256: str
    approver: str
    expires: Annotated[AwareDatetime, Field(strict=False)]


class Clock(Model):
    now: Annotated[AwareDatetime, Field(strict=False)]


class Refused(Exception):
    pass


M = TypeVar("M", bound=Model)


def load(model: type[M], path: Path) -> tuple[M, bytes]:
    try:
        content = path.read_bytes()
        return model.model_validate_json(content), content
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise Refused(f"{path}: {error}") from None


def clock(text: str) -> datetime:
    try:
        return Clock(now=text).now
    except ValidationError:
        raise Refused("--now is no time with an offset") from None
