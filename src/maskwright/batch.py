"""The contract between corpus, objectives and models: one long row of real tokens.

The alphabet of shapes, used everywhere:

    T  tokens in the flat batch        S  tokens of the longest sequence
    N  sequences                       M  predicted rows
    H  hidden size                     A  attention heads        D = H / A
    L  layers                          V  vocabulary

Sequence `n` is rows `cu_seqlens[n] : cu_seqlens[n + 1]`. There is no padding: only attention needs
to know where sequences begin and end, and prediction heads see only the rows they predict.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskwright.errors import BadInput

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequences:
    """Examples before corruption, as flat numpy arrays: what a layout makes and masking reads.

    token_ids        (T,) int64, special tokens included
    token_type_ids   (T,) int64, the segment of each token: 0 or 1
    cu_seqlens       (N+1,) int64, where sequences begin and end
    word_ids         (T,) int64, equal for the tokens of one word, different for neighbouring words;
                     -1 for special tokens. None when the corpus carries no words.
    special          (T,) bool, true for [CLS], [SEP] and their like
    pair_labels      (N,) int64, 0 = the second segment follows the first, 1 = it does not; or None
    language_ids     (T,) int64, the language of each token; or None
    position_ids     (T,) int64 where they are not simply counted from each sequence's start; or None
    """

    token_ids: Integers
    token_type_ids: Integers
    cu_seqlens: Integers
    special: Booleans
    word_ids: Integers | None = None
    pair_labels: Integers | None = None
    language_ids: Integers | None = None
    position_ids: Integers | None = None

    @property
    def lengths(self) -> Integers:
        """(N,) tokens of each sequence."""
        return np.diff(self.cu_seqlens)


READ_BY_HEADS = frozenset(
    (
        "labels groups predict_rows predict_ids pair_labels span_bounds span_of span_places candidate_ids log_counts"
    ).split()
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One flat micro-batch. An objective fills it, a model reads it.

    What models read:
        token_ids        (T,) int64
        cu_seqlens       (N+1,) int32
        max_seqlen       S, a Python int, so that no device has to be asked
        position_ids     (T,) int64, restarting at 0 with each sequence, and where a layout says so
        token_type_ids   (T,) int64
        language_ids     (T,) int64
        ranks            (T,) int64, places in the order in which tokens are predicted, for permutation language
                         modelling: a token's content sees its own rank and lower ones, a prediction lower ones alone.
                         Tokens that everything may see share the lowest rank, -1 by custom; tokens of one rank that
                         are predicted do not see each other. None: all see all
        lane_ids         (N,) int64, the lane that each sequence is a step of, for state that goes from step to step
        backward         (N,) bool, whether a sequence runs from the end of the text to its beginning
        char_ids         (U, W) int64, the characters of the batch's U different words, see `layers.word_characters`
        char_rows        (T,) int64, which of these words each token is
        features         (R, W) what a frozen encoder makes of the rows that are read of it, known from before
    What heads read:
        labels           what is right, of a task: (N,) int64 classes, (N,) float32 numbers, (N, C) float32 ones and
                         zeros where a sequence may be of several classes, (M,) int64 tags of the predicted rows,
                         (N, 2) int64 where an answer begins and ends, counted from its sequence's start, -1 where
                         nobody knows; with `groups` of E examples (E,) int64 which of its sequences, (E,) float32
                         numbers, or (E, 2) int64 numbers of the texts of a pair
        groups           (E+1,) int64, where the sequences of each example begin and end among the N
        predict_rows     (M,) int64, rows of the flat batch whose token is to be predicted
        predict_ids      (M,) int64, the tokens that were there
        pair_labels      (N,) int64, 0 = the second segment follows the first, 1 = it does not
        span_bounds      (P, 2) int64, the rows just before and just after each hidden span
        span_of          (M,) int64, the span that each predicted row lies in, -1 where it has no bounds
        span_places      (M,) int64, its place in that span, from 0
        candidate_ids    (K,) int64, the tokens among which each predicted one has to be found
        log_counts       (M + K,) float32, how often a draw like theirs has each predicted token and each candidate
    """

    token_ids: Tensor
    cu_seqlens: Tensor
    max_seqlen: int
    position_ids: Tensor
    token_type_ids: Tensor | None = None
    language_ids: Tensor | None = None
    ranks: Tensor | None = None
    lane_ids: Tensor | None = None
    backward: Tensor | None = None
    char_ids: Tensor | None = None
    char_rows: Tensor | None = None
    features: Tensor | None = None
    labels: Tensor | None = None
    groups: Tensor | None = None
    predict_rows: Tensor | None = None
    predict_ids: Tensor | None = None
    pair_labels: Tensor | None = None
    span_bounds: Tensor | None = None
    span_of: Tensor | None = None
    span_places: Tensor | None = None
    candidate_ids: Tensor | None = None
    log_counts: Tensor | None = None

    @property
    def num_tokens(self) -> int:
        """T."""
        return self.token_ids.shape[0]

    @property
    def num_sequences(self) -> int:
        """N."""
        return self.cu_seqlens.shape[0] - 1

    @property
    def first_rows(self) -> Tensor:
        """(N,) int64, the row of each sequence's first token; some row of the batch for one that has none."""
        return self.cu_seqlens[:-1].long().clamp(max=max(self.num_tokens - 1, 0))

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return replace(self, **{name: value.to(device, non_blocking=True) for name, value in self.tensors().items()})

    def ready_for(self, device: torch.device) -> "Batch":
        """The same batch in memory from which `device` copies while it computes: for a GPU that is page-locked."""
        if device.type != "cuda":
            return self
        return replace(self, **{name: values.pin_memory() for name, values in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """What it has, by name."""
        return {field.name: value for field in fields(self) if isinstance(value := getattr(self, field.name), Tensor)}

    def check_read_by(self, model: str, known: AbstractSet[str]) -> None:
        """Raise BadInput if the batch carries a model field outside `known`.

        A field that a network would silently ignore changes what is learned without a word.
        """
        given = {field.name for field in fields(self) if getattr(self, field.name) is not None}
        if unknown := sorted(given - known - READ_BY_HEADS):
            raise BadInput(f"{model} does not read {', '.join(unknown)}: choose another model or another layout")


def positions(cu_seqlens: Integers) -> Integers:
    """(T,) positions that restart at 0 with each sequence.

    >>> positions(np.array([0, 3, 5])).tolist()
    [0, 1, 2, 0, 1]
    """
    lengths = np.diff(cu_seqlens)
    return np.arange(cu_seqlens[-1]) - np.repeat(cu_seqlens[:-1], lengths)


def flat_batch(
    token_ids: Integers,
    cu_seqlens: Integers,
    token_type_ids: Integers | None = None,
    *,
    predict_rows: Integers | None = None,
    predict_ids: Integers | None = None,
    pair_labels: Integers | None = None,
    language_ids: Integers | None = None,
    position_ids: Integers | None = None,
    ranks: Integers | None = None,
    lane_ids: Integers | None = None,
    backward: Integers | Booleans | None = None,
    span_bounds: Integers | None = None,
    span_of: Integers | None = None,
    span_places: Integers | None = None,
) -> Batch:
    """A Batch from numpy arrays, positions filled in where none are given."""

    def tensor(array: Integers | None) -> Tensor | None:
        return None if array is None else torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))

    lengths = np.diff(cu_seqlens)
    if position_ids is None:
        position_ids = positions(np.asarray(cu_seqlens, dtype=np.int64))
    return Batch(
        token_ids=torch.from_numpy(np.ascontiguousarray(token_ids, dtype=np.int64)),
        cu_seqlens=torch.from_numpy(np.ascontiguousarray(cu_seqlens, dtype=np.int32)),
        max_seqlen=int(lengths.max(initial=0)),
        position_ids=torch.from_numpy(np.ascontiguousarray(position_ids, dtype=np.int64)),
        token_type_ids=tensor(token_type_ids),
        language_ids=tensor(language_ids),
        ranks=tensor(ranks),
        lane_ids=tensor(lane_ids),
        backward=None if backward is None else torch.from_numpy(np.ascontiguousarray(backward, dtype=np.bool_)),
        predict_rows=tensor(predict_rows),
        predict_ids=tensor(predict_ids),
        pair_labels=tensor(pair_labels),
        span_bounds=tensor(span_bounds),
        span_of=tensor(span_of),
        span_places=tensor(span_places),
    )


