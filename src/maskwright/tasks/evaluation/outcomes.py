"""Measures as functions of how often each example counts, so that the whole set, a slice and a resample are one thing.

A measure takes weights (R, n): in row r example i counts `weights[r, i]` times. Ones are the whole set; the counts of a
draw with replacement are a resample of the bootstrap. Each kind of outcome keeps, example by example, the sums that its
measures are made of, so that thousands of resamples are a product of matrices. On ones they equal `tasks.metrics`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Measure = Callable[[Floats], Floats]
"""(R, n) weights -> (R,) values."""


class Outcomes(Protocol):
    """What each of n examples came to."""

    def __len__(self) -> int:
        """n."""
        ...

    def take(self, which: Places) -> Self:
        """Some of them."""
        ...

    def measures(self) -> Mapping[str, Measure]:
        """By the names that `tasks.metrics` has for them."""
        ...


def value(measure: Measure, count: int) -> float:
    """A measure where each of `count` examples counts once."""
    return float(measure(np.ones((1, count)))[0])


class ClassOutcomes:
    """One class of several: accuracy, matthews, macro_f1, and of two classes f1, that of the last.

    gold, said   (n,) places of classes
    classes      C
    """

    def __init__(self, gold: Places, said: Places, classes: int) -> None:
        self.gold, self.said, self.classes = gold, said, classes

    def __len__(self) -> int:
        return len(self.gold)

    def take(self, which: Places) -> "ClassOutcomes":
        """Some of them."""
        return ClassOutcomes(self.gold[which], self.said[which], self.classes)

    @property
    def hits(self) -> Floats:
        """(n,) 1 where the right class was said."""
        return (self.gold == self.said).astype(np.float64)

    def counts(self, weights: Floats) -> "Counts":
        """By class."""
        return Counts(
            grouped(weights * self.hits, self.gold, self.classes),
            grouped(weights, self.said, self.classes),
            grouped(weights, self.gold, self.classes),
        )

    def measures(self) -> Mapping[str, Measure]:
        """See the class."""
        found: dict[str, Measure] = {
            "accuracy": mean_of(self.hits),
            "matthews": lambda weights: _matthews(self.counts(weights)),
            "macro_f1": lambda weights: self.counts(weights).f1().mean(-1),
        }
        if self.classes == 2:
            found["f1"] = lambda weights: self.counts(weights).f1()[:, -1]
        return found


class SeveralOutcomes:
    """Any number of several classes: accuracy (all of an example's are right), micro_f1, macro_f1.

    gold, said   (n, C) ones and zeros
    """

    def __init__(self, gold: Floats, said: Floats) -> None:
        self.gold, self.said = gold, said

    def __len__(self) -> int:
        return len(self.gold)

    def take(self, which: Places) -> "SeveralOutcomes":
        """Some of them."""
        return SeveralOutcomes(self.gold[which], self.said[which])

    @property
    def hits(self) -> Floats:
        """(n,) 1 where just the right classes were said."""
        return (self.gold == self.said).all(-1).astype(np.float64)

    def counts(self, weights: Floats) -> "Counts":
        """By class."""
        return Counts(weights @ (self.gold * self.said), weights @ self.said, weights @ self.gold)

    def measures(self) -> Mapping[str, Measure]:
        """See the class."""
        return {
            "accuracy": mean_of(self.hits),
            "micro_f1": lambda weights: self.counts(weights).total().f1()[:, 0],
            "macro_f1": lambda weights: self.counts(weights).f1().mean(-1),
        }


class NumberOutcomes:
    """Numbers: pearson, spearman, mean_squared_error, and its root, root_mean_squared_error.

    gold, said   (n,)
    """

    def __init__(self, gold: Floats, said: Floats) -> None:
        self.gold, self.said = gold, said

    def __len__(self) -> int:
        return len(self.gold)

    def take(self, which: Places) -> "NumberOutcomes":
        """Some of them."""
        return NumberOutcomes(self.gold[which], self.said[which])

    def measures(self) -> Mapping[str, Measure]:
        """See the class."""
        squares = mean_of((self.gold - self.said) ** 2)
        return {
            "pearson": lambda weights: _correlation(weights, self.gold[None], self.said[None]),
            "spearman": lambda weights: _correlation(weights, _ranks(weights, self.gold), _ranks(weights, self.said)),
            "mean_squared_error": squares,
            "root_mean_squared_error": lambda weights: np.sqrt(squares(weights)),
        }


class SentenceOutcomes:
    """Tagged sentences: precision, recall and f1 of what their tags mark, and accuracy, of tags.

    sums   (n, 5) of each sentence: things that are right, found, there; tags that are right, and all
    """

    def __init__(self, sums: Floats) -> None:
        self.sums = sums

    def __len__(self) -> int:
        return len(self.sums)

    def take(self, which: Places) -> "SentenceOutcomes":
        """Some of them."""
        return SentenceOutcomes(self.sums[which])

    def measures(self) -> Mapping[str, Measure]:
        """See the class."""
        sums = self.sums
        return {
            "f1": lambda weights: _share(2 * (weights @ sums[:, 0]), weights @ (sums[:, 1] + sums[:, 2])),
            "precision": lambda weights: _share(weights @ sums[:, 0], weights @ sums[:, 1]),
            "recall": lambda weights: _share(weights @ sums[:, 0], weights @ sums[:, 2]),
            "accuracy": lambda weights: _share(weights @ sums[:, 3], weights @ sums[:, 4]),
        }


class MeanOutcomes:
    """Measures that are means over examples, such as exact match.

    values   by measure, (n,)
    counts   (n,) how much each example counts; None: one as much as another
    """

    def __init__(self, values: Mapping[str, Floats], counts: Floats | None = None) -> None:
        self.values, self.counts = values, counts

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def take(self, which: Places) -> "MeanOutcomes":
        """Some of them."""
        counts = None if self.counts is None else self.counts[which]
        return MeanOutcomes({name: each[which] for name, each in self.values.items()}, counts)

    def measures(self) -> Mapping[str, Measure]:
        """The means."""
        return {name: mean_of(each, self.counts) for name, each in self.values.items()}


class Counts(NamedTuple):
    """(R, C) how many of each class are right, found, there."""

    right: Floats
    found: Floats
    there: Floats

    def total(self) -> "Counts":
        """(R, 1) of all classes."""
        return Counts(*(part.sum(-1, keepdims=True) for part in self))

    def precision(self) -> Floats:
        """0 where nothing was found."""
        return _share(self.right, self.found)

    def recall(self) -> Floats:
        """0 where nothing is there."""
        return _share(self.right, self.there)

    def f1(self) -> Floats:
        """0 where nothing is there or found."""
        return _share(2 * self.right, self.found + self.there)


def mean_of(values: Floats, counts: Floats | None = None) -> Measure:
    """The weighted mean of (n,) values, each counting so much for each of its weights; 0 where nothing counts."""
    counts = np.ones(len(values)) if counts is None else counts
    return lambda weights: _share(weights @ (counts * values), weights @ counts)


def grouped(weights: Floats, groups: Places, count: int) -> Floats:
    """(R, count) sums of the weights in each group.

    >>> grouped(np.array([[1.0, 2.0, 4.0]]), np.array([2, 0, 2]), 3).tolist()
    [[2.0, 0.0, 5.0]]
    """
    order = np.argsort(groups, kind="stable")
    there, starts = np.unique(groups[order], return_index=True)
    sums = np.zeros((len(weights), count))
    if len(there):
        sums[:, there] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def _share(part: Floats, whole: Floats) -> Floats:
    """Their quotient, 0 where the whole is."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)


def _matthews(counts: Counts) -> Floats:
    """For any number of classes: Gorodkin (2004), as scikit-learn has it; 0 where one side is constant."""
    total = counts.there.sum(-1)
    covariance = counts.right.sum(-1) * total - (counts.found * counts.there).sum(-1)
    spread = (total**2 - (counts.found**2).sum(-1)) * (total**2 - (counts.there**2).sum(-1))
    return np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)


