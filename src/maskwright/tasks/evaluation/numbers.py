"""Answers that are numbers: how far they are off, and in which direction where."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation.outcomes import Floats, NumberOutcomes
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Labelled
from maskwright.tasks.predictions import Prediction

POINTS = 2000
"""Residuals that are listed; of more examples, evenly spaced ones."""


class NumberAnswers:
    """A number for each text; see `judging.Judged`."""

    hits: Floats | None = None

    def __init__(self, examples: Sequence[Labelled], answers: Sequence[Prediction], part: TaskPart) -> None:
        del part
        gold = np.array([one.label for one in examples], np.float64)
        self.outcomes = NumberOutcomes(gold, np.array([answer.label for answer in answers], np.float64))

    def details(self) -> dict[str, Any]:
        """Residuals, what was said less what is right: their mean, spread, and each."""
        gold, said = self.outcomes.gold, self.outcomes.said
        off = said - gold
        shown = np.unique(np.linspace(0, len(gold) - 1, min(len(gold), POINTS)).round().astype(np.int64))
        return {
            "residuals": {
                "mean": float(off.mean()),
                "deviation": float(off.std()),
                "mean_absolute_error": float(np.abs(off).mean()),
                "gold": gold[shown].tolist(),
                "predicted": said[shown].tolist(),
            }
        }

    def worst(self, most: int) -> list[Wrong]:
        """Those that are off the farthest."""
        gold, said = self.outcomes.gold, self.outcomes.said
        off = np.abs(said - gold)
        return [
            Wrong(i, float(off[i]), f"{gold[i]:g}", f"{said[i]:.4g}", None)
            for i in np.argsort(-off, kind="stable")[:most].tolist()
        ]
