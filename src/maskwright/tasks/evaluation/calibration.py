"""Whether the probabilities that a model gives can be believed: of what it is 80 % sure, 80 % should be right.

Expected calibration error over bins of equally many examples (Guo et al. 2017, arXiv 1706.04599; bins as in Nixon et
al. 2019, arXiv 1904.01685), Brier's score, log loss, and the temperature that would mend the most of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.tasks.evaluation.outcomes import Floats, Places

BINS = 15
LEAST = 10
"""Examples in a bin; where there are too few for `BINS`, there are fewer bins."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""Probabilities are float32: one that is 0 was less than this."""
COLDEST, HOTTEST = 0.05, 20.0
"""Between them a temperature is looked for."""


class Bin(NamedTuple):
    """Answers of like confidence: its mean, the share of them that are right, and how many they are."""

    confidence: float
    right: float
    answers: int


class Calibration(NamedTuple):
    """What is known of a model's probabilities.

    error        expected calibration error: by how much confidence and being right differ, on average over `bins`
    brier        mean over examples of the squared differences, summed over classes (Brier 1950): 0 is perfect
    log_loss     mean of -log of the right answer's probability, in nats; where there may be several classes, over all
                 yes and no
    temperature  what scores should be divided by to make log loss the least, and what would come of it. It is fitted
                 to the very examples that it is then judged by, so the gain is somewhat too good
    at_limit     no temperature looked for is enough: all answers are right, or all wrong
    """

    bins: list[Bin]
    error: float
    brier: float
    log_loss: float
    temperature: float
    at_limit: bool
    error_then: float
    log_loss_then: float


def of_class(shares: Floats, gold: Places) -> Calibration:
    """Of (n, C) probabilities of classes, of which (n,) `gold` are right: that of the likeliest class."""
    scores = np.log(np.maximum(shares, SMALLEST))
    rows = np.arange(len(gold))

    def slope(beta: float) -> float:
        shifted = _softmax(beta * scores)
        return float(((shifted * scores).sum(-1) - scores[rows, gold]).mean())

    beta, at_limit = _least(slope)
    then = _softmax(beta * scores)
    bins, later = (_bins(each.max(-1), each.argmax(-1) == gold) for each in (shares, then))
    right = np.zeros_like(shares)
    right[rows, gold] = 1
    return Calibration(
        bins,
        expected_error(bins),
        float(((shares - right) ** 2).sum(-1).mean()),
        float(-scores[rows, gold].mean()),
        1 / beta,
        at_limit,
        expected_error(later),
        float(-np.log(np.maximum(then[rows, gold], SMALLEST)).mean()),
    )


def of_several(shares: Floats, gold: Floats) -> Calibration:
    """Of (n, C) probabilities that each class is one of an example's, of which (n, C) `gold` says the truth."""
    shares, gold = np.clip(shares, SMALLEST, 1 - 2**-24), gold.astype(np.float64)
    scores = np.log(shares) - np.log1p(-shares)

    def slope(beta: float) -> float:
        return float(((_sigmoid(beta * scores) - gold) * scores).mean())

    beta, at_limit = _least(slope)
    then = _sigmoid(beta * scores)
    bins, later = (_bins(each.ravel(), gold.ravel() > 0.5) for each in (shares, then))
    return Calibration(
        bins,
        expected_error(bins),
        float(((shares - gold) ** 2).sum(-1).mean()),
        _log_loss(shares, gold),
        1 / beta,
        at_limit,
        expected_error(later),
        _log_loss(then, gold),
    )


def expected_error(bins: list[Bin]) -> float:
    """Mean difference between confidence and being right.

    >>> round(expected_error([Bin(0.6, 0.5, 30), Bin(0.9, 0.95, 10)]), 4)
    0.0875
    """
    total = sum(one.answers for one in bins)
    return sum(one.answers * abs(one.confidence - one.right) for one in bins) / max(1, total)


def _bins(confidence: Floats, right: npt.NDArray[np.bool_]) -> list[Bin]:
    """Of equally many, the least sure first."""
    count = max(1, min(BINS, len(confidence) // LEAST))
    parts = np.array_split(np.argsort(confidence, kind="stable"), count)
    return [Bin(float(confidence[p].mean()), float(right[p].mean()), len(p)) for p in parts if len(p)]


def _least(slope: Callable[[float], float]) -> tuple[float, bool]:
    """What scores should be multiplied by, and whether a limit stops the search.

    Log loss is convex in it, so where its slope changes its sign it is least: halving finds the place.
    """
    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(high) <= 0:
        return high, True
    if slope(low) >= 0:
        return low, True
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return (low * high) ** 0.5, False


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _sigmoid(scores: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(scores, -500, 500)))


def _log_loss(shares: Floats, gold: Floats) -> float:
    """Of (n, C) yes and no, the mean."""
    right = np.where(gold > 0.5, shares, 1 - shares)
    return float(-np.log(np.maximum(right, SMALLEST)).mean())
