"""What the judge may say, and how it is read from a reply."""

from __future__ import annotations

import json
from typing import Any

VERDICTS = ("A", "B", "tie")
UNPARSED, REFUSED, FAILED = "unparsed", "refused", "failed"  # why there is none

FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "comparison",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "reason": {"type": "string"},
                "verdict": {"type": "string", "enum": list(VERDICTS)},
            },
            "required": ["reason", "verdict"],
            "additionalProperties": False,
        },
    },
}


def read(completion: Any) -> str:
    """The verdict in a reply; UNPARSED or REFUSED when there is none."""
    if not completion.choices:
        return UNPARSED
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return REFUSED
    try:
        verdict = json.loads(choice.message.content)["verdict"]
    except (TypeError, ValueError, KeyError):
        return UNPARSED
    return verdict if isinstance(verdict, str) and verdict in VERDICTS else UNPARSED
