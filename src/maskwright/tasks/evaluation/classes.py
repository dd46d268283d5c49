"""Answers that are classes: what each class comes to, which are taken for which, and what was most wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation import calibration
from maskwright.tasks.evaluation.outcomes import ClassOutcomes, Floats, Places, SeveralOutcomes
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Labelled
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.texts import names_of

CONFUSIONS = 20
"""Pairs of classes that are listed."""


class ClassAnswers:
    """One class of several for each text; see `judging.Judged`."""

    def __init__(self, examples: Sequence[Labelled], answers: Sequence[Prediction], part: TaskPart) -> None:
        self.examples, self.answers, self.part = examples, answers, part
        places = {name: i for i, name in enumerate(part.labels)}
        self.gold: Places = np.array([places[names_of(one)[0]] for one in examples], np.int64)
        self.shares = shares_of(answers, part)
        said: Places = np.array([places[str(answer.label)] for answer in answers], np.int64)
        self.outcomes = ClassOutcomes(self.gold, said, len(part.labels))

    @property
    def hits(self) -> Floats:
        """(n,) 1 where the answer is right."""
        return self.outcomes.hits

    def details(self) -> dict[str, Any]:
        """Tables by class, and calibration."""
        size = len(self.part.labels)
        counts = np.zeros((size, size), np.int64)
        np.add.at(counts, (self.gold, self.outcomes.said), 1)
        return {
            "classes": by_class(self.outcomes, self.part.labels),
            "confusion": {"labels": list(self.part.labels), "counts": counts.tolist()},
            "confusions": _frequent(counts, self.part.labels),
            "calibration": calibration_told(calibration.of_class(self.shares, self.gold)),
        }

    def worst(self, most: int) -> list[Wrong]:
        """Those whose right class has the least probability."""
        right = self.shares[np.arange(len(self.gold)), self.gold]
        losses = -np.log(np.maximum(right, calibration.SMALLEST))
        return [
            Wrong(i, float(losses[i]), names_of(self.examples[i])[0], str(self.answers[i].label), float(right[i]))
            for i in np.argsort(-losses, kind="stable")[:most].tolist()
        ]


class SeveralAnswers:
    """Any number of classes for each text; see `judging.Judged`."""

    def __init__(self, examples: Sequence[Labelled], answers: Sequence[Prediction], part: TaskPart) -> None:
        self.examples, self.answers, self.part = examples, answers, part
        self.shares = shares_of(answers, part)
        right = [set(names_of(one)) for one in examples]
        gold = np.array([[name in its for name in part.labels] for its in right], np.float64)
        self.gold = gold.reshape(len(right), len(part.labels))
        self.outcomes = SeveralOutcomes(self.gold, (self.shares > 0.5).astype(np.float64))

    @property
    def hits(self) -> Floats:
        """(n,) 1 where all classes are right."""
        return self.outcomes.hits

    def details(self) -> dict[str, Any]:
        """A table by class, and calibration."""
        return {
            "classes": by_class(self.outcomes, self.part.labels),
            "calibration": calibration_told(calibration.of_several(self.shares, self.gold)),
        }

    def worst(self, most: int) -> list[Wrong]:
        """Those of the greatest loss, summed over classes."""
        right = np.where(self.gold > 0.5, self.shares, 1 - self.shares)
        losses = -np.log(np.maximum(right, calibration.SMALLEST)).sum(-1)
        return [
            Wrong(i, float(losses[i]), _joined(names_of(self.examples[i])), _joined(self.answers[i].label), None)
            for i in np.argsort(-losses, kind="stable")[:most].tolist()
        ]


def by_class(outcomes: ClassOutcomes | SeveralOutcomes, names: Sequence[str]) -> list[dict[str, Any]]:
    """precision, recall, f1 and support of each class."""
    counts = outcomes.counts(np.ones((1, len(outcomes))))
    values = zip(names, counts.precision()[0], counts.recall()[0], counts.f1()[0], counts.there[0], strict=True)
    return [
        {"name": name, "precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(there)}
        for name, precision, recall, f1, there in values
    ]


def shares_of(answers: Sequence[Prediction], part: TaskPart) -> Floats:
    """(n, C) the probabilities of classes."""
    rows = [[answer.shares[name] for name in part.labels] for answer in answers]
    return np.array(rows, np.float64).reshape(len(rows), len(part.labels))


def calibration_told(found: calibration.Calibration) -> dict[str, Any]:
    """Calibration as plain data."""
    return {**found._asdict(), "bins": [one._asdict() for one in found.bins]}


def _frequent(counts: Any, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Which class is taken for which other, the most frequent first."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(at), len(labels)) for at in order if wrong.flat[at]]
    return [{"gold": labels[a], "predicted": labels[b], "count": int(wrong[a, b])} for a, b in pairs]


def _joined(names: Any) -> str:
    return "|".join(names) or "(none)"
