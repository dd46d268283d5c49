"""Answers that are cosines of pairs: how near texts are, or how well the second is found by the first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.evaluation.outcomes import Floats, MeanOutcomes, NumberOutcomes
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Near
from maskwright.tasks.metrics import ranks
from maskwright.tasks.pairs import Nearness


class FoundAnswers:
    """Where the second text stands for each first one; see `judging.Judged`.

    Measures are means over first texts. One that stands in several pairs counts once, a part in each of them.
    """

    def __init__(self, examples: Sequence[Near], answers: Sequence[Nearness], part: TaskPart) -> None:
        del part
        self.places = [answer.place or 1 for answer in answers]
        questions: dict[str, dict[str, int]] = {}
        pairs: dict[str, int] = {}
        for one, place in zip(examples, self.places, strict=True):
            questions.setdefault(one.first, {})[one.second] = place
            pairs[one.first] = pairs.get(one.first, 0) + 1
        of_question = {first: ranks.scores([list(its.values())]) for first, its in questions.items()}
        names = next(iter(of_question.values()))
        self.outcomes = MeanOutcomes(
            {name: np.array([of_question[one.first][name] for one in examples]) for name in names},
            np.array([1 / pairs[one.first] for one in examples]),
        )

    @property
    def hits(self) -> Floats:
        """(n,) 1 where nothing stands before the second text."""
        return np.array([place == 1 for place in self.places], np.float64)

    def details(self) -> dict[str, Any]:
        """Nothing more."""
        return {}

    def worst(self, most: int) -> list[Wrong]:
        """Those that stand the farthest behind, of those that are not found at once."""
        order = np.argsort(-np.array(self.places), kind="stable")[:most].tolist()
        return [
            Wrong(i, float(self.places[i]), "place 1", f"place {self.places[i]:,}", None)
            for i in order
            if self.places[i] > 1
        ]


class NearnessAnswers:
    """A cosine for each pair that has a score; see `judging.Judged`. Only their order is compared."""

    hits: Floats | None = None

    def __init__(self, examples: Sequence[Near], answers: Sequence[Nearness], part: TaskPart) -> None:
        del part
        gold = np.array([one.score for one in examples], np.float64)
        self.outcomes = _Order(gold, np.array([answer.cosine for answer in answers], np.float64))

    def details(self) -> dict[str, Any]:
        """Nothing more."""
        return {}

    def worst(self, most: int) -> list[Wrong]:
        """Those whose places among all scores and among all cosines lie the farthest apart, in shares of all."""
        gold, said = self.outcomes.gold, self.outcomes.said
        apart = np.abs(rankdata(gold) - rankdata(said)) / len(gold)
        order = np.argsort(-apart, kind="stable")[:most].tolist()
        return [Wrong(i, float(apart[i]), f"{gold[i]:g}", f"cosine {said[i]:.3f}", None) for i in order]


class _Order(NumberOutcomes):
    """Cosines and scores are in different measures, so that correlations alone mean something."""

    def measures(self) -> dict[str, Any]:
        """spearman and pearson."""
        found = super().measures()
        return {name: found[name] for name in ("spearman", "pearson")}

    def take(self, which: Any) -> "_Order":
        """Some of them."""
        return _Order(self.gold[which], self.said[which])
