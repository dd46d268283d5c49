"""Labelled texts as data of a fine-tuning: classes, several classes, numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.objectives.sequence_scores import Asks
from maskwright.tasks.examples import Labelled
from maskwright.tasks.metrics import classes, numbers
from maskwright.tasks.warnings import Judged
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning
from maskwright.training.labelled_sequences import LabelledSequences

TOKENS_AT_ONCE = 4096


class TextData:
    """Texts of one split, encoded: what is learned from, or judged by.

    cut   how many texts lost their end
    """

    def __init__(
        self, examples: Sequence[Labelled], tokenizer: Tokenizer, part: TaskPart, *, length: int, **reads: Any
    ) -> None:
        """length     the most tokens of a text or pair
        reads      what the network reads beside tokens, see `LabelledSequences`
        """
        texts = [one.text if one.pair is None else (one.text, one.pair) for one in examples]
        found = tokenizer.encode_pairs(texts)
        long = [i for i, one in enumerate(found) if len(one.ids) > length]
        shorter = tokenizer.encode_pairs([texts[i] for i in long], max_length=length, truncate=True)
        for i, one in zip(long, shorter, strict=True):
            found[i] = one
        self.examples, self.part, self.cut = examples, part, len(long)
        self.sequences = LabelledSequences(found, labels(examples, part), **reads)

    def batches(self) -> Iterator[Batch]:
        """All of them."""
        return (batch for _, batch in self.sequences.in_order(TOKENS_AT_ONCE))

    @torch.inference_mode()
    def judge(self, network: Finetuning) -> Judged:
        """What the network's answers are worth."""
        device = next(network.parameters()).device
        scores = torch.empty(len(self.sequences), len(self.part.labels))
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            scores[torch.from_numpy(which)] = network.scores(batch.to(device)).float().cpu()
        different = len(scores.unique()) if self.part.asks == "number" else len((scores > 0).unique(dim=0))
        if self.part.asks == "class":
            different = len(scores.argmax(-1).unique())
        return Judged(measures(scores, self.examples, self.part), different)


def part_of(train: Sequence[Labelled], dev: Sequence[Labelled], asks: Asks) -> TaskPart:
    """The classes of the training examples, sorted. BadInput for a single one, and for one that `dev` alone has."""
    if asks == "number":
        return TaskPart("number", ("number",))
    names = sorted({name for one in train for name in names_of(one)})
    if asks == "class" and len(names) < 2:
        raise BadInput(f"all training examples are of the class {names[0]!r}: there is nothing to tell apart")
    for one in dev:
        if unknown := sorted(set(names_of(one)) - set(names)):
            raise BadInput(
                f"{one.where} is of the class {unknown[0]!r}, which no training example has (they have "
                f"{', '.join(names[:20])})"
            )
    return TaskPart(asks, tuple(names))


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


def measures(scores: torch.Tensor, examples: Sequence[Labelled], part: TaskPart) -> dict[str, float]:
    """What scores (N, C) of some examples are worth."""
    names = part.labels
    if part.asks == "class":
        said = [names[i] for i in scores.argmax(-1).tolist()]
        return dict(classes.scores([names_of(one)[0] for one in examples], said, names))
    if part.asks == "classes":
        several = [tuple(name for name, x in zip(names, row, strict=True) if x > 0) for row in scores.tolist()]
        return dict(classes.several_scores([names_of(one) for one in examples], several, names))
    gold = [float(one.label) for one in examples if isinstance(one.label, (int, float))]
    return dict(numbers.scores(gold, scores.squeeze(-1).tolist()))
