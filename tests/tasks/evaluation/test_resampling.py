"""The bootstrap beside all resamples there are, and McNemar's test beside its binomial sum."""

from itertools import product
from math import comb

import numpy as np
import pytest

from maskwright.draws import generator
from maskwright.tasks.evaluation import resampling
from maskwright.tasks.evaluation.outcomes import ClassOutcomes, NumberOutcomes, mean_of


def test_resamples_are_draws_with_replacement_whatever_fits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resampling.resamples(7, 3, 100)))
    assert whole.shape == (100, 7) and (whole.sum(1) == 7).all() and whole.var(0).min() > 0
    monkeypatch.setattr(resampling, "CELLS", 14)
    parts = list(resampling.resamples(7, 3, 100))
    assert len(parts) == 50 and np.concatenate(parts).shape == (100, 7)
    assert np.array_equal(np.concatenate(list(resampling.resamples(7, 3, 100))), np.concatenate(parts))


def test_the_interval_is_that_of_all_resamples() -> None:
    outcomes = ClassOutcomes(np.array([0, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 0]), 2)
    measure = outcomes.measures()["macro_f1"]
    every = np.array([np.bincount(draw, minlength=5) for draw in product(range(5), repeat=5)], float)
    exact = measure(every)
    found = resampling.interval(measure, 5, 0, 20_000)
    assert found.value == pytest.approx(measure(np.ones((1, 5)))[0])
    # of a few values, each with a share: the drawn quantile is one beside which the exact distribution has its level
    for end, level in ((found.low, 0.025), (found.high, 0.975)):
        assert (exact < end - 1e-9).mean() <= level + 0.01 and (exact <= end + 1e-9).mean() >= level - 0.01


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    values = generator(1, "values").normal(size=400)
    found = resampling.interval(mean_of(values), 400, 0, 4000)
    error = values.std() / 20
    expected = values.mean() - 1.96 * error, values.mean() + 1.96 * error
    assert (found.low, found.high) == pytest.approx(expected, abs=0.2 * error)


def test_two_models_are_compared_on_the_same_resamples() -> None:
    rng = generator(2, "pairs")
    gold = rng.normal(size=60)
    one = NumberOutcomes(gold, gold + rng.normal(size=60)).measures()["pearson"]
    same = resampling.compared(one, one, 60, 0)
    assert same.difference == (0, 0, 0) and same.not_better == 1
    worse = NumberOutcomes(gold, rng.normal(size=60)).measures()["pearson"]
    beside = resampling.compared(one, worse, 60, 0)
    assert 0 < beside.difference.low < beside.difference.value < beside.difference.high and beside.not_better == 0
    assert resampling.compared(worse, one, 60, 0).difference.value == -beside.difference.value


def test_mcnemar_is_the_sum_of_the_binomial() -> None:
    this, other = np.array([1.0] * 9 + [0.0] * 3 + [1.0] * 5), np.array([0.0] * 9 + [1.0] * 3 + [1.0] * 5)
    found = resampling.discordant(this, other)
    assert (found.this, found.other) == (9, 3)
    assert found.p == pytest.approx(2 * sum(comb(12, k) for k in range(4)) / 2**12)
    assert resampling.discordant(this, this).p == 1
