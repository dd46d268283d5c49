"""Answers to questions: which are right, by whether there is an answer, and what was most wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation.outcomes import Floats, MeanOutcomes, value
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Question
from maskwright.tasks.spans import values

NONE = "(no answer)"


class SpanAnswers:
    """A stretch of its context, or nothing, for each question; see `judging.Judged`."""

    def __init__(self, examples: Sequence[Question], answers: Sequence[Any], part: TaskPart) -> None:
        del part
        self.examples = examples
        self.said = [answer.answers[0] for answer in answers]
        found = values(examples, [one.text for one in self.said])
        by_name = {"f1": [one.f1 for one in found], "exact": [one.exact for one in found]}
        self.outcomes = MeanOutcomes({name: np.array(each, np.float64) for name, each in by_name.items()})

    @property
    def hits(self) -> Floats:
        """(n,) 1 where an answer is exactly right."""
        return (self.outcomes.values["exact"] == 1).astype(np.float64)

    def details(self) -> dict[str, Any]:
        """Of questions with an answer and without: how many, how often an answer is given, how well."""
        rows: list[dict[str, Any]] = []
        for name, impossible in (("with an answer", False), ("without an answer", True)):
            which = np.flatnonzero([one.impossible == impossible for one in self.examples])
            if len(which):
                inside = self.outcomes.take(which.astype(np.int64)).measures()
                rows.append({
                    "name": name,
                    "support": len(which),
                    "answered": float(np.mean([bool(self.said[i].text) for i in which])),
                    **{measure: value(of, len(which)) for measure, of in inside.items()},
                })  # fmt: skip
        return {"questions": rows}

    def worst(self, most: int) -> list[Wrong]:
        """Those of the least F1; of equals those that the model was surest of."""
        f1 = self.outcomes.values["f1"]
        sure = np.array([one.probability for one in self.said])
        return [
            Wrong(i, float(1 - f1[i]), _right(self.examples[i]), self.said[i].text or NONE, None)
            for i in np.lexsort((np.arange(len(f1)), -sure, f1))[:most].tolist()
        ]


def _right(example: Question) -> str:
    return " | ".join(dict.fromkeys(answer.text for answer in example.answers)) or NONE
