"""Texts with what is right of them, as batches: each once an epoch, in an order that is arithmetic.

Steps of an epoch are equally many examples, its last one what is left. An example is a sequence, or several that stay
together, such as the options of a choice. Within a step they are sorted by length, so that micro-batches hold sequences
of like length; the gradient is that of all of them joined either way.
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
"""As `Batch.labels`: (N,) int64 classes, (N,) float32 numbers, (N, C) float32 ones and zeros, (N, 2) int64 beginnings
and ends; with rows (M,) int64 tags of them; with sizes (E,) int64 right sequences of the examples."""


class Flat(Protocol):
    """The tokens of all sequences behind each other, T in all, as one kind of model reads them."""

    @property
    def token_ids(self) -> Integers | None:
        """(T,) rows of a table of tokens; None: it reads from none."""
        ...

    def batch(self, rows: Integers, cu_seqlens: Integers) -> Batch:
        """These tokens, in sequences that begin and end there."""
        ...


class Reads(Protocol):
    """How one kind of model reads."""

    def flat(self, encoded: Sequence[EncodedPair]) -> Flat:
        """Sequences behind each other."""
        ...


class LabelledSequences:
    """Encoded texts, flat: E examples of N sequences.

    lengths   (E,) tokens of each example's longest sequence
    """

    def __init__(
        self,
        encoded: Sequence[EncodedPair],
        labels: Labels | None,
        reads: Reads,
        *,
        rows: Sequence[Integers] | None = None,
        sizes: Sequence[int] | None = None,
    ) -> None:
        """labels   None: nothing is known to be right, and batches have none
        reads    how the model reads them
        rows     of each sequence the tokens that labels are of, ascending; None: they are of whole sequences
        sizes    of each example how many sequences it is, one behind another; None: each is one, and is not grouped
        """
        lengths = np.array([len(one.ids) for one in encoded], np.int64)
        self.cu_seqlens = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self.labels = labels
        self._flat = reads.flat(encoded)
        self._rows = None if rows is None else Ragged(rows)
        self._grouped = sizes is not None
        self._groups = np.arange(len(encoded) + 1) if sizes is None else _ends(sizes)
        self.lengths = _longest(lengths, self._groups)
        self._features: tuple[torch.Tensor, Integers] | None = None

    def __len__(self) -> int:
        return len(self._groups) - 1

    @property
    def token_ids(self) -> Integers | None:
        """(T,) rows of a table of tokens, of all sequences; None: they read from none."""
        return self._flat.token_ids

    @property
    def sizes(self) -> Integers:
        """(E,) sequences of each example."""
        return np.diff(self._groups)

    def sequences_of(self, which: Integers) -> Integers:
        """The sequences of some examples, in this order."""
        return stretches(self._groups, which)[1]

    def bring_along(self, features: torch.Tensor, bounds: Integers) -> None:
        """Let batches have what is known of their sequences: `Batch.features`.

        bounds   (N+1,) where the rows of each sequence begin and end among the features
        """
        self._features = features, bounds

    def batch(self, which: Integers) -> Batch:
        """Some of the examples in one flat batch, in this order."""
        groups, sequences = stretches(self._groups, which)
        ends, rows = stretches(self.cu_seqlens, sequences)
        made = self._flat.batch(rows, ends)
        if self._features is not None:
            features, bounds = self._features
            made = replace(made, features=features[torch.from_numpy(stretches(bounds, sequences)[1])])
        asked = which
        if self._grouped:
            made = replace(made, groups=torch.from_numpy(groups))
        if self._rows is not None:
            asked_ends, asked = stretches(self._rows.ends, which)
            at = self._rows.values[asked] + np.repeat(ends[:-1], np.diff(asked_ends))
            made = replace(made, predict_rows=torch.from_numpy(at))
        return made if self.labels is None else replace(made, labels=torch.from_numpy(self.labels[asked]))

    def in_order(self, tokens: int) -> Iterator[tuple[Integers, Batch]]:
        """All of them, long ones first, in batches of about so many tokens: which, and their batch.

        Sequences of one length need no padding, so a batch ends where the length changes once it is a quarter full.
        """
        order = np.argsort(-self.lengths, kind="stable")
        widest = int(self.sizes.max(initial=1))
        while len(order):
            longest = int(self.lengths[order[0]])
            size = max(1, tokens // max(1, longest * widest))
            same = int(np.searchsorted(-self.lengths[order], -longest, side="right"))
            size = min(size, same) if 4 * same >= size else size
            which, order = order[:size], order[size:]
            yield which, self.batch(which)


class Ragged:
    """Rows of different lengths, flat.

    values   (M,) int64
    ends     (N+1,) int64, where each begins and ends
    """

    def __init__(self, rows: Sequence[Integers]) -> None:
        self.values = np.concatenate([np.zeros(0, np.int64), *rows])
        self.ends = _ends([len(row) for row in rows])


def stretches(ends: Integers, which: Integers) -> tuple[Integers, Integers]:
    """Some stretches of a flat row behind each other: where each then ends, and where their values are.

    >>> new_ends, places = stretches(np.array([0, 2, 3, 6]), np.array([2, 0]))
    >>> new_ends.tolist(), places.tolist()
    ([0, 3, 5], [3, 4, 5, 0, 1])
    """
    lengths = np.diff(ends)[which]
    after = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return after, np.arange(after[-1]) + np.repeat(ends[which] - after[:-1], lengths)


def _ends(lengths: Sequence[int]) -> Integers:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _longest(lengths: Integers, groups: Integers) -> Integers:
    """(E,) tokens of the longest sequence of each example."""
    return np.maximum.reduceat(lengths, groups[:-1]) if len(lengths) else lengths


class Epochs:
    """The steps of a training set, a pure function of the seed."""

    def __init__(self, sequences: LabelledSequences, *, batch: int, micro: int, seed: int) -> None:
        """batch   examples of a step
        micro   sequences that are computed at once; more only where a single example has more
        """
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
        size = max(1, self.micro // int(self.sequences.sizes[chosen].max(initial=1)))
        return [self.sequences.batch(chosen[first : first + size]) for first in range(0, len(chosen), size)]
