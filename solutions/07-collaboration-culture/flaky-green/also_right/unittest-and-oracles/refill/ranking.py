"""Which articles are proposed."""

from collections.abc import Iterable, Mapping


def top(scores: Mapping[str, float], n: int, exclude: Iterable[str] = ()) -> list[str]:
    """The `n` articles with the highest scores, best first; equal scores by name."""
    best: list[str] = []
    candidates = set(scores).difference(exclude)
    while candidates and len(best) < n:
        highest = max(scores[article] for article in candidates)
        best.append(min(article for article in candidates if scores[article] == highest))
        candidates.remove(best[-1])
    return best
