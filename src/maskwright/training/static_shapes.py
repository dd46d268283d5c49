"""Batches of few shapes: filled up with tokens, sequences and predictions that count for nothing.

Behind a batch's own tokens come sequences of filler, which see and are seen by nothing but themselves. Some of their
rows are predicted, as IGNORED. So the loss, and with it the gradient, is the batch's own.
"""

from dataclasses import fields, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.batch import Batch
from maskwright.layers.cross_entropy import IGNORED
from maskwright.layers.filler import even

OF_TOKENS, OF_PREDICTIONS, OF_SEQUENCES = 128, 64, 8
"""The part of each by which a batch may grow: tokens cost most, and sequences a token each."""
STRIDE = 64
"""What the longest sequence is a multiple of."""
FILLED = frozenset(
    (
        "token_ids cu_seqlens max_seqlen position_ids token_type_ids language_ids predict_rows predict_ids pair_labels"
    ).split()
)
"""Fields of a batch."""


class Shape(NamedTuple):
    """Of a batch that is filled up."""

    tokens: int
    sequences: int
    longest: int
    predictions: int


def can_fill(batch: Batch) -> bool:
    """Whether the batch has nothing but what filler is known for."""
    return all(field.name in FILLED or getattr(batch, field.name) is None for field in fields(batch))


def shape_in(batch: Batch) -> Shape:
    """The shape that a batch has."""
    predictions = 0 if batch.predict_rows is None else len(batch.predict_rows)
    return Shape(batch.num_tokens, batch.num_sequences, batch.max_seqlen, predictions)


def shape_of(batch: Batch, positions: int) -> Shape:
    """The shape to which a batch is filled up.

    positions   the most tokens that a sequence may have
    """
    own, there = batch.num_tokens, batch.num_sequences
    asked = 0 if batch.predict_rows is None else len(batch.predict_rows)
    predictions = even(asked, OF_PREDICTIONS)
    longest = min(-(-batch.max_seqlen // STRIDE) * STRIDE, positions)
    tokens = even(own + predictions - asked, OF_TOKENS)
    while True:  # more sequences may want more tokens, and these more sequences
        sequences = even(there + -(-(tokens - own) // max(longest - 1, 1)), OF_SEQUENCES)
        if tokens - own >= sequences - there:
            return Shape(tokens, sequences, longest, predictions)
        tokens = even(own + sequences - there, OF_TOKENS)


def filled(batch: Batch, shape: Shape) -> Batch:
    """The batch in that shape, its own `shape_of`: filler behind its tokens, each predicted row of it another one.

    A sequence of filler has a token at least, and one less than the longest at most: of none more rows are asked for
    than a kernel is told, its first and all of its predicted ones.
    """
    own, more = batch.num_tokens, shape.sequences - batch.num_sequences
    ends = own + (shape.tokens - own) * torch.arange(1, more + 1) // max(more, 1)

    def of_tokens(field: Tensor | None) -> Tensor | None:
        return None if field is None else F.pad(field, (0, shape.tokens - own))

    def ignored(field: Tensor | None, size: int) -> Tensor | None:
        return None if field is None else F.pad(field, (0, size - len(field)), value=IGNORED)

    rows = batch.predict_rows
    if rows is not None:
        rows = torch.cat([rows, own + torch.arange(shape.predictions - len(rows))])
    return replace(
        batch,
        token_ids=F.pad(batch.token_ids, (0, shape.tokens - own)),
        position_ids=F.pad(batch.position_ids, (0, shape.tokens - own)),
        token_type_ids=of_tokens(batch.token_type_ids),
        language_ids=of_tokens(batch.language_ids),
        cu_seqlens=torch.cat([batch.cu_seqlens, ends.to(batch.cu_seqlens.dtype)]),
        max_seqlen=shape.longest,
        predict_rows=rows,
        predict_ids=ignored(batch.predict_ids, shape.predictions),
        pair_labels=ignored(batch.pair_labels, shape.sequences),
    )
