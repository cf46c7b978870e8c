"""Which articles are proposed."""

import heapq


def top(scores, n, exclude=()):
    left_out = frozenset(exclude)
    wanted = [(-scores[article], article) for article in scores if article not in left_out]
    return [article for _, article in heapq.nsmallest(n, wanted)]
