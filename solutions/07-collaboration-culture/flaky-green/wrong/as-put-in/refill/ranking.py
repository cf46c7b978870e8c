"""Which articles are proposed."""

from collections.abc import Iterable, Mapping


def top(scores: Mapping[str, float], n: int, exclude: Iterable[str] = ()) -> list[str]:
    """The `n` articles with the highest scores, best first; equal scores by name."""
    left_out = set(exclude)
    candidates = [article for article in scores if article not in left_out]
    return sorted(candidates, key=lambda article: -scores[article])[:n]
