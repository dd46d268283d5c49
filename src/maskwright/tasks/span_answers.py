"""Which stretches of a context are answers, best first, from the scores of all windows.

As BERT's run_squad.py has it: a span scores what its beginning and its end score together, in the window in which its
beginning has the most context; that there is none scores what [CLS] does, in the window where it does least; both
become probabilities by a softmax over the best few. Unlike there every span of a window is looked at, not only those
between its twenty best beginnings and ends.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.batch import Booleans, Integers

Scores = npt.NDArray[np.floating]
BEST = 20
"""Answers that are looked at, run_squad.py's n_best_size; probabilities are shares of these."""


class Answered(NamedTuple):
    """An answer: a stretch of the context, as it stands there.

    text         "": there is no answer
    start, end   of its characters; 0, 0 where there is none
    probability  its share among the best few
    """

    text: str
    start: int
    end: int
    probability: float


class Reply(NamedTuple):
    """All that is said to a question.

    answers   the first is what is answered, the others are what else it could be, best first, none twice
    null      how much higher "there is no answer" scores than the best one; infinite where there is no other
    """

    answers: tuple[Answered, ...]
    null: float

    @property
    def best(self) -> str:
        """The best answer, whether or not it is given; "" where the context has no token."""
        return next((one.text for one in self.answers if one.text), "")

    def decided(self, threshold: float | None) -> "Reply":
        """The same with what is answered in front: none where `null` is above the threshold, else the best one."""
        none = [one for one in self.answers if not one.text]
        some = [one for one in self.answers if one.text]
        if threshold is None or not none or not some:
            return self
        by_share = sorted(self.answers, key=lambda one: -one.probability)
        front = none[0] if self.null > threshold else some[0]
        return self._replace(answers=(front, *(one for one in by_share if one is not front)))


class Found(NamedTuple):
    """A stretch of a context, in characters, and its score."""

    start: int
    end: int
    score: float


def best_spans(
    start: Scores, end: Scores, own: Booleans, offsets: Integers, context: str, longest: int, count: int = BEST
) -> list[Found]:
    """The best spans of a window that begin at its own tokens, best first, none twice; of equals the first.

    start, end, own  (S,) of the context's tokens that it has
    offsets          (S, 2) where these begin and end, in characters
    longest          tokens of a span

    White space around a span goes, and a span of nothing else is none.

    >>> scores = np.array([0.0, 2.0, 1.0])
    >>> places = np.array([[0, 3], [4, 9], [10, 13]])
    >>> best_spans(scores, scores, np.array([True, True, False]), places, "the  cats sat", longest=2, count=2)
    [Found(start=5, end=9, score=4.0), Found(start=5, end=13, score=3.0)]
    """
    width = min(longest, len(start))
    if not width:
        return []
    behind = np.concatenate([end, np.full(width - 1, -np.inf, end.dtype)])
    table = start[:, None] + np.lib.stride_tricks.sliding_window_view(behind, width)  # (S, width)
    table[~own] = -np.inf
    scores = table.ravel()
    found: dict[tuple[int, int], float] = {}
    for at in np.argsort(-scores, kind="stable").tolist():
        if scores[at] == -np.inf or len(found) == count:
            break
        first, last = at // width, at // width + at % width
        begin, stop = int(offsets[first, 0]), int(offsets[last, 1])
        text = context[begin:stop]
        begin += len(text) - len(text.lstrip())
        if stripped := text.strip():
            found.setdefault((begin, begin + len(stripped)), float(scores[at]))
    return [Found(*place, score) for place, score in found.items()]


def reply(found: Sequence[Found], null: float, context: str, threshold: float | None, count: int = BEST) -> Reply:
    """What is answered, from the best spans of all windows of a question.

    null       the score of there being no answer
    threshold  see `SpanSettings`

    >>> said = reply([Found(4, 8, 4.0), Found(0, 8, 3.0)], 1.0, "the cats", None)
    >>> said.answers[0].text, said.answers[1].start, said.null
    ('cats', 0, -3.0)
    """
    places: dict[tuple[int, int], float] = {}
    for start, end, score in sorted(found, key=lambda one: (-one.score, one.start, one.end)):
        if len(places) < count:
            places.setdefault((start, end), score)
    scores = list(places.values())
    total = [*scores, null] if threshold is not None or not scores else scores
    shares = np.exp(np.array(total) - max(total))
    shares /= shares.sum()
    answers = [
        Answered(context[start:end], start, end, share)
        for (start, end), share in zip(places, shares.tolist(), strict=False)
    ]
    if len(total) > len(scores):
        answers.append(Answered("", 0, 0, float(shares[-1])))
    return Reply(tuple(answers), null - scores[0] if scores else math.inf).decided(threshold)
