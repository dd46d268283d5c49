"""The threshold above which no answer is given is the one with the best F1 of all there are."""

import math

import numpy as np
import pytest

from maskwright.draws import generator
from maskwright.tasks.examples import Answer, Question
from maskwright.tasks.span_answers import Answered, Reply
from maskwright.tasks.spans import measures
from maskwright.tasks.thresholds import best


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_reaches_more(seed: int) -> None:
    rng = generator(seed, "threshold")
    examples: list[Question] = []
    replies: list[Reply] = []
    for number in range(12):
        impossible = bool(rng.random() < 0.5)
        answers = () if impossible else (Answer("the old man", 0),)
        examples.append(Question("who?", "the old man sat", answers, impossible, f"q {number}"))
        text = ("the old man", "old man sat", "sat")[rng.integers(3)]
        null = float(rng.normal() - 5 * (seed % 3))  # log odds may all be below 0
        share = 1 / (1 + math.exp(null))
        replies.append(Reply((Answered(text, 0, 1, share), Answered("", 0, 0, 1 - share)), null))

    def f1(threshold: float) -> float:
        return measures(examples, [one.decided(threshold).answers[0].text for one in replies])["f1"]

    chosen = best(examples, replies)
    every = [-100.0, *(one.null for one in replies)]
    assert f1(chosen) == pytest.approx(max(f1(threshold) for threshold in every))
    # no last bit decides: it is as far from the scores on either side as they allow
    scores = sorted({one.null for one in replies})
    assert min(abs(chosen - score) for score in scores) > 0.4 * min(np.diff(scores))
