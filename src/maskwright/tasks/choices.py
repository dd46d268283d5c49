"""Choices as data of a fine-tuning: each option a sequence with the text that it follows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.objectives.option_scores import by_example
from maskwright.tasks.data import TOKENS_AT_ONCE, Scorer
from maskwright.tasks.examples import Choice
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.metrics import choices
from maskwright.tasks.options import options
from maskwright.training.labelled_sequences import LabelledSequences


class Chosen(NamedTuple):
    """What is chosen.

    place    of the option, from 0
    shares   the probability of each option
    """

    place: int
    shares: tuple[float, ...]


class ChoiceData:
    """Choices of one split; see `SplitData`.

    sequences  one an option, those of an example together
    cut        how many examples lost a part of a text in some option
    """

    def __init__(self, examples: Sequence[Choice], inputs: Inputs, part: TaskPart, *, length: int) -> None:
        self.examples, self.part = examples, part
        encoded, self.cut = options(examples, inputs.tokenizer, length)
        right = [one.label for one in examples if one.label is not None]
        labels = np.array(right, np.int64) if len(right) == len(examples) else None
        self.sequences = LabelledSequences(encoded, labels, inputs, sizes=[len(one.options) for one in examples])

    def batches(self) -> Iterator[Batch]:
        """All of them."""
        return (batch for _, batch in self.sequences.in_order(TOKENS_AT_ONCE))

    @torch.inference_mode()
    def answers(self, network: Scorer) -> list[Chosen]:
        """The option chosen of each, with the probabilities of all."""
        said: dict[int, Chosen] = {}
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            assert batch.groups is not None
            shares = by_example(network.scores(batch.to(network.device)).float().cpu(), batch.groups).softmax(-1)
            for i, its in zip(which.tolist(), shares, strict=True):
                own = its[: len(self.examples[i].options)]
                said[i] = Chosen(int(own.argmax()), tuple(own.tolist()))
        return [said[i] for i in range(len(self.examples))]

    def measures(self, answers: Sequence[Chosen]) -> Mapping[str, float]:
        """accuracy."""
        return choices.scores([one.label or 0 for one in self.examples], [answer.place for answer in answers])

    def different(self, answers: Sequence[Chosen]) -> int:
        """How many different places are chosen."""
        return len({answer.place for answer in answers})
