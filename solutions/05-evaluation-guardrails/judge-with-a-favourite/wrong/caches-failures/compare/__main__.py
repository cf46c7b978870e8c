"""python -m compare: pairwise comparison of two systems by a judge model."""

import argparse
import hashlib
import json
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai

RUBRIC = "Prefer the answer that is correct and complete and says what to do next."
PROMPT = """\
You compare two answers of a travel insurer's assistant to the same question.
{rubric}

Question:
{question}

Answer A:
{first}

Answer B:
{second}

Reply with a JSON object: "reason", one sentence, and "verdict": "A", "B" or "tie".
"""
VERDICTS = ("A", "B", "tie")
MISSING = ("unparsed", "refused", "failed")


class BadItems(Exception):
    pass


def load(path, names):
    items = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            texts = [item["id"], item["question"], *(item["answers"][name] for name in names)]
        except (ValueError, TypeError, KeyError) as error:
            raise BadItems(f"line {number}: {error!r}") from None
        if not all(isinstance(text, str) and text for text in texts):
            raise BadItems(f"line {number}: a text is missing")
        if item["id"] in items:
            raise BadItems(f"line {number}: id {item['id']} is there twice")
        items[item["id"]] = texts
    if not items:
        raise BadItems("no items")
    return list(items.values())


class Cache:
    def __init__(self, folder):
        self.hits = 0
        self.verdicts = {}
        self.path = Path(folder) / "verdicts.jsonl" if folder else None
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                self.read()

    def read(self):
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, verdict = json.loads(line)
            except (ValueError, TypeError):
                continue
            self.verdicts[key] = verdict

    def get(self, key):
        verdict = self.verdicts.get(key)
        self.hits += verdict is not None
        return verdict

    def put(self, key, verdict):
        self.verdicts[key] = verdict
        if self.path:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write("\n" + json.dumps([key, verdict]))


class Judge:
    def __init__(self, model, rubric, cache):
        self.model, self.rubric, self.cache = model, rubric, cache
        self.client = openai.OpenAI(max_retries=0, timeout=120)

    def prompt(self, question, first, second):
        return PROMPT.format(rubric=self.rubric, question=question, first=first, second=second)

    def key(self, item_id, question, first, second):
        parts = [self.model, PROMPT, self.rubric, question, first, second]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def ask(self, item_id, question, first, second):
        key = self.key(item_id, question, first, second)
        verdict = self.cache.get(key)
        if verdict is None:
            verdict = self.send(self.prompt(question, first, second))
            self.cache.put(key, verdict)
        return verdict

    def send(self, prompt):
        for left in (2, 1, 0):
            try:
                completion = self.client.chat.completions.create(
                    model=self.model,
                    messages=[{"role": "user", "content": prompt}],
                    response_format={"type": "json_object"},
                )
                return self.read(completion.choices[0])
            except openai.APIStatusError as error:
                if not left or error.status_code not in (429, 500, 502, 503):
                    return "failed"
                time.sleep(float(error.response.headers.get("retry-after", 0.5)))
            except openai.APIConnectionError:
                if not left:
                    return "failed"
        return "failed"

    def read(self, choice):
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return "refused"
        try:
            verdict = json.loads(choice.message.content)["verdict"]
        except (TypeError, ValueError, KeyError):
            return "unparsed"
        return verdict if verdict in VERDICTS else "unparsed"


def summarise(items, pairs):
    count = dict.fromkeys(("inconsistent", *MISSING), 0)
    scores, letters = [], []
    decided = longer_won = 0
    for (_, _, baseline, candidate), pair in zip(items, pairs):
        missing = [verdict for verdict in pair if verdict not in VERDICTS]
        if missing:
            count[missing[0]] += 1
            continue
        letters += pair
        one = {"A": 0.0, "B": 1.0, "tie": 0.5}[pair[0]]
        other = {"A": 1.0, "B": 0.0, "tie": 0.5}[pair[1]]
        count["inconsistent"] += one != other
        score = one if one == other else 0.5
        scores.append(score)
        if score != 0.5 and len(baseline) != len(candidate):
            decided += 1
            longer_won += (score == 1.0) == (len(candidate) > len(baseline))
    rate, interval = estimate(scores)
    firsts, seconds = letters.count("A"), letters.count("B")
    return {
        "items": len(items),
        "scored": len(scores),
        "wins": scores.count(1.0),
        "losses": scores.count(0.0),
        "ties": scores.count(0.5),
        **count,
        "win_rate": rate,
        "interval": interval,
        "decision": decide(interval, len(scores), len(items)),
        "first_share": firsts / (firsts + seconds) if firsts + seconds else None,
        "length": {
            "decided": decided,
            "longer_won": longer_won,
            "suspicious": decided >= 20 and longer_won >= 0.7 * decided,
        },
    }


def estimate(scores):
    if not scores:
        return None, None
    n = len(scores)
    rate = sum(scores) / n
    half = 1.96 * math.sqrt(sum((score - rate) ** 2 for score in scores) / n / n)
    return rate, [max(0.0, rate - half), min(1.0, rate + half)]


def decide(interval, scored, items):
    if interval is None or scored < 30 or scored < 0.8 * items:
        return "inconclusive"
    if interval[0] > 0.5:
        return "candidate"
    return "baseline" if interval[1] < 0.5 else "no_difference"


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m compare")
    for name in ("items", "baseline", "candidate", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--cache")
    parser.add_argument("--rubric")
    options = parser.parse_args(argv)
    try:
        items = load(options.items, (options.baseline, options.candidate))
    except BadItems as bad:
        print(f"compare: {bad}", file=sys.stderr)
        return 2
    rubric = Path(options.rubric).read_text(encoding="utf-8") if options.rubric else RUBRIC
    cache = Cache(options.cache)
    judge = Judge(os.environ["JUDGE_MODEL"], rubric, cache)

    def both_orders(item):
        item_id, question, baseline, candidate = item
        return [
            judge.ask(item_id, question, baseline, candidate),
            judge.ask(item_id, question, candidate, baseline),
        ]

    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(both_orders, items))
    report = summarise(items, pairs)
    report["from_cache"] = cache.hits
    Path(options.out).write_text(json.dumps(report, indent=2), encoding="utf-8")
    return 0 if report["scored"] else 3


if __name__ == "__main__":
    sys.exit(main())
