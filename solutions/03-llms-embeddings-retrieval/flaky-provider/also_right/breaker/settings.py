"""Where the two providers are, from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ProviderSettings:
    url: str
    api_key: str = field(repr=False)
    model: str


@dataclass(frozen=True)
class Settings:
    primary: ProviderSettings
    backup: ProviderSettings


def load() -> Settings:
    return Settings(primary=_provider("PRIMARY"), backup=_provider("BACKUP"))


def _provider(prefix: str) -> ProviderSettings:
    return ProviderSettings(
        url=os.environ[f"{prefix}_URL"],
        api_key=os.environ[f"{prefix}_API_KEY"],
        model=os.environ[f"{prefix}_MODEL"],
    )
