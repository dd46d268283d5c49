"""Answers that are tags, or words: what each type of thing comes to, which is taken for which, the worst sentences.

Tags that mark stretches (B-PER, I-PER, O) are judged by the stretches, as `metrics.entities` has it; others, such as
parts of speech, each by itself.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation.outcomes import Floats, SentenceOutcomes
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Tagged
from maskwright.tasks.metrics.entities import ratios, things
from maskwright.tasks.schemes import Span, mark_spans, words_of_tags

MISSED = "(none)"
"""In the table of confusions: nothing stands there."""
LENGTHS = ("1 character", "2 characters", "3 characters", "4 or more")
"""Types of words."""


class TagAnswers:
    """Tags for each sentence; see `judging.Judged`."""

    hits: Floats | None = None

    def __init__(self, examples: Sequence[Tagged], answers: Sequence[Sequence[str]], part: TaskPart) -> None:
        self.examples, self.answers = examples, answers
        self.marks = mark_spans(part.labels)
        self.gold = [set(things(one.tags or (), marks=self.marks)) for one in examples]
        self.said = [set(things(tags, marks=self.marks)) for tags in answers]
        pairs = [zip(one.tags or (), tags, strict=True) for one, tags in zip(examples, answers, strict=True)]
        self.outcomes = outcomes_of(
            self.gold, self.said, [sum(a == b for a, b in each) for each in pairs], [len(one.words) for one in examples]
        )

    def details(self) -> dict[str, Any]:
        """Tables by type: of stretches, or of tags."""
        confused = Counter[tuple[str, str]]()
        for its, said in zip(self.gold, self.said, strict=True):
            places = {(one.begin, one.end): one.type for one in said}
            confused.update((one.type, places.pop((one.begin, one.end), MISSED)) for one in its)
            confused.update((MISSED, kind) for kind in places.values())
        classes = by_type(self.gold, self.said)
        names = [one["name"] for one in classes] + ([MISSED] if self.marks else [])
        counts = [[confused[gold, said] for said in names] for gold in names]
        return {"classes": classes, "confusion": {"labels": names, "counts": counts}}

    def worst(self, most: int) -> list[Wrong]:
        """The sentences with the most that is missed, invented or of another type; then with the most wrong tags."""
        return [
            Wrong(
                place,
                wrong,
                self._shown(self.examples[place], self.gold[place]),
                self._shown(self.examples[place], self.said[place]),
                None,
            )
            for place, wrong in most_wrong(self.outcomes, most)
        ]

    def _shown(self, example: Tagged, marked: set[Span]) -> str:
        between = "" if example.joined else " "
        said = [f"{between.join(example.words[one.begin : one.end])}/{one.type}" for one in sorted(marked)]
        return " ".join(said) or MISSED


class WordAnswers:
    """Words of Chinese for each sentence, by the number of their characters; see `judging.Judged`."""

    hits: Floats | None = None

    def __init__(self, examples: Sequence[Tagged], answers: Sequence[Sequence[str]], part: TaskPart) -> None:
        del part
        self.right = [words_of_tags(one.words, one.tags or ()) for one in examples]
        self.answers = answers
        self.gold, self.said = (list(map(_words, each)) for each in (self.right, answers))
        self.outcomes = outcomes_of(self.gold, self.said, [0] * len(examples), [0] * len(examples))

    def details(self) -> dict[str, Any]:
        """A table by the length of words."""
        return {"classes": by_type(self.gold, self.said)}

    def worst(self, most: int) -> list[Wrong]:
        """The sentences with the most words that are missed or invented."""
        return [
            Wrong(place, wrong, " ".join(self.right[place]), " ".join(self.answers[place]), None)
            for place, wrong in most_wrong(self.outcomes, most)
        ]


def outcomes_of(
    gold: Sequence[set[Span]], said: Sequence[set[Span]], right: Sequence[int], words: Sequence[int]
) -> SentenceOutcomes:
    """What each sentence adds: things that are right, found, there; its tags that are right, and all."""
    sums = [
        (len(its & found), len(found), len(its), tags, size)
        for its, found, tags, size in zip(gold, said, right, words, strict=True)
    ]
    return SentenceOutcomes(np.array(sums, np.float64).reshape(len(sums), 5))


def by_type(gold: Sequence[set[Span]], said: Sequence[set[Span]]) -> list[dict[str, Any]]:
    """precision, recall, f1 and support of the things of each type."""
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    for its, other in zip(gold, said, strict=True):
        there.update(one.type for one in its)
        found.update(one.type for one in other)
        right.update(one.type for one in its & other)
    return [
        {"name": name, **ratios(right[name], found[name], there[name]), "support": there[name]}
        for name in sorted(found | there)
    ]


def most_wrong(outcomes: SentenceOutcomes, most: int) -> list[tuple[int, float]]:
    """The places of the worst sentences, and how many things of each are missed or invented."""
    right, found, there, tags, size = outcomes.sums.T
    wrong = found + there - 2 * right
    order = np.lexsort((np.arange(len(wrong)), tags - size, -wrong))[:most]
    return [(place, float(wrong[place])) for place in order.tolist()]


def _words(words: Sequence[str]) -> set[Span]:
    """Where words stand, each of the type of its length."""
    ends = list(accumulate(map(len, words)))
    return {
        Span(end - len(word), end, LENGTHS[min(len(word), len(LENGTHS)) - 1])
        for word, end in zip(words, ends, strict=True)
    }
