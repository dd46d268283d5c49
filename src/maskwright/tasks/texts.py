"""Labelled texts as data of a fine-tuning: classes, several classes, numbers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.data import TOKENS_AT_ONCE, Scorer
from maskwright.tasks.examples import Labelled
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.metrics import classes, numbers
from maskwright.tasks.predictions import Prediction, read
from maskwright.tokenizers.pairs import Text
from maskwright.training.labelled_sequences import LabelledSequences


class TextData:
    """Texts of one split, encoded; see `SplitData`.

    cut   how many texts lost their end
    """

    def __init__(self, examples: Sequence[Labelled], inputs: Inputs, part: TaskPart, *, length: int) -> None:
        encoded, self.cut, sizes = inputs.texts(texts_of(examples), length)
        self.examples, self.part = examples, part
        labelled = all(one.label is not None for one in examples)
        self.sequences = LabelledSequences(encoded, labels(examples, part) if labelled else None, inputs, sizes=sizes)

    def batches(self) -> Iterator[Batch]:
        """All of them."""
        return (batch for _, batch in self.sequences.in_order(TOKENS_AT_ONCE))

    @torch.inference_mode()
    def answers(self, network: Scorer) -> list[Prediction]:
        """A class, classes or a number for each, with the probabilities of all classes."""
        scores = torch.empty(len(self.sequences), len(self.part.labels))
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            scores[torch.from_numpy(which)] = network.scores(batch.to(network.device)).float().cpu()
        return read(scores, self.part)

    def measures(self, answers: Sequence[Prediction]) -> Mapping[str, float]:
        """See `measures`."""
        return measures(self.examples, answers, self.part)

    def different(self, answers: Sequence[Prediction]) -> int:
        """How many different labels there are."""
        return len({answer.label for answer in answers})


def measures(examples: Sequence[Labelled], answers: Sequence[Prediction], part: TaskPart) -> Mapping[str, float]:
    """As `metrics.classes` and `metrics.numbers` have them."""
    said: list[Any] = [answer.label for answer in answers]
    match part.asks:
        case "class":
            return classes.scores([names_of(one)[0] for one in examples], said, part.labels)
        case "classes":
            return classes.several_scores([names_of(one) for one in examples], said, part.labels)
        case _:
            return numbers.scores([one.label for one in examples], said)  # type: ignore[list-item]


def texts_of(examples: Sequence[Labelled]) -> list[Text]:
    """The text or pair of each."""
    return [one.text if one.pair is None else (one.text, one.pair) for one in examples]


def refuse_others(examples: Sequence[Labelled], *, pairs: bool) -> None:
    """BadInput for a text among pairs, and for a pair among texts: an encoder that reads each apart knows but one."""
    for one in examples:
        if (one.pair is not None) != pairs:
            given, known = ("a pair", "single texts") if one.pair is not None else ("a single text", "pairs")
            raise BadInput(f"{one.where} is {given} ({one.text!r:.60}), and this model learned from {known}")


def names_of(example: Labelled) -> tuple[str, ...]:
    """The classes of an example."""
    return example.label if isinstance(example.label, tuple) else (str(example.label),)


def labels(examples: Sequence[Labelled], part: TaskPart) -> Any:
    """What is right, as heads take it: see `Batch.labels`."""
    if part.asks == "number":
        return np.array([one.label for one in examples], np.float32)
    places = {name: i for i, name in enumerate(part.labels)}
    if part.asks == "class":
        return np.array([places[names_of(one)[0]] for one in examples], np.int64)
    rows = np.zeros((len(examples), len(part.labels)), np.float32)
    for row, one in zip(rows, examples, strict=True):
        row[[places[name] for name in names_of(one)]] = 1
    return rows
