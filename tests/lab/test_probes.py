"""Probes against what is known of made-up data, against brute force, and against leaks."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse

from maskwright.errors import BadInput
from maskwright.lab import probes


def clouds(chapters_of_class, texts, width, distance, seed=0):
    """Gaussian clouds around one centre a class: vectors, classes, chapters (numbered through)."""
    draw = np.random.default_rng(seed)
    classes = np.repeat(np.arange(len(chapters_of_class)), np.array(chapters_of_class) * texts)
    groups = np.repeat(np.arange(sum(chapters_of_class)), texts)
    centres = distance * np.eye(width)[: len(chapters_of_class)]
    return centres[classes] + draw.normal(size=(len(classes), width)), classes, groups


def test_logistic_regression_reaches_what_the_best_line_between_two_clouds_reaches():
    # Two clouds of deviation 1 whose centres are d apart: the best answer is right with probability Phi(d / 2).
    vectors, classes, groups = clouds([40, 40], 50, 5, 1.5)
    test, truth, chapters = clouds([40, 40], 50, 5, 1.5, seed=1)
    penalty = probes.choose_penalty(vectors, classes, groups)
    found = probes.judged(probes.predict(vectors, classes, test, penalty), truth, chapters)
    best = 0.5 * (1 + math.erf(1.5 / 2))  # the centres are 1.5 * sqrt 2 apart
    deviation = np.sqrt(best * (1 - best) / len(truth))
    assert abs(found.accuracy.mean - best) < 4 * deviation
    assert found.accuracy.low < found.accuracy.mean < found.accuracy.high
    assert found.right.mean() == found.accuracy.mean == (found.predicted == truth).mean()


def test_vectors_that_know_nothing_are_at_chance():
    vectors, classes, groups = clouds([10, 10, 10], 30, 4, 0.0)
    test, truth, _ = clouds([10, 10, 10], 30, 4, 0.0, seed=1)
    right = probes.predict(vectors, classes, test, probes.choose_penalty(vectors, classes, groups)) == truth
    assert abs(right.mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / len(truth))


def test_a_chapter_on_both_sides_is_refused_and_so_is_an_unknown_class():
    _, classes, groups = clouds([3, 3], 5, 3, 1.0)
    probes.check_apart(classes, groups, classes, groups + 100)
    with pytest.raises(ValueError, match="both"):
        probes.check_apart(classes, groups, classes, groups + 5)
    with pytest.raises(BadInput, match=r"\[2\]"):
        probes.check_apart(classes, groups, classes + 1, groups + 100)


def test_whole_chapters_of_every_class_are_put_aside_and_none_is_emptied():
    _, classes, groups = clouds([12, 4, 2], 7, 3, 1.0)
    aside = probes.put_aside(classes, groups, 0.25, seed=3)
    for chapter in np.unique(groups):
        assert aside[groups == chapter].all() or not aside[groups == chapter].any()
    chosen = [len(np.unique(groups[aside & (classes == one)])) for one in range(3)]
    assert chosen == [3, 1, 1]
    assert (probes.put_aside(classes, groups, 0.25, seed=3) == aside).all()


def test_a_class_of_one_chapter_leaves_the_penalty_at_its_default():
    vectors, classes, groups = clouds([1, 1], 9, 3, 1.0)
    assert probes.choose_penalty(vectors, classes, groups) == 1.0


def test_the_interval_is_the_distribution_over_all_redrawn_sets_of_groups():
    # Four groups of unequal size: all 4^4 ways to redraw them, listed, give the exact distribution.
    sizes, rights = [3, 10, 5, 2], [3, 4, 5, 0]
    values = np.concatenate([np.arange(n) < k for n, k in zip(sizes, rights)])
    groups = np.repeat([7, 3, 9, 1], sizes)
    exact = [
        sum(rights[i] for i in ways) / sum(sizes[i] for i in ways) for ways in itertools.product(range(4), repeat=4)
    ]
    found = probes.interval(values, groups, draws=20_000)
    assert found.mean == pytest.approx(12 / 20)
    assert found.low == pytest.approx(np.quantile(exact, 0.025), abs=0.03)
    assert found.high == pytest.approx(np.quantile(exact, 0.975), abs=0.03)
    assert probes.interval(values, groups, draws=20_000) == found


def test_texts_of_one_chapter_that_stand_or_fall_together_widen_the_interval():
    right = np.repeat(np.arange(20) % 2, 50)
    by_chapter = probes.interval(right, np.repeat(np.arange(20), 50))
    by_text = probes.interval(right, np.arange(1000))
    assert by_chapter.high - by_chapter.low > 5 * (by_text.high - by_text.low)


def test_a_difference_of_two_probes_is_judged_on_the_same_draws():
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 20)
    hard = np.repeat(draw.random(30), 20)  # how hard a chapter is, for both alike
    first, second = draw.random(600) < hard + 0.05, draw.random(600) < hard
    gain = probes.interval(first.astype(int) - second, groups)
    alone = probes.interval(first, groups)
    assert gain.mean == pytest.approx(first.mean() - second.mean())
    assert gain.high - gain.low < alone.high - alone.low


def test_confusion_counts_every_pair():
    draw = np.random.default_rng(0)
    truth, answers = draw.integers(4, size=500), draw.integers(4, size=500)
    counted = [[int(((truth == i) & (answers == j)).sum()) for j in range(4)] for i in range(4)]
    assert probes.confusion(truth, answers, 4).tolist() == counted


def test_a_bag_of_words_learns_its_words_from_the_training_texts_alone():
    train, test = probes.bag_of_words(["a cat sat", "a cat ran", "the dog ran"], ["a zebra ran", ""], characters=False)
    assert scipy.sparse.issparse(train) and train.shape[1] == test.shape[1] == 2  # cat, ran; "a" is no word to it
    assert test[0].nnz == 1 and test[1].nnz == 0
    train, test = probes.bag_of_words(["玄德大喜", "玄德曰", "大喜"], ["玄德"], characters=True)
    assert train.shape[1] == 6 and test.nnz == 3  # 玄 德 大 喜 玄德 大喜
