"""Tagged words as data of a fine-tuning: entities, parts of speech, word boundaries."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.examples import Tagged
from maskwright.tasks.metrics import entities
from maskwright.tasks.schemes import OUTSIDE
from maskwright.tasks.tagging import tags_of, windows
from maskwright.tasks.text_data import TOKENS_AT_ONCE
from maskwright.tasks.warnings import Judged
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning
from maskwright.training.labelled_sequences import LabelledSequences


class WordData:
    """Sentences of one split in windows: what is learned from, or judged by.

    cut   0: no word is lost
    """

    cut = 0

    def __init__(
        self, examples: Sequence[Tagged], tokenizer: Tokenizer, part: TaskPart, *, length: int, **reads: Any
    ) -> None:
        """length     the most tokens of a window
        reads      what the network reads beside tokens, see `LabelledSequences`
        """
        self.examples, self.part = examples, part
        self.windows = windows(examples, tokenizer, length)
        places = {tag: i for i, tag in enumerate(part.labels)}
        tags = [[places[tag] for tag in one.tags or ()] for one in examples]
        labels = [np.array(tags[window.sentence], np.int64)[window.words] for window in self.windows]
        self.sequences = LabelledSequences(
            [window.encoded for window in self.windows],
            np.concatenate([np.zeros(0, np.int64), *labels]),
            **reads,
            rows=[window.rows for window in self.windows],
        )

    def batches(self) -> Iterator[Batch]:
        """All of them."""
        return (batch for _, batch in self.sequences.in_order(TOKENS_AT_ONCE))

    @torch.inference_mode()
    def judge(self, network: Finetuning) -> Judged:
        """F1 of spans, as conlleval has it, with its parts and the share of tags that are right."""
        device = next(network.parameters()).device
        best = np.zeros(len(self.sequences.labels), np.int64)
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            found = network.scores(batch.to(device)).argmax(-1).cpu().numpy()
            best[np.concatenate([np.r_[self.sequences.labels_of(i)] for i in which.tolist()])] = found
        names = self.part.labels
        said = [[names[i] for i in best[self.sequences.labels_of(n)].tolist()] for n in range(len(self.windows))]
        gold = [one.tags or () for one in self.examples]
        measures = dict(entities.scores(gold, tags_of(self.examples, self.windows, said)))
        return Judged(measures, len(np.unique(best)))


def part_of_words(train: Sequence[Tagged], dev: Sequence[Tagged]) -> TaskPart:
    """The tags of the training examples, sorted, `O` first. BadInput for one that `dev` alone has."""
    names = {tag for one in train for tag in one.tags or ()}
    for one in dev:
        if unknown := sorted(set(one.tags or ()) - names):
            raise BadInput(f"{one.where} has the tag {unknown[0]!r}, which no training example has")
    return TaskPart("tags", tuple(sorted(names, key=lambda tag: (tag != OUTSIDE, tag))))
