"""One half of the letters chooses thresholds, the other half, which had no say, proves them."""

import hashlib
import math
from collections.abc import Sequence

#: A row of evidence as far as it matters here: letter, confidence, wrong.
Row = tuple[str, float, bool]

#: Thresholds are chosen so that so much of the risk is used, from strict to loose.
HOPES = (0.05, 0.15, 0.3, 0.45, 0.6, 0.75)
MISS = 0.05


def divergence(seen: float, rate: float) -> float:
    """How surprising a share `seen` is where `rate` is the truth (Kullback and Leibler)."""
    total = 0.0
    for a, b in ((seen, rate), (1 - seen, 1 - rate)):
        if a > 0:
            total += a * math.log(a / b)
    return total


def bound(errors: int, letters: int, miss: float) -> float:
    """Chernoff's upper bound, found by halving."""
    if not letters:
        return 1.0
    low, high = errors / letters, 1 - 1e-9
    if low >= high:
        return 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if letters * divergence(errors / letters, middle) < math.log(1 / miss):
            low = middle
        else:
            high = middle
    return high


def first_half(letter: str) -> bool:
    return hashlib.sha256(letter.encode()).digest()[0] % 2 == 0


def lowest(rows: Sequence[Row], rate: float) -> float | None:
    """The lowest confidence from which on at most `rate` of these are wrong."""
    found, letters, errors = None, 0, 0
    ordered = sorted(rows, key=lambda row: -row[1])
    for k, (_, confidence, wrong) in enumerate(ordered):
        letters, errors = letters + 1, errors + wrong
        last = k + 1 == len(ordered) or ordered[k + 1][1] != confidence
        if last and errors <= rate * letters:
            found = confidence
    return found


def prove(rows: Sequence[Row], risk: float) -> tuple[float, float] | None:
    """A threshold and the bound on its error rate, or None if nothing can be proven."""
    choosing = [row for row in rows if first_half(row[0])]
    proving = [row for row in rows if not first_half(row[0])]
    found = None
    for hope in HOPES:
        threshold = lowest(choosing, hope * risk)
        if threshold is None:
            continue
        booked = [row for row in proving if row[1] >= threshold]
        if len(booked) * risk < 2 * math.log(1 / MISS):
            continue  # so few letters prove nothing unless all of them are right
        proven = bound(sum(row[2] for row in booked), len(booked), MISS)
        if proven > risk:
            break  # whoever stops at the first failure may test one after the other
        everything = [row for row in rows if row[1] >= threshold]
        found = threshold, max(proven, sum(row[2] for row in everything) / len(everything))
    return found
