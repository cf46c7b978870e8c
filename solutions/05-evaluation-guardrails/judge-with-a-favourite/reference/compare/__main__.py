"""``python -m compare``: which of two systems answers better? A judge says, in both orders."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from compare.cache import Cache
from compare.items import BadItems, load
from compare.judge import Judge
from compare.orders import ask_both
from compare.prompt import RUBRIC
from compare.report import summarise

ABREAST = 8


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__)
    parser.add_argument("--items", required=True, help="JSON Lines: id, question, answers")
    parser.add_argument("--baseline", required=True, help="name of the system in production")
    parser.add_argument("--candidate", required=True, help="name of the system that wants in")
    parser.add_argument("--out", required=True, help="where the report goes (JSON)")
    parser.add_argument("--cache", help="folder for verdicts, so that nothing is paid twice")
    parser.add_argument("--rubric", help="text file: what the judge shall look at")
    options = parser.parse_args(argv)

    rubric = Path(options.rubric).read_text(encoding="utf-8") if options.rubric else RUBRIC
    try:
        items = load(options.items, options.baseline, options.candidate)
    except BadItems as bad:
        print(f"compare: {options.items}: {bad}", file=sys.stderr)
        return 2

    with Cache(options.cache) as cache, ThreadPoolExecutor(ABREAST) as pool:
        judge = Judge(os.environ["JUDGE_MODEL"], rubric, cache)
        pairs = list(pool.map(partial(ask_both, judge), items))

    report = summarise(items, pairs)
    report["from_cache"] = judge.from_cache
    Path(options.out).write_text(json.dumps(report) + "\n")
    rate = report["win_rate"]
    shown = "no win rate" if rate is None else f"win rate {rate:.3f}"
    print(f"{shown}, {report['scored']} of {report['items']} scored: {report['decision']}")
    return 0 if report["scored"] else 3


if __name__ == "__main__":
    sys.exit(main())
