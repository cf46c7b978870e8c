"""Pairwise comparison: the SDK's parse() with pydantic, tenacity, a file for each verdict, numpy."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import openai
import pydantic
import tenacity
from scipy import stats

RUBRIC = "Prefer the answer that is correct, complete, and says what to do next."


class Verdict(pydantic.BaseModel):
    reason: str
    verdict: Literal["A", "B", "tie"]


class Answers(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    id: str
    question: str
    answers: dict[str, str | None]


class Unfit(Exception):
    pass


class Refused(Exception):
    pass


class Unparsed(Exception):
    pass


class Failed(Exception):
    pass


def load(path, *names):
    items = {}
    for number, line in enumerate(Path(path).read_text("utf-8").split("\n"), start=1):
        if not line:
            continue
        try:
            item = Answers.model_validate_json(line)
        except pydantic.ValidationError as error:
            raise Unfit(f"{path}:{number}: {error.errors()[0]['msg']}") from None
        absent = [name for name in names if not item.answers.get(name)]
        if absent or item.id in items:
            raise Unfit(f"{path}:{number}: no answer of {absent}" if absent else f"{path}:{number}: id again")
        items[item.id] = item
    if not items:
        raise Unfit(f"{path}: empty")
    return list(items.values())


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(
        (openai.InternalServerError, openai.RateLimitError, openai.APIConnectionError)
    ),
    stop=tenacity.stop_after_attempt(3),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=0.4),
    reraise=True,
)
def call(client, **request):
    return client.chat.completions.parse(response_format=Verdict, **request)


def ask(client, model, rubric, question, first, second):
    messages = [
        {"role": "system", "content": "You are a judge. " + rubric},
        {"role": "user", "content": "The question:"},
        {"role": "user", "content": question},
        {"role": "user", "content": "Answer A:"},
        {"role": "user", "content": first},
        {"role": "user", "content": "Answer B:"},
        {"role": "user", "content": second},
        {"role": "user", "content": "Which is better? A, B or tie, as JSON with a reason."},
    ]
    try:
        choice = call(client, model=model, messages=messages).choices[0]
    except openai.ContentFilterFinishReasonError:
        raise Refused from None
    except (openai.LengthFinishReasonError, pydantic.ValidationError, IndexError):
        raise Unparsed from None
    except openai.APIError:
        raise Failed from None
    if choice.message.refusal:
        raise Refused
    if choice.message.parsed is None:
        raise Unparsed
    return choice.message.parsed.verdict


class Folder:
    """A file for each verdict, put in place by a rename."""

    def __init__(self, folder):
        self.folder = Path(folder or tempfile.mkdtemp())
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hits = 0

    def path(self, *parts):
        digest = hashlib.blake2b(digest_size=16)
        for part in parts:
            digest.update(hashlib.sha256(part.encode()).digest())
        return self.folder / digest.hexdigest()

    def get(self, path):
        try:
            text = path.read_text()
        except (OSError, ValueError):
            return None
        if text not in ("=A=", "=B=", "=tie="):
            return None
        self.hits += 1
        return text.strip("=")

    def put(self, path, verdict):
        path.with_suffix(".new").write_text(f"={verdict}=")
        path.with_suffix(".new").rename(path)


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", required=True)
    parser.add_argument("--baseline", required=True)
    parser.add_argument("--candidate", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--cache")
    parser.add_argument("--rubric", type=Path)
    options = parser.parse_args(argv)
    try:
        items = load(options.items, options.baseline, options.candidate)
    except Unfit as reason:
        print(reason, file=sys.stderr)
        return 2
    rubric = options.rubric.read_text("utf-8") if options.rubric else RUBRIC
    model = os.environ["JUDGE_MODEL"]
    client = openai.OpenAI(max_retries=0)
    folder = Folder(options.cache)

    missing = {Unparsed: 0, Refused: 0, Failed: 0}
    points, lengths, places = [], [], []
    for item in items:
        baseline = item.answers[options.baseline]
        candidate = item.answers[options.candidate]
        pair = []
        try:
            for first, second in ((candidate, baseline), (baseline, candidate)):
                path = folder.path(model, rubric, item.question, first, second)
                verdict = folder.get(path)
                if verdict is None:
                    verdict = ask(client, model, rubric, item.question, first, second)
                    folder.put(path, verdict)
                pair.append(verdict)
        except (Unparsed, Refused, Failed) as reason:
            # One order without a verdict and the item is lost: the other call is spared.
            missing[type(reason)] += 1
            continue
        worth = {"A": 1, "B": -1, "tie": 0}
        points.append((worth[pair[0]], -worth[pair[1]]))
        places += pair
        lengths.append(np.sign(len(candidate) - len(baseline)))

    points = np.array(points, dtype=int).reshape(-1, 2)
    agree = points[:, 0] == points[:, 1]
    outcome = np.where(agree, points[:, 0], 0)
    scores = (outcome + 1) / 2
    n = len(scores)
    rate = interval = None
    if n:
        rate = float(scores.mean())
        half = stats.t.ppf(0.975, n - 1) * stats.sem(scores) if n > 1 else 0.5
        interval = np.clip([rate - half, rate + half], 0, 1).tolist()
    decision = "inconclusive"
    if n >= 30 and n >= 0.8 * len(items):
        if interval[0] > 0.5:
            decision = "candidate"
        elif interval[1] < 0.5:
            decision = "baseline"
        else:
            decision = "no_difference"
    product = outcome * np.array(lengths, dtype=int)
    decided, longer = int((product != 0).sum()), int((product > 0).sum())
    named = [place for place in places if place != "tie"]
    report = {
        "items": len(items),
        "scored": n,
        "wins": int((outcome == 1).sum()),
        "losses": int((outcome == -1).sum()),
        "ties": int((outcome == 0).sum()),
        "inconsistent": int((~agree).sum()),
        "unparsed": missing[Unparsed],
        "refused": missing[Refused],
        "failed": missing[Failed],
        "win_rate": rate,
        "interval": interval,
        "decision": decision,
        "first_share": named.count("A") / len(named) if named else None,
        "length": {
            "decided": decided,
            "longer_won": longer,
            "suspicious": decided >= 20 and longer / decided >= 0.7,
        },
        "from_cache": folder.hits,
    }
    options.out.write_text(json.dumps(report, indent=1))
    return 0 if n else 3


if __name__ == "__main__":
    sys.exit(main())
