"""``python -m compare``: which of two systems answers better? A judge model says."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from compare.cache import Cache
from compare.items import load
from compare.judge import RUBRIC, Judge
from compare.report import summarise


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__)
    parser.add_argument("--items", required=True, help="JSON Lines: id, question, answers")
    parser.add_argument("--baseline", required=True, help="name of the system in production")
    parser.add_argument("--candidate", required=True, help="name of the system that wants in")
    parser.add_argument("--out", required=True, help="where the report goes (JSON)")
    parser.add_argument("--cache", help="folder for verdicts, so that nothing is paid twice")
    parser.add_argument("--rubric", help="text file: what the judge shall look at")
    options = parser.parse_args(argv)

    rubric = RUBRIC
    if options.rubric:
        with open(options.rubric, encoding="utf-8") as stream:
            rubric = stream.read()

    items = load(options.items)
    judge = Judge(os.environ["JUDGE_MODEL"], rubric)
    cache = Cache(options.cache)

    outcomes = []
    for item in items:
        winner = cache.get(item["id"])
        if winner is None:
            winner = judge.compare(item, options.baseline, options.candidate)
            cache.put(item["id"], winner)
        outcomes.append(winner)
        if len(outcomes) % 50 == 0:
            print(f"{len(outcomes)} of {len(items)}", file=sys.stderr)
    cache.save()

    report = summarise(items, outcomes)
    with open(options.out, "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)
    print(f"win rate {report['win_rate']:.2f}, decision: {report['decision']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