def cut(batch: Batch, size: int) -> list[Batch]:
    """Batches of `size` sequences each, and one of what is left over: views, nothing is copied but boundaries.

    >>> row = np.arange(5)
    >>> parts = cut(flat_batch(row, np.array([0, 2, 3, 5]), predict_rows=np.array([1, 4]), predict_ids=row[:2]), 2)
    >>> [part.token_ids.tolist() for part in parts], parts[1].predict_rows.tolist()
    ([[0, 1, 2], [3, 4]], [1])
    """
    return cut_at(batch, [*range(0, batch.num_sequences, size), batch.num_sequences])


def cut_at(batch: Batch, sequences: list[int]) -> list[Batch]:
    """Batches of the sequences from each of these numbers to the next, as views."""
    if len(sequences) <= 2:
        return [batch]
    bounds = batch.cu_seqlens.tolist()
    rows = batch.predict_rows if batch.predict_rows is not None else torch.zeros(0, dtype=torch.int64)
    spans = batch.span_bounds[:, 0].contiguous() if batch.span_bounds is not None else rows[:0]
    counts = batch.log_counts

    def part(first: int, end: int) -> Batch:
        ends = bounds[first : end + 1]
        start, stop = ends[0], ends[-1]
        hidden = slice(*torch.searchsorted(rows, torch.tensor([start, stop])).tolist())
        bounded = slice(*torch.searchsorted(spans, torch.tensor([start, stop])).tolist())

        def of(field: Tensor | None, which: slice, less: int = 0) -> Tensor | None:
            return None if field is None else field[which] - less if less else field[which]

        tokens, sequences = slice(start, stop), slice(first, end)
        span_of = of(batch.span_of, hidden)
        if span_of is not None and bounded.start:
            span_of = torch.where(span_of < 0, span_of, span_of - bounded.start)
        return Batch(
            token_ids=batch.token_ids[tokens],
            cu_seqlens=batch.cu_seqlens[first : end + 1] - start,
            max_seqlen=max(b - a for a, b in pairwise(ends)),
            position_ids=batch.position_ids[tokens],
            token_type_ids=of(batch.token_type_ids, tokens),
            language_ids=of(batch.language_ids, tokens),
            ranks=of(batch.ranks, tokens),
            lane_ids=of(batch.lane_ids, sequences),
            backward=of(batch.backward, sequences),
            char_ids=batch.char_ids,
            char_rows=of(batch.char_rows, tokens),
            predict_rows=of(batch.predict_rows, hidden, start),
            predict_ids=of(batch.predict_ids, hidden),
            pair_labels=of(batch.pair_labels, sequences),
            span_bounds=of(batch.span_bounds, bounded, start),
            span_of=span_of,
            span_places=of(batch.span_places, hidden),
            candidate_ids=batch.candidate_ids,
            log_counts=counts if counts is None else torch.cat([counts[hidden], counts[len(rows) :]]),
        )

    return [part(first, end) for first, end in pairwise(sequences)]