def _correlation(weights: Floats, one: Floats, other: Floats) -> Floats:
    """Pearson's, of (R, n) or (1, n) numbers; 0 where the numbers of one side are all the same."""
    total = weights.sum(-1, keepdims=True)
    first, second = (x - _share((weights * x).sum(-1, keepdims=True), total) for x in (one, other))
    spreads = (weights * first**2).sum(-1), (weights * second**2).sum(-1)
    sizes = (weights * one**2).sum(-1), (weights * other**2).sum(-1)
    # what is left of equal numbers after their mean is taken off is rounding, and no spread
    real = np.logical_and(*(spread > 1e-24 * (1 + size) for spread, size in zip(spreads, sizes, strict=True)))
    product = (weights * first * second).sum(-1)
    return np.divide(product, np.sqrt(spreads[0] * spreads[1]), out=np.zeros_like(product), where=real)


def _ranks(weights: Floats, values: Floats) -> Floats:
    """(R, n) the mean rank of each value where each counts `weights` times; of values that do not count, anything.

    >>> _ranks(np.array([[1.0, 2.0, 1.0], [1.0, 1.0, 1.0]]), np.array([5.0, 3.0, 5.0])).tolist()
    [[3.5, 1.5, 3.5], [2.5, 1.0, 2.5]]
    """
    _, places = np.unique(values, return_inverse=True)
    sizes = grouped(weights, places.astype(np.int64), int(places.max(initial=-1)) + 1)
    means = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    return means[:, places]
