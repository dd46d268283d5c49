"""Labelled texts as data that a linear model answers: what its measures are computed of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maskwright.tasks.examples import Labelled
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tasks.linear import LinearTask, Matrix
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.texts import TextData, texts_of
from maskwright.tokenizers.tokenizer import Tokenizer

UNLIMITED = 2**31 - 1


class LinearData:
    """Texts of one split; see `SplitData`. Nothing is cut."""

    cut = 0

    def __init__(
        self,
        examples: Sequence[Labelled],
        task: LinearTask,
        vectors: Callable[[list[str]], Matrix],
        tokenizer: Tokenizer,
    ) -> None:
        """vectors   makes (N, F) of texts"""
        self.examples, self.part = examples, task.part
        self._task, self._vectors = task, vectors
        self._texts = TextData(examples, TransformerInputs(tokenizer), task.part, length=UNLIMITED)
        self.sequences, self.batches = self._texts.sequences, self._texts.batches

    def answers(self, network: Any) -> list[Prediction]:
        """What the linear model says of each; `network` is that model, and not asked."""
        return self._task.answers(self._vectors, texts_of(self.examples))

    def measures(self, answers: Sequence[Prediction]) -> Mapping[str, float]:
        """See `tasks.texts.measures`."""
        return self._texts.measures(answers)

    def different(self, answers: Sequence[Prediction]) -> int:
        """How many different labels there are."""
        return self._texts.different(answers)
