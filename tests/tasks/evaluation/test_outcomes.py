"""Weighted measures beside scikit-learn's and scipy's of examples that are there so many times."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sklearn

from maskwright.draws import generator
from maskwright.tasks.evaluation.outcomes import (
    ClassOutcomes,
    MeanOutcomes,
    NumberOutcomes,
    SentenceOutcomes,
    SeveralOutcomes,
    value,
)
from maskwright.tasks.metrics import classes, entities, numbers

CASES = 20


def counts(rng: np.random.Generator, size: int) -> Any:
    """How often each example is there, as in a draw with replacement."""
    return np.bincount(rng.integers(0, size, size), minlength=size)


@pytest.mark.parametrize("number", [2, 5])
def test_classes(number: int) -> None:
    rng = generator(0, "classes", number)
    for _ in range(CASES):
        size = int(rng.integers(1, 30))
        gold, said = (rng.integers(0, number, size) for _ in range(2))
        weights = counts(rng, size)
        found = ClassOutcomes(gold, said, number).measures()
        many = np.repeat(gold, weights), np.repeat(said, weights)
        theirs = {
            "accuracy": sklearn.accuracy_score(*many),
            "matthews": sklearn.matthews_corrcoef(*many) if len({*many[0], *many[1]}) > 1 else 0.0,
            "macro_f1": sklearn.f1_score(*many, labels=range(number), average="macro", zero_division=0),
        }
        if number == 2:
            theirs["f1"] = sklearn.f1_score(*many, pos_label=1, zero_division=0)
        ours = {name: float(measure(weights[None].astype(float))[0]) for name, measure in found.items()}
        assert ours == pytest.approx(theirs)
        names = [str(i) for i in range(number)]
        of_all = classes.scores([names[i] for i in gold], [names[i] for i in said], names)
        assert {name: value(measure, size) for name, measure in found.items()} == pytest.approx(dict(of_all))


def test_several_classes() -> None:
    rng = generator(0, "several")
    for _ in range(CASES):
        size = int(rng.integers(1, 30))
        gold, said = (rng.integers(0, 2, (size, 3)).astype(float) for _ in range(2))
        weights = counts(rng, size)
        many = np.repeat(gold, weights, 0), np.repeat(said, weights, 0)
        ours = SeveralOutcomes(gold, said).measures()
        assert {n: float(m(weights[None].astype(float))[0]) for n, m in ours.items()} == pytest.approx({
            "accuracy": sklearn.accuracy_score(*many),
            "micro_f1": sklearn.f1_score(*many, average="micro", zero_division=0),
            "macro_f1": sklearn.f1_score(*many, average="macro", zero_division=0),
        })  # fmt: skip


def test_numbers_with_ties_and_far_from_zero() -> None:
    rng = generator(0, "numbers")
    for _ in range(CASES):
        size = int(rng.integers(8, 30))
        gold, said = 1e4 + rng.integers(0, 6, size), 1e4 + rng.integers(0, 6, size)
        weights = counts(rng, size)
        many = np.repeat(gold, weights).astype(float), np.repeat(said, weights).astype(float)
        ours = NumberOutcomes(gold.astype(float), said.astype(float)).measures()
        squared = sklearn.mean_squared_error(*many)
        assert {n: float(m(weights[None].astype(float))[0]) for n, m in ours.items()} == pytest.approx({
            "pearson": pearsonr(*many).statistic,
            "spearman": spearmanr(*many).statistic,
            "mean_squared_error": squared,
            "root_mean_squared_error": squared**0.5,
        })  # fmt: skip


def test_a_constant_side_has_no_correlation_and_is_told_as_the_metrics_tell_it() -> None:
    gold, said = [1.1, 1.1, 1.1], [0.3, 0.2, 0.9]
    ours = NumberOutcomes(np.array(gold), np.array(said)).measures()
    theirs = numbers.scores(gold, said)
    assert [value(ours[name], 3) for name in ("pearson", "spearman")] == [0.0, 0.0]
    assert value(ours["mean_squared_error"], 3) == pytest.approx(theirs["mean_squared_error"])


def test_sentences_count_as_their_metric_counts_them() -> None:
    gold = [["B-PER", "I-PER", "O"], ["O", "B-LOC"], ["B-ORG"]]
    said = [["B-PER", "O", "O"], ["O", "B-LOC"], ["B-PER"]]
    sums = np.array([[0, 1, 1, 2, 3], [1, 1, 1, 2, 2], [0, 1, 1, 0, 1]], float)
    outcomes = SentenceOutcomes(sums)
    assert {n: value(m, 3) for n, m in outcomes.measures().items()} == pytest.approx(dict(entities.scores(gold, said)))
    twice = np.array([[0.0, 2.0, 1.0]])
    found = {name: float(measure(twice)[0]) for name, measure in outcomes.measures().items()}
    assert found == pytest.approx(dict(entities.scores([gold[1], gold[1], gold[2]], [said[1], said[1], said[2]])))
    some = outcomes.take(np.array([1, 2]))
    assert value(some.measures()["f1"], 2) == pytest.approx(entities.scores(gold[1:], said[1:])["f1"])


def test_means() -> None:
    outcomes = MeanOutcomes({"exact": np.array([1.0, 0.0, 1.0, 0.5])})
    assert value(outcomes.measures()["exact"], 4) == 0.625
    assert value(outcomes.take(np.array([1, 3])).measures()["exact"], 2) == 0.25
