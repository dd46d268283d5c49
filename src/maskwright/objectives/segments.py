"""Segments of a corpus between special tokens: [CLS] A [SEP] B [SEP] ..., as flat sequences."""

import numpy as np

from maskwright.batch import Booleans, Integers, Sequences
from maskwright.corpus.read import Split


def lay_out(
    split: Split,
    starts: Integers,
    lengths: Integers,
    counts: Integers,
    *,
    cls_id: int,
    sep_id: int,
    types: Integers | None = None,
    pair_labels: Integers | None = None,
) -> Sequences:
    """Sequences of one or more segments, each segment followed by [SEP].

    The first token of a segment begins a word even where it was cut out of one.

    starts, lengths   (K,) int64, of the segments in tokens of the split
    counts            (N,) int64, segments of each sequence; their sum is K
    types             (K,) int64, the token type of each segment; None: all 0
    pair_labels       (N,) int64, passed on
    """
    tokens, word_starts = split.gather(starts, lengths)
    ends = np.cumsum(lengths)
    word_starts[ends - lengths] = 1
    # Before a segment's end stand a [CLS] for each sequence so far, and a [SEP] for each segment before it.
    begun = np.repeat(np.arange(1, len(counts) + 1), counts)
    separators = ends + np.arange(len(lengths)) + begun
    cu_seqlens = np.concatenate([np.zeros(1, np.int64), separators[np.cumsum(counts) - 1] + 1])

    special: Booleans = np.zeros(len(tokens) + len(counts) + len(lengths), np.bool_)
    special[cu_seqlens[:-1]] = True
    special[separators] = True
    real = np.flatnonzero(~special)
    token_ids = np.full(len(special), sep_id, np.int64)
    token_ids[cu_seqlens[:-1]] = cls_id
    token_ids[real] = tokens
    word_ids = np.full(len(special), -1, np.int64)
    word_ids[real] = np.cumsum(word_starts, dtype=np.int64) - 1
    token_types = np.zeros(len(special), np.int64)
    if types is not None:
        first = np.zeros(len(lengths), np.int64)
        first[np.cumsum(counts) - counts] = 1  # [CLS] is of the first segment
        token_types = np.repeat(types, lengths + 1 + first)
    return Sequences(
        token_ids=token_ids,
        token_type_ids=token_types,
        cu_seqlens=cu_seqlens,
        special=special,
        word_ids=word_ids,
        pair_labels=pair_labels,
    )
