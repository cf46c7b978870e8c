"""The nightly job: ``python -m feedback --log F --people F --now T --out D``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from feedback import export
from feedback.counters import count
from feedback.log import read_log, read_people


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m feedback", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="events, one JSON object a line")
    parser.add_argument("--people", type=Path, required=True, help="CSV of the accounts")
    parser.add_argument("--now", required=True, help="time of this export")
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    options = parser.parse_args(argv)

    people = read_people(options.people)
    tally = count(read_log(options.log))
    options.out.mkdir(parents=True, exist_ok=True)
    export.write_scores(options.out / "scores.csv", tally)
    export.append_training(options.out / "training.jsonl", tally, people)
    export.write_report(options.out / "report.json", tally)
    return 0


if __name__ == "__main__":
    sys.exit(main())
