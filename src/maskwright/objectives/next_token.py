"""Next-token prediction: each token from those before it.

GPT (Radford et al. 2018, section 3.1). Every token of a sequence but its first is predicted, at the row of the token
before; the decoder is the token table itself, without a bias.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.batch import Batch, Sequences, cut_at, flat_batch, take
from maskwright.layers.weight_names import WeightName
from maskwright.objectives.head import Encoder
from maskwright.objectives.masked_lm_head import masked_rows, masked_tally, num_masked
from maskwright.objectives.micro_batches import micro_batches
from maskwright.objectives.show import Example, Mark
from maskwright.objectives.stream import Stream
from maskwright.objectives.tally import Tally
from maskwright.tokenizers.tokenizer import Tokenizer

HELD_OUT_BATCH = 32
"""Held-out sequences to a batch."""


class NextTokenHead(nn.Module):
    """Scores over the vocabulary by the token table (V, H) of the encoder, and nothing else."""

    weight_names: ClassVar[list[WeightName]] = []

    def forward(self, rows: Tensor) -> Tensor:
        """(M, H) -> (M, H), what is multiplied with the token table: the rows as they are."""
        return rows

    def scores(self, rows: Tensor, table: Tensor) -> Tensor:
        """(M, H) -> (M, V) logits."""
        return F.linear(rows, table)

    def count(self, batch: Batch) -> int:
        """M, tokens that have one before them."""
        return num_masked(batch)

    def reads(self, batch: Batch) -> Tensor:
        """(M,) the rows before them."""
        return masked_rows(batch)

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Summed cross-entropy, in nats, of every token that has one before it."""
        table = encoder.token_table
        return masked_tally(seen, table, table.new_zeros(table.shape[0]), batch)


def with_next_tokens(sequences: Sequences) -> Batch:
    """The sequences as a Batch in which every row but each sequence's last predicts the token behind it.

    >>> row = np.array([5, 6, 7, 8, 9])
    >>> s = Sequences(token_ids=row, token_type_ids=row, cu_seqlens=np.array([0, 3, 5]), special=row > 8)
    >>> batch = with_next_tokens(s)
    >>> batch.predict_rows.tolist(), batch.predict_ids.tolist()
    ([0, 1, 3], [6, 7, 9])
    """
    has_next = np.ones(len(sequences.token_ids), np.bool_)
    has_next[sequences.cu_seqlens[1:][sequences.lengths > 0] - 1] = False
    rows = np.flatnonzero(has_next)
    return flat_batch(
        sequences.token_ids, sequences.cu_seqlens, predict_rows=rows, predict_ids=sequences.token_ids[rows + 1]
    )


class NextTokenSequences:
    """Batches of training sequences by step, and held-out ones. What step k sees is a function of the seed and k.

    stream               what to train on
    held_out             what to judge by; None: nothing
    batch_sequences      sequences of a step
    micro_sequences      sequences of a micro-batch
    batch_rows           rows of a step, each a micro-batch, where the stream is packed
    held_out_sequences   how many held-out sequences are looked at, None for all
    """

    begins: ClassVar[Sequence[int]] = (0,)  # one phase

    def __init__(
        self,
        stream: Stream[Any],
        held_out: Stream[Any] | None,
        tokenizer: Tokenizer,
        *,
        batch_sequences: int,
        micro_sequences: int,
        batch_rows: int | None = None,
        held_out_sequences: int | None,
    ) -> None:
        self.stream, self.held_out_stream, self.tokenizer = stream, held_out, tokenizer
        self.batch_sequences, self.micro_sequences, self.batch_rows = batch_sequences, micro_sequences, batch_rows
        self.held_out_sequences = held_out_sequences

    def batches(self, step: int) -> Sequence[Batch]:
        """The step's micro-batches, sequences of like length together."""
        return self.part(step, range(self.number(step)))

    def number(self, step: int) -> int:
        """Micro-batches of a step."""
        del step
        return self.batch_rows or -(-self.batch_sequences // self.micro_sequences)

    def part(self, step: int, places: range) -> list[Batch]:
        """Those at these places; of the others nothing but the length is looked at."""
        examples = self.stream.examples(step, self.batch_rows or self.batch_sequences)
        made: list[Batch] = []
        for which, ends in micro_batches(examples, self.micro_sequences).groups(places, len(examples.keys)):
            made += cut_at(with_next_tokens(examples.lay_out(which)), ends.tolist())
        return made

    def epoch_sequences(self, epoch: int) -> int:
        """How many sequences an epoch has."""
        return self.stream.epoch_sequences(epoch)

    def visit_sizes(self, step: int) -> dict[str, list[int]]:
        """What the stream counted for the steps before, see `Stream.visit_sizes`."""
        return {"0": self.stream.visit_sizes(step * (self.batch_rows or self.batch_sequences))}

    def know(self, sizes: Mapping[str, list[int]]) -> None:
        """Take up what `visit_sizes` told."""
        self.stream.know(sizes.get("0", []))

    def held_out(self) -> Iterator[Batch]:
        """Held-out sequences, the same each time."""
        if (stream := self.held_out_stream) is None:
            return
        total = stream.first_sequences(self.held_out_sequences)
        for place, first in enumerate(range(0, total, HELD_OUT_BATCH)):
            sequences = stream.sequences(place, HELD_OUT_BATCH)
            yield with_next_tokens(take(sequences, np.arange(min(HELD_OUT_BATCH, total - first))))

    def examples(self, step: int) -> Iterator[Example]:
        """The sequences of a step, decoded."""
        special = set(self.tokenizer.special_ids.tolist())
        for batch in self.batches(step):
            for ids in torch.split(batch.token_ids, batch.cu_seqlens.diff().tolist()):
                names = [(i, self.tokenizer.id_to_token(i)) for i in ids.tolist()]
                yield Example(tuple(Mark(t, "special" if i in special else "plain", t) for i, t in names), None)
