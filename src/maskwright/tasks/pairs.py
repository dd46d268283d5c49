"""Pairs of texts as data of a bi-encoder: which text belongs to which, or how near two are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.draws import generator
from maskwright.tasks.data import TOKENS_AT_ONCE, Scorer
from maskwright.tasks.examples import Near
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.metrics import numbers, ranks
from maskwright.training.labelled_sequences import LabelledSequences

AT_ONCE = 32
"""Pairs that are compared with each other where a loss is only looked at; as many as a step usually has."""
ROWS_AT_ONCE = 1024
"""Texts whose cosines with all others are in memory at a time."""
FINE = 4
"""Decimals to which cosines count as different."""


class Nearness(NamedTuple):
    """What a bi-encoder says of a pair.

    cosine   of its two texts
    place    where its second text stands when all different second texts are sorted by their cosine with the first one,
             from 1; a text that is as near stands before it. None for pairs with scores, where nothing is looked for
    """

    cosine: float
    place: int | None


class PairData:
    """Pairs of one split, encoded; see `SplitData`.

    cut   how many pairs lost the end of a text
    """

    def __init__(self, examples: Sequence[Near], inputs: Inputs, part: TaskPart, *, length: int) -> None:
        self.examples, self.part, self._inputs = examples, part, inputs
        places: dict[str, int] = {}
        numbered = [places.setdefault(text, len(places)) for one in examples for text in (one.first, one.second)]
        texts, self._of_pairs = list(places), np.array(numbered, np.int64).reshape(-1, 2)
        self._texts = inputs.texts(texts, length).encoded
        full = [i for i, one in enumerate(self._texts) if len(one.ids) == length]
        one_more = inputs.texts([texts[i] for i in full], length + 1).encoded
        long = [i for i, one in zip(full, one_more, strict=True) if len(one.ids) > length]
        self.cut = int(np.isin(self._of_pairs, long).any(1).sum())
        labels: Any = self._of_pairs
        if part.asks == "nearness":
            scored = all(one.score is not None for one in examples)
            labels = np.array([one.score for one in examples], np.float32) if scored else None
        encoded = [self._texts[i] for i in numbered]
        self.sequences = LabelledSequences(encoded, labels, inputs, sizes=[2] * len(examples))

    def batches(self) -> Iterator[Batch]:
        """All of them, drawn into batches: neighbours in a file are often alike, and would be harder to tell apart."""
        order = generator(0, "pairs to judge by").permutation(len(self.examples))
        for first in range(0, len(order), AT_ONCE):
            yield self.sequences.batch(order[first : first + AT_ONCE])

    @torch.inference_mode()
    def answers(self, network: Scorer) -> list[Nearness]:
        """The cosine of each pair, and the place of its second text among all."""
        vectors = self._vectors(network)
        first, second = torch.from_numpy(self._of_pairs).unbind(1)
        cosines = (vectors[first] * vectors[second]).sum(-1).tolist()
        if self.part.asks == "nearness":
            return [Nearness(cosine, None) for cosine in cosines]
        candidates, right = torch.unique(second, return_inverse=True)
        found: list[int] = []
        for rows in torch.arange(len(first)).split(ROWS_AT_ONCE):
            among = vectors[first[rows]] @ vectors[candidates].t()
            found += (among >= among.gather(1, right[rows, None])).sum(1).tolist()
        return [Nearness(*one) for one in zip(cosines, found, strict=True)]

    def measures(self, answers: Sequence[Nearness]) -> Mapping[str, float]:
        """Correlations of cosines and scores; or how well second texts are found, each first text being one question.

        Several right texts of one question stand in each other's way as any others do, as is usual.
        """
        if self.part.asks == "nearness":
            found = numbers.scores([one.score for one in self.examples], [one.cosine for one in answers])  # type: ignore[misc]
            return {name: found[name] for name in ("spearman", "pearson")}
        questions: dict[str, dict[str, int]] = {}
        for one, answer in zip(self.examples, answers, strict=True):
            assert answer.place is not None
            questions.setdefault(one.first, {})[one.second] = answer.place
        return ranks.scores([list(places.values()) for places in questions.values()])

    def different(self, answers: Sequence[Nearness]) -> int:
        """How many different cosines there are."""
        return len({round(answer.cosine, FINE) for answer in answers})

    def _vectors(self, network: Scorer) -> Tensor:
        """(number of different texts, H)."""
        sequences = LabelledSequences(self._texts, None, self._inputs)
        made: Tensor | None = None
        for which, batch in sequences.in_order(TOKENS_AT_ONCE):
            rows = network.scores(batch.to(network.device)).float().cpu()
            made = rows.new_empty(len(sequences), rows.shape[1]) if made is None else made
            made[torch.from_numpy(which)] = rows
        return torch.empty(0, 0) if made is None else made
