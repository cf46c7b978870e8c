"""The nightly job: ``python -m feedback --log F --people F --now T --out D``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from feedback import files, inputs, opinions, signals, training


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m feedback", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="events, one JSON object a line")
    parser.add_argument("--people", type=Path, required=True, help="CSV of the accounts")
    parser.add_argument("--now", required=True, help="later events are left out")
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    options = parser.parse_args(argv)

    try:
        now = inputs.moment(options.now)
        people = inputs.read_people(options.people)
        log = inputs.read_log(options.log, now, people)
    except inputs.Refused as refusal:
        print(f"feedback: {refusal}", file=sys.stderr)
        return 2

    votes, rejected = opinions.standing_votes(log)
    held = opinions.held(log, votes)
    brigades = signals.brigades(held, people)
    held = [each for each in held if each.person not in brigades.get(each.card, ())]
    scores = opinions.scores(held)

    files.replace(
        options.out,
        {
            "scores.csv": files.csv_text(scores),
            "training.jsonl": files.json_lines(training.rows(held, log, people)),
            "report.json": files.json_text(
                {
                    "rejected_votes": rejected,
                    "damaged_lines": log.damaged,
                    "flagged": [
                        {"answer": answer, "model": model, "people": sorted(members)}
                        for (answer, model), members in sorted(brigades.items())
                    ],
                    "alarms": signals.alarms(scores, log),
                }
            ),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
