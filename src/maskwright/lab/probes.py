"""Judging by chapters: a bag of words with logistic regression, intervals, and who is taken for whom.

Texts of one chapter resemble each other (the same people, the same ball), so whole chapters are put aside to
choose a setting, no chapter is learned from and judged by, and intervals come from drawing whole chapters.
"""
# scikit-learn carries no types:
# pyright: reportMissingTypeStubs=false

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.draws import generator
from maskwright.errors import BadInput

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
PENALTIES = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0)  # scikit-learn's C: larger is weaker
DRAWS = 5_000


class Interval(NamedTuple):
    """A mean and the range in which 95 % of resampled means lie."""

    mean: float
    low: float
    high: float


class Probe(NamedTuple):
    """What a probe says about the test texts.

    predicted    (N,) classes
    right        (N,) bool
    accuracy     share right, with its interval
    """

    predicted: Integers
    right: npt.NDArray[np.bool_]
    accuracy: Interval


def judged(predicted: Integers, truth: Integers, chapters: Integers, seed: int = 0) -> Probe:
    """Answers (N,) beside the truth (N,), in the chapters (N,)."""
    right = predicted == truth
    return Probe(predicted, right, interval(right, chapters, seed))


def check_apart(classes: Integers, chapters: Integers, test_classes: Integers, test_chapters: Integers) -> None:
    """ValueError when a chapter is on both sides; BadInput when a class is there only to be judged."""
    if set(chapters.tolist()) & set(test_chapters.tolist()):
        raise ValueError("a chapter is in both the training and the test set")
    if missing := sorted(set(test_classes.tolist()) - set(classes.tolist())):
        raise BadInput(f"the test set has classes {missing} that the training set lacks: give the probe more text")


def choose_penalty(vectors: Any, classes: Integers, groups: Integers, seed: int = 0, share: float = 0.15) -> float:
    """The penalty that answers best on a share of the chapters, learned from the others."""
    aside = put_aside(classes, groups, share, seed)
    if not aside.any() or set(classes[aside].tolist()) - set(classes[~aside].tolist()):
        return 1.0  # too few chapters to choose from
    rights = [
        float(np.mean(predict(vectors[~aside], classes[~aside], vectors[aside], penalty) == classes[aside]))
        for penalty in PENALTIES
    ]
    return PENALTIES[int(np.argmax(rights))]


def put_aside(classes: Integers, groups: Integers, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """(N,) bool: texts of about `share` of each class's chapters, whole chapters, at least one of each left."""
    draw = generator(seed, "probe chapters")
    chosen: list[int] = []
    for one in np.unique(classes):
        chapters = draw.permutation(np.unique(groups[classes == one]))
        chosen += chapters[: min(max(1, round(share * len(chapters))), len(chapters) - 1)].tolist()
    return np.isin(groups, chosen)


def predict(vectors: Any, classes: Integers, test_vectors: Any, penalty: float) -> Integers:
    """Logistic regression learned on one set, its answers on another."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise BadInput("probes need scikit-learn: pip install 'maskwright[classic]'") from error

    model: Any = LogisticRegression(C=penalty, max_iter=1_000, tol=1e-3)
    model.fit(vectors, classes)
    return np.asarray(model.predict(test_vectors))


def bag_of_words(texts: Sequence[str], test_texts: Sequence[str], *, characters: bool) -> tuple[Any, Any]:
    """Sparse tf-idf matrices of both sets: words and pairs of words, or of characters where nothing parts words."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise BadInput("a bag of words needs scikit-learn: pip install 'maskwright[classic]'") from error

    unit = "char" if characters else "word"
    bag: Any = TfidfVectorizer(analyzer=unit, ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return bag.fit_transform(texts), bag.transform(test_texts)


def interval(values: npt.NDArray[Any], groups: Integers, seed: int = 0, draws: int = DRAWS) -> Interval:
    """The mean of `values`, and how it varies when whole groups are drawn again with replacement.

    values    (N,) right or wrong, or the difference of two such rows
    """
    _, of_value = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(of_value, values.astype(np.float64)), np.bincount(of_value)
    drawn = generator(seed, "bootstrap").integers(len(sums), size=(draws, len(sums)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def confusion(classes: Integers, predicted: Integers, number: int) -> Integers:
    """(number, number) counts: rows are the truth, columns the answers.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    return np.bincount(classes * number + predicted, minlength=number * number).reshape(number, number)
