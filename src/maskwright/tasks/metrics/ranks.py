"""Retrieval: how well the right texts are found among all there are.

As information retrieval counts (Manning, Raghavan and Schütze, *Introduction to Information Retrieval*, chapter 8), and
as sentence-transformers' `InformationRetrievalEvaluator` does: a mean over questions, each with one or several right
texts, of which only those among the first k found count.

    recall@k   the share of the right texts that is found
    mrr@k      1 / the place of the first right one
    ndcg@k     sum of 1 / log2(1 + place) over the right ones, over what it would be if they stood first
"""

import math
from collections.abc import Collection, Mapping, Sequence

from maskwright.errors import BadInput

K = 10


def scores(places: Sequence[Collection[int]]) -> Mapping[str, float]:
    """recall@1, recall@10, mrr@10 and ndcg@10. BadInput where nothing was looked for.

    places   of each question where its right texts were found, from 1

    >>> scores([[1], [3], [2, 40]])["recall@10"], round(scores([[1], [3]])["ndcg@10"], 3)
    (0.8333333333333334, 0.75)
    """
    if not places:
        raise BadInput("nothing was looked for: recall needs at least one question")
    means = {
        "ndcg@10": [_gain(found) / _gain(range(1, len(found) + 1)) for found in places],
        "recall@1": [_share(found, 1) for found in places],
        "recall@10": [_share(found, K) for found in places],
        "mrr@10": [1 / min(found) if min(found) <= K else 0.0 for found in places],
    }
    return {name: math.fsum(values) / len(values) for name, values in means.items()}


def _share(found: Collection[int], k: int) -> float:
    return sum(place <= k for place in found) / len(found)


def _gain(found: Collection[int]) -> float:
    return math.fsum(1 / math.log2(1 + place) for place in found if place <= K)
