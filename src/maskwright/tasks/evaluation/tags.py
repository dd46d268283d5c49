"""Answers that are tags of words: what each type of thing comes to, which is taken for which, the worst sentences.

Tags that mark stretches (B-PER, I-PER, O) are judged by the stretches, as `metrics.entities` has it; others, such as
parts of speech, each by itself.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation.outcomes import Floats, SentenceOutcomes
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Tagged
from maskwright.tasks.metrics.entities import ratios
from maskwright.tasks.schemes import OUTSIDE, Span, lenient_spans, parts

MISSED = "(none)"
"""In the table of confusions: nothing stands there."""


class TagAnswers:
    """Tags for each sentence; see `judging.Judged`."""

    hits: Floats | None = None

    def __init__(self, examples: Sequence[Tagged], answers: Sequence[Sequence[str]], part: TaskPart) -> None:
        self.examples, self.answers = examples, answers
        self.marks = marks_spans(part.labels)
        self.gold, self.said = (
            [self._things(tags) for tags in sentences] for sentences in ([one.tags or () for one in examples], answers)
        )
        right = [
            sum(a == b for a, b in zip(one.tags or (), said, strict=True))
            for one, said in zip(examples, answers, strict=True)
        ]
        sums = [
            (len(its & said), len(said), len(its), tags, len(one.words))
            for its, said, tags, one in zip(self.gold, self.said, right, examples, strict=True)
        ]
        self.outcomes = SentenceOutcomes(np.array(sums, np.float64).reshape(len(sums), 5))

    def details(self) -> dict[str, Any]:
        """Tables by type: of stretches, or of tags."""
        found, there, right = Counter[str](), Counter[str](), Counter[str]()
        confused = Counter[tuple[str, str]]()
        for its, said in zip(self.gold, self.said, strict=True):
            there.update(one.type for one in its)
            found.update(one.type for one in said)
            right.update(one.type for one in its & said)
            places = {one[:2]: one.type for one in said}
            confused.update((one.type, places.pop(one[:2], MISSED)) for one in its)
            confused.update((MISSED, kind) for kind in places.values())
        names = sorted(found | there)
        rows = names if self.marks is False else [*names, MISSED]
        return {
            "classes": [
                {"name": name, **ratios(right[name], found[name], there[name]), "support": there[name]}
                for name in names
            ],
            "confusion": {"labels": rows, "counts": [[confused[a, b] for b in rows] for a in rows]},
        }

    def worst(self, most: int) -> list[Wrong]:
        """The sentences with the most that is missed, invented or of another type; then with the most wrong tags."""
        sums = self.outcomes.sums
        things, tags = sums[:, 1] + sums[:, 2] - 2 * sums[:, 0], sums[:, 4] - sums[:, 3]
        order = np.lexsort((np.arange(len(sums)), -tags, -things))[:most]
        return [
            Wrong(
                i,
                float(things[i]),
                self._shown(self.examples[i], self.examples[i].tags or ()),
                self._shown(self.examples[i], self.answers[i]),
                None,
            )
            for i in order.tolist()
        ]

    def _things(self, tags: Sequence[str]) -> set[Span]:
        """What tags mark: stretches, or each word."""
        if self.marks:
            return set(lenient_spans(tags))
        return {Span(at, at + 1, tag) for at, tag in enumerate(tags)}

    def _shown(self, example: Tagged, tags: Sequence[str]) -> str:
        between = "" if example.joined else " "
        said = [f"{between.join(example.words[s.begin : s.end])}/{s.type}" for s in sorted(self._things(tags))]
        return " ".join(said) or MISSED


def marks_spans(labels: Sequence[str]) -> bool:
    """Whether tags mark stretches of words.

    >>> marks_spans(("O", "B-PER", "I-PER")), marks_spans(("NOUN", "VERB"))
    (True, False)
    """
    letters = {parts(label)[0] for label in labels}
    return letters <= set("BIMESO") and letters != {OUTSIDE}
