"""Texts with what is right of them, as batches: each once an epoch, in an order that is arithmetic.

Steps of an epoch are equally many sequences, its last one what is left. Within a step sequences are sorted by length,
so that micro-batches hold sequences of like length; the gradient is that of all of them joined either way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from maskwright.batch import Batch, Integers
from maskwright.draws import generator
from maskwright.tokenizers.pairs import EncodedPair

Labels = npt.NDArray[Any]
"""(N,) int64 classes, (N,) float32 numbers, or (N, C) float32 ones and zeros; with rows (M,) int64 tags of them."""


class Flat(Protocol):
    """The tokens of all sequences behind each other, T in all, as one kind of model reads them."""

    def batch(self, rows: Integers, cu_seqlens: Integers) -> Batch:
        """These tokens, in sequences that begin and end there."""
        ...


class Reads(Protocol):
    """How one kind of model reads."""

    def flat(self, encoded: Sequence[EncodedPair]) -> Flat:
        """Sequences behind each other."""
        ...


class LabelledSequences:
    """Encoded texts, flat."""

    def __init__(
        self,
        encoded: Sequence[EncodedPair],
        labels: Labels | None,
        reads: Reads,
        *,
        rows: Sequence[Integers] | None = None,
    ) -> None:
        """labels   None: nothing is known to be right, and batches have none
        reads    how the model reads them
        rows     of each sequence the tokens that labels are of, ascending; None: they are of whole sequences
        """
        lengths = np.array([len(one.ids) for one in encoded], np.int64)
        self.cu_seqlens = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self.labels = labels
        self._flat = reads.flat(encoded)
        self._rows = None if rows is None else Ragged(rows)

    def __len__(self) -> int:
        return len(self.cu_seqlens) - 1

    @property
    def lengths(self) -> Integers:
        """(N,) tokens of each."""
        return np.diff(self.cu_seqlens)

    def batch(self, which: Integers) -> Batch:
        """Some of them in one flat batch, in this order."""
        ends, rows = stretches(self.cu_seqlens, which)
        made = self._flat.batch(rows, ends)
        asked = which
        if self._rows is not None:
            asked_ends, asked = stretches(self._rows.ends, which)
            at = self._rows.values[asked] + np.repeat(ends[:-1], np.diff(asked_ends))
            made = replace(made, predict_rows=torch.from_numpy(at))
        return made if self.labels is None else replace(made, labels=torch.from_numpy(self.labels[asked]))

    def in_order(self, tokens: int) -> Iterator[tuple[Integers, Batch]]:
        """All of them, long ones first, in batches of about so many tokens: which, and their batch."""
        order = np.argsort(-self.lengths, kind="stable")
        while len(order):
            size = max(1, tokens // max(1, int(self.lengths[order[0]])))
            which, order = order[:size], order[size:]
            yield which, self.batch(which)


class Ragged:
    """Rows of different lengths, flat.

    values   (M,) int64
    ends     (N+1,) int64, where each begins and ends
    """

    def __init__(self, rows: Sequence[Integers]) -> None:
        self.values = np.concatenate([np.zeros(0, np.int64), *rows])
        self.ends = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row) for row in rows], dtype=np.int64)])


def stretches(ends: Integers, which: Integers) -> tuple[Integers, Integers]:
    """Some stretches of a flat row behind each other: where each then ends, and where their values are.

    >>> new_ends, places = stretches(np.array([0, 2, 3, 6]), np.array([2, 0]))
    >>> new_ends.tolist(), places.tolist()
    ([0, 3, 5], [3, 4, 5, 0, 1])
    """
    lengths = np.diff(ends)[which]
    after = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return after, np.arange(after[-1]) + np.repeat(ends[which] - after[:-1], lengths)


class Epochs:
    """The steps of a training set, a pure function of the seed."""

    def __init__(self, sequences: LabelledSequences, *, batch: int, micro: int, seed: int) -> None:
        self.sequences, self.size, self.micro, self.seed = sequences, batch, micro, seed

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return -(-len(self.sequences) // self.size)

    def batches(self, step: int) -> list[Batch]:
        """The micro-batches of a step."""
        epoch, place = divmod(step, self.steps)
        order = generator(self.seed, "examples", epoch).permutation(len(self.sequences))
        chosen = order[place * self.size : (place + 1) * self.size]
        chosen = chosen[np.argsort(-self.sequences.lengths[chosen], kind="stable")]
        return [self.sequences.batch(chosen[first : first + self.micro]) for first in range(0, len(chosen), self.micro)]
