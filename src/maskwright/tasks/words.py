"""Tagged words as data of a fine-tuning: entities, parts of speech, word boundaries."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.data import TOKENS_AT_ONCE, Scorer
from maskwright.tasks.examples import Tagged
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.metrics import entities
from maskwright.tasks.windows import tags_of
from maskwright.training.labelled_sequences import LabelledSequences


class WordData:
    """Sentences of one split in windows; see `SplitData`.

    cut   0: no word is lost
    """

    cut = 0

    def __init__(self, examples: Sequence[Tagged], inputs: Inputs, part: TaskPart, *, length: int) -> None:
        self.examples, self.part = examples, part
        self.windows = inputs.windows(examples, length)
        labels = None
        if all(one.tags is not None for one in examples):
            places = {tag: i for i, tag in enumerate(part.labels)}
            tags = [[places[tag] for tag in one.tags or ()] for one in examples]
            of_windows = [np.array(tags[window.sentence], np.int64)[window.words] for window in self.windows]
            labels = np.concatenate([np.zeros(0, np.int64), *of_windows])
        encoded, rows = [window.encoded for window in self.windows], [window.rows for window in self.windows]
        self.sequences = LabelledSequences(encoded, labels, inputs, rows=rows)

    def batches(self) -> Iterator[Batch]:
        """All of them."""
        return (batch for _, batch in self.sequences.in_order(TOKENS_AT_ONCE))

    @torch.inference_mode()
    def answers(self, network: Scorer) -> list[list[str]]:
        """The tag of each word of each sentence."""
        said: list[list[str]] = [[] for _ in self.windows]
        names = self.part.labels
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            batch = batch.to(network.device)
            best = iter(network.best(network.scores(batch), batch).tolist())
            for i in which.tolist():
                said[i] = [names[next(best)] for _ in self.windows[i].rows]
        return tags_of(self.examples, self.windows, said)

    def measures(self, answers: Sequence[Sequence[str]]) -> Mapping[str, float]:
        """F1 of spans, as conlleval has it, with its parts and the share of tags that are right."""
        return entities.scores([one.tags or () for one in self.examples], answers)

    def different(self, answers: Sequence[Sequence[str]]) -> int:
        """How many different tags there are."""
        return len({tag for sentence in answers for tag in sentence})
