"""One call to the judge, tried again while it fails."""

from __future__ import annotations

import time
from typing import Any

import openai

TRIES = 3


class Client:
    def __init__(self) -> None:
        # One layer retries, and it is ours.
        self._openai = openai.OpenAI(max_retries=0, timeout=120)

    def send(self, request: dict[str, Any]) -> Any:
        for tries in range(1, TRIES):
            try:
                return self._openai.chat.completions.create(**request)
            except openai.APIError as error:
                time.sleep(pause(error, tries))
        return self._openai.chat.completions.create(**request)


def pause(error: openai.APIError, tries: int) -> float:
    """Seconds until the next try: what the server asks for, else longer each time."""
    response = getattr(error, "response", None)
    try:
        return min(60.0, float(response.headers["retry-after"]))
    except (AttributeError, KeyError, ValueError):
        return float(tries)
