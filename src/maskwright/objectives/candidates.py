"""Words drawn to be told apart from the right one, where a softmax over all words would cost too much.

Jean et al. (arXiv 1412.2007); TensorFlow's `log_uniform_candidate_sampler` with unique draws, as its
`sampled_softmax_loss` has it. The word at place r in order of frequency is drawn with the probability
log((r + 2) / (r + 1)) / log(R + 1), again and again until there are enough different ones. How often a word is
expected among so many draws, 1 - (1 - p)^draws, is what its score is corrected for.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.batch import Integers
from maskwright.draws import generator

Floats = npt.NDArray[np.float64]


class Candidates(NamedTuple):
    """Different places in order of frequency, in the order drawn; and how many draws that took."""

    ranks: Integers
    draws: int


def probabilities(ranks: Integers, total: int) -> Floats:
    """Of being drawn once, for places among `total`.

    >>> float(probabilities(np.arange(9), 9).sum().round(12))
    1.0
    """
    return np.log1p(1 / (ranks + 1.0)) / np.log(total + 1.0)


def log_expected_counts(ranks: Integers, total: int, draws: int) -> Floats:
    """Logarithms of how often places are expected among different ones of so many draws."""
    return np.log(-np.expm1(draws * np.log1p(-probabilities(ranks, total))))


def draw_candidates(count: int, total: int, seed: int, *address: int | str) -> Candidates:
    """`count` different places below `total`, the stream of draws being that at the address.

    Raises ValueError for more than there are.

    >>> drawn = draw_candidates(3, 100, 0, "candidates", 5)
    >>> len(set(drawn.ranks.tolist())), drawn.draws >= 3
    (3, True)
    """
    if not 0 < count <= total:
        raise ValueError(f"{count} different candidates of {total}")
    tries = 2 * count
    while True:
        uniform = generator(seed, *address).random(tries)  # a longer row begins as a shorter one does
        drawn = np.minimum(np.floor(np.exp(uniform * np.log(total + 1.0))).astype(np.int64), total) - 1
        places, first_of = np.arange(tries), np.empty(total, np.int64)
        first_of[drawn[::-1]] = places[::-1]  # of a word that is drawn again the last is kept, which is its first
        first = np.flatnonzero(first_of[drawn] == places)
        if len(first) >= count:
            first = first[:count]
            return Candidates(drawn[first], int(first[-1]) + 1)
        tries *= 2
