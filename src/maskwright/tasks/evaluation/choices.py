"""Answers that are options: how often each place is right and chosen, and what was most wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation import calibration
from maskwright.tasks.evaluation.classes import by_class, calibration_told
from maskwright.tasks.evaluation.outcomes import ClassOutcomes, Floats, Places
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Choice


class OptionAnswers:
    """The place of an option for each text; see `judging.Judged`.

    answers   have `place` and `shares`, as `tasks.choices.Chosen`
    """

    def __init__(self, examples: Sequence[Choice], answers: Sequence[Any], part: TaskPart) -> None:
        del part
        self.examples, self.answers = examples, answers
        self.gold: Places = np.array([one.label for one in examples], np.int64)
        said: Places = np.array([answer.place for answer in answers], np.int64)
        self.outcomes = ClassOutcomes(self.gold, said, max(len(one.options) for one in examples))

    @property
    def hits(self) -> Floats:
        """(n,) 1 where the right option was chosen."""
        return self.outcomes.hits

    def details(self) -> dict[str, Any]:
        """A table by the place of options, which tells of a place that is preferred; and, where all examples have as
        many options, calibration.
        """
        found: dict[str, Any] = {
            "classes": by_class(self.outcomes, [f"option {place}" for place in range(self.outcomes.classes)])
        }
        if len({len(one.options) for one in self.examples}) == 1:
            shares = np.array([answer.shares for answer in self.answers], np.float64)
            found["calibration"] = calibration_told(calibration.of_class(shares, self.gold))
        return found

    def worst(self, most: int) -> list[Wrong]:
        """Those whose right option has the least probability."""
        right = np.array([answer.shares[gold] for answer, gold in zip(self.answers, self.gold, strict=True)])
        losses = -np.log(np.maximum(right, calibration.SMALLEST))
        return [
            Wrong(
                i,
                float(losses[i]),
                _text(self.examples[i], int(self.gold[i])),
                _text(self.examples[i], self.answers[i].place),
                float(right[i]),
            )
            for i in np.argsort(-losses, kind="stable")[:most].tolist()
        ]


def _text(example: Choice, place: int) -> str:
    return " | ".join(example.options[place])
