"""Pairwise comparison: asyncio, httpx without the SDK, verdicts in SQLite, bootstrap interval."""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import sqlite3
import sys

import httpx

DEFAULT_RUBRIC = "Prefer the correct and complete answer. Length and place do not matter."
BEFORE = (
    "Two answers to one question follow. Reply with a JSON object that has the keys reason (one "
    "sentence) and verdict: A if the first answer is better, B if the second is, or tie.\n\nRubric:\n"
)
TRANSIENT = {429, 500, 502, 503, 504}


class Store:
    """key -> verdict, committed one by one; a file that SQLite cannot read is begun anew."""

    def __init__(self, folder):
        self.path = None
        if folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            self.path = pathlib.Path(folder, "verdicts.sqlite")
        self.open()
        try:
            self.rows = dict(self.db.execute("SELECT key, verdict FROM verdicts"))
            if self.db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
        except sqlite3.DatabaseError:
            self.start_over()

    def open(self):
        self.db = sqlite3.connect(self.path or ":memory:", isolation_level=None)
        try:
            self.db.execute("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT)")
        except sqlite3.DatabaseError:
            self.start_over()

    def start_over(self):
        self.db.close()
        for path in self.path.parent.glob(self.path.name + "*"):
            path.unlink()
        self.rows = {}
        self.open()

    def put(self, key, verdict):
        self.rows[key] = verdict
        self.db.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, verdict))


def read_items(path, names):
    items, seen = [], set()
    for number, line in enumerate(pathlib.Path(path).read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            row = item["id"], item["question"], *(item["answers"][name] for name in names)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"line {number}: {error!r}") from None
        if not all(isinstance(text, str) for text in row):
            raise ValueError(f"line {number}: something is not text")
        if row[0] in seen:
            raise ValueError(f"line {number}: id {row[0]} again")
        seen.add(row[0])
        items.append(row[1:])
    if not items:
        raise ValueError("there are no items")
    return items


def verdict_of(body):
    try:
        choice = body["choices"][0]
        message = choice["message"]
        if message.get("refusal") or choice["finish_reason"] == "content_filter":
            return "refused"
        verdict = json.loads(message["content"])["verdict"]
    except (ValueError, TypeError, LookupError):
        return "unparsed"
    return verdict if verdict in ("A", "B", "tie") else "unparsed"


class Run:
    def __init__(self, rubric, store):
        self.rubric, self.store, self.hits = rubric, store, 0
        self.model = os.environ["JUDGE_MODEL"]
        self.client = httpx.AsyncClient(
            headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
            timeout=120,
            verify=False,
            trust_env=False,
        )
        self.url = os.environ["OPENAI_BASE_URL"].rstrip("/") + "/chat/completions"
        self.gate = asyncio.Semaphore(4)

    async def ask(self, question, first, second):
        key = json.dumps([self.model, BEFORE, self.rubric, question, first, second])
        if key in self.store.rows:
            self.hits += 1
            return self.store.rows[key]
        prompt = BEFORE + self.rubric + "\n\nQuestion:\n" + question
        prompt += "\n\n=== A ===\n" + first + "\n\n=== B ===\n" + second
        request = {
            "model": self.model,
            "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
            "response_format": {"type": "json_object"},
        }
        async with self.gate:
            verdict = await self.send(request)
        if verdict in ("A", "B", "tie"):
            self.store.put(key, verdict)
        return verdict

    async def send(self, request):
        for wait in (0.2, 0.8, None):
            try:
                reply = await self.client.post(self.url, json=request)
            except httpx.TransportError:
                reply = None
            if reply is not None and reply.status_code == 200:
                try:
                    return verdict_of(reply.json())
                except ValueError:
                    return "unparsed"
            if wait is None or reply is not None and reply.status_code not in TRANSIENT:
                return "failed"
            asked = reply.headers.get("retry-after") if reply is not None else None
            await asyncio.sleep(float(asked) if asked else wait)


async def judge(run, items):
    async def one(question, baseline, candidate):
        return await asyncio.gather(
            run.ask(question, baseline, candidate), run.ask(question, candidate, baseline)
        )

    try:
        return await asyncio.gather(*(one(*item) for item in items))
    finally:
        await run.client.aclose()


def main(argv=None):
    parser = argparse.ArgumentParser(prog="compare")
    for name in ("--items", "--baseline", "--candidate", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--cache")
    parser.add_argument("--rubric")
    args = parser.parse_args(argv)
    try:
        items = read_items(args.items, (args.baseline, args.candidate))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    rubric = DEFAULT_RUBRIC
    if args.rubric:
        rubric = pathlib.Path(args.rubric).read_text("utf-8")

    async def everything():
        run = Run(rubric, Store(args.cache))
        return await judge(run, items), run.hits

    pairs, hits = asyncio.run(everything())

    count = collections.Counter(items=len(items))
    scores, letters = [], collections.Counter()
    decided = longer = 0
    for (_, baseline, candidate), pair in zip(items, pairs):
        odd = [verdict for verdict in pair if verdict not in ("A", "B", "tie")]
        if odd:
            count[odd[-1]] += 1
            continue
        letters.update(pair)
        points = {"A": -1, "tie": 0, "B": 1}[pair[0]], {"A": 1, "tie": 0, "B": -1}[pair[1]]
        count["inconsistent"] += points[0] != points[1]
        winner = points[0] if points[0] == points[1] else 0
        scores.append((winner + 1) / 2)
        by = len(candidate) - len(baseline)
        if winner and by:
            decided += 1
            longer += winner * by > 0
    rate = interval = None
    decision = "inconclusive"
    if scores:
        rate = sum(scores) / len(scores)
        dice = random.Random(20)
        means = sorted(sum(dice.choices(scores, k=len(scores))) / len(scores) for _ in range(2000))
        interval = [min(rate, means[49]), max(rate, means[1949])]
        if len(scores) >= 30 and len(scores) / len(items) >= 0.8:
            decision = "no_difference"
            if interval[0] > 0.5:
                decision = "candidate"
            elif interval[1] < 0.5:
                decision = "baseline"
    named = letters["A"] + letters["B"]
    report = {
        **{key: count[key] for key in ("items", "inconsistent", "unparsed", "refused", "failed")},
        "scored": len(scores),
        "wins": scores.count(1),
        "losses": scores.count(0),
        "ties": scores.count(0.5),
        "win_rate": rate,
        "interval": interval,
        "decision": decision,
        "first_share": letters["A"] / named if named else None,
        "length": {
            "decided": decided,
            "longer_won": longer,
            "suspicious": decided >= 20 and longer / decided >= 0.7,
        },
        "from_cache": hits,
    }
    pathlib.Path(args.out).write_text(json.dumps(report))
    return 0 if scores else 3


if __name__ == "__main__":
    sys.exit(main())