def take(sequences: Sequences, which: Integers) -> Sequences:
    """The sequences numbered `which`, in that order.

    >>> row = np.array([5, 6, 7, 8, 9])
    >>> s = Sequences(token_ids=row, token_type_ids=row, cu_seqlens=np.array([0, 3, 5]), special=row > 8)
    >>> take(s, np.array([1, 0])).token_ids.tolist()
    [8, 9, 5, 6, 7]
    """
    lengths = sequences.lengths[which]
    cu_seqlens = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    rows = np.arange(cu_seqlens[-1]) + np.repeat(sequences.cu_seqlens[which] - cu_seqlens[:-1], lengths)

    def of_tokens(field: Integers | None) -> Integers | None:
        return None if field is None else field[rows]

    return Sequences(
        token_ids=sequences.token_ids[rows],
        token_type_ids=sequences.token_type_ids[rows],
        cu_seqlens=cu_seqlens,
        special=sequences.special[rows],
        word_ids=of_tokens(sequences.word_ids),
        pair_labels=None if sequences.pair_labels is None else sequences.pair_labels[which],
        language_ids=of_tokens(sequences.language_ids),
        position_ids=of_tokens(sequences.position_ids),
    )


def side_by_side(parts: Sequence[Sequences]) -> Sequences:
    """The sequences of several parts, one part after the other; all of them have the same fields.

    >>> row = np.array([5, 6, 7])
    >>> s = Sequences(token_ids=row, token_type_ids=row, cu_seqlens=np.array([0, 1, 3]), special=row > 6, word_ids=row)
    >>> joined = side_by_side([s, s])
    >>> joined.cu_seqlens.tolist(), joined.word_ids.tolist()
    ([0, 1, 3, 4, 6], [5, 6, 7, 13, 14, 15])
    """
    if len(parts) == 1:
        return parts[0]
    tokens, words = 0, 0
    moved: list[Sequences] = []
    for part in parts:
        word_ids = part.word_ids
        if word_ids is not None:
            word_ids = np.where(word_ids < 0, word_ids, word_ids + words)
            words = max(words, int(word_ids.max(initial=-1)) + 1)
        moved.append(replace(part, cu_seqlens=part.cu_seqlens[1:] + tokens, word_ids=word_ids))
        tokens += len(part.token_ids)

    def joined(name: str) -> Any:
        rows: list[Any] = [row for part in moved if (row := getattr(part, name)) is not None]
        return np.concatenate(rows) if rows else None

    of_parts: dict[str, Any] = {field.name: joined(field.name) for field in fields(Sequences)}
    of_parts["cu_seqlens"] = np.concatenate([np.zeros(1, np.int64), of_parts["cu_seqlens"]])
    return Sequences(**of_parts)
