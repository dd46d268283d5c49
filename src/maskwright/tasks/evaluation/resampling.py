"""How far chance moves a measure: the percentile bootstrap over examples, paired for two models; McNemar's test.

Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13. For two models on the same examples the
resamples are the same too (Koehn 2004, W04-3250), so that what is hard for both cancels out.
"""

from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.tasks.evaluation.outcomes import Floats, Measure, Outcomes, value

RESAMPLES = 1000
LEVEL = 0.95
CELLS = 1 << 22
"""Weights held at a time, of 8 bytes each."""


class Interval(NamedTuple):
    """A measure, and where `LEVEL` of its resamples lie."""

    value: float
    low: float
    high: float


class Compared(NamedTuple):
    """One model beside another on the same examples.

    difference   of the measure, this one less the other
    not_better   share of resamples in which this one is not better
    """

    difference: Interval
    not_better: float


class Discordant(NamedTuple):
    """Of the examples that one of two models alone has right.

    this, other   how many each has
    p             how likely chance parts so many at least as unevenly: McNemar's exact test (1947)
    """

    this: int
    other: int
    p: float


def resamples(count: int, seed: int, number: int = RESAMPLES) -> Iterator[Floats]:
    """(r, count) how often each of `count` examples is drawn, in parts of at most `CELLS`, `number` rows in all."""
    draw = generator(seed, "bootstrap", count)
    left = number
    while left:
        rows = min(left, max(1, CELLS // max(1, count)))
        left -= rows
        drawn = draw.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def interval(measure: Measure, count: int, seed: int, number: int = RESAMPLES) -> Interval:
    """A measure of `count` examples with its percentile interval."""
    drawn = np.concatenate([measure(weights) for weights in resamples(count, seed, number)])
    return Interval(value(measure, count), *_ends(drawn))


def compared(this: Measure, other: Measure, count: int, seed: int, number: int = RESAMPLES) -> Compared:
    """Two models by one measure, where more is better."""
    drawn = np.concatenate([this(weights) - other(weights) for weights in resamples(count, seed, number)])
    difference = value(this, count) - value(other, count)
    return Compared(Interval(difference, *_ends(drawn)), float((drawn <= 0).mean()))


def discordant(this: Floats, other: Floats) -> Discordant:
    """McNemar's exact test of (n,) hits; p is 1 where both have the same right. BadInput without scipy.

    >>> discordant(np.array([1.0, 1, 1, 0]), np.array([0.0, 0, 1, 0]))
    Discordant(this=2, other=0, p=0.5)
    """
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise BadInput("comparing two models needs scipy: pip install 'maskwright[eval]'") from error
    mine, theirs = int((this > other).sum()), int((other > this).sum())
    p = float(binomtest(mine, mine + theirs).pvalue) if mine + theirs else 1.0
    return Discordant(mine, theirs, p)


def measured(outcomes: Outcomes, name: str, seed: int) -> Interval:
    """A measure of outcomes by its name, with its interval.

    Where all answers are right, or none, every resample says the same, and the bootstrap knows no doubt: accuracy then
    has Wilson's interval (1927).
    """
    found = interval(outcomes.measures()[name], len(outcomes), seed)
    if name == "accuracy" and found.low == found.high and found.value in (0.0, 1.0):
        return Interval(found.value, *wilson(found.value, len(outcomes)))
    return found


def wilson(share: float, count: int) -> tuple[float, float]:
    """Where the true share lies, when `share` of `count` examples was found.

    >>> [round(end, 3) for end in wilson(1.0, 10)], [round(end, 3) for end in wilson(0.5, 100)]
    ([0.722, 1.0], [0.404, 0.596])
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _ends(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high
