"""Who sees whom in the two streams of permutation language modelling, worked out once for all layers.

Yang et al. (arXiv 1906.08237), section 2.3; zihangdai/xlnet `modeling.py`, `transformer_xl`. A token's content sees
tokens of its own rank and of lower ones; a prediction sees lower ones alone, so not what it is to predict. Everything
sees the memory, which is older text. See `Batch.ranks`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from maskwright.layers.layout import Layout, pad
from maskwright.layers.row_attention import Rows

FirstTarget = Literal["nothing", "google"]
UNSEEN = -1e30
"""What zihangdai/xlnet and transformers add to the score of a key that is not to be seen."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the rows of one stream see: F rows of each sequence, K = memory + S keys.

    hidden   (N, 1, F or 1, K) added to scores: 0 for what is seen, a very low number for what is not; None: all is seen
    blind    (N, 1, F, 1) bool, rows that see nothing at all, and whose attention is zero; None: there are none
    other    (N, 1, F, K) 1 where the key is of another segment, else 0; None: there are no segments
    places   (N, F) int64, where the rows stand in their sequences; None: row i at place i
    """

    hidden: Tensor | None
    blind: Tensor | None
    other: Tensor | None
    places: Tensor | None


def content_sight(ranks: Tensor | None, types: Tensor | None, where: Layout, memory: int, dtype: torch.dtype) -> Sight:
    """What the content of every token sees.

    ranks, types   (T,) int64, or None
    memory         tokens of it, which stand before the sequence and are of segment 0
    dtype          of the scores
    """
    valid, seen = _valid(where), None
    if ranks is not None:
        padded = pad(ranks, where)
        seen = padded[:, None] <= padded[:, :, None]  # (N, S rows, S keys)
    padded_types = None if types is None else pad(types, where)
    return Sight(
        _hidden(seen, valid, memory, dtype, torch.finfo(dtype).min),
        None,
        None if padded_types is None else _other(padded_types, padded_types, memory, dtype),
        None,
    )


def prediction_sight(
    ranks: Tensor,
    types: Tensor | None,
    where: Layout,
    rows: Rows,
    memory: int,
    dtype: torch.dtype,
    first_target: FirstTarget,
) -> Sight:
    """What the predictions at some rows see.

    first_target   what a prediction does that may see nothing, as the first of an order without context and memory:
                   attend to nothing, or, as zihangdai/xlnet and transformers have it, to everything alike, also to
                   what it is to predict (a score minus 1e30 is -1e30 whatever it was, and softmax of equals is even)
    """
    of = torch.searchsorted(where.cu_seqlens[1:].long(), rows.index, right=True)
    places = pad(rows.index - where.cu_seqlens.long()[of], rows.where)
    seen = pad(ranks, where)[:, None] < pad(ranks.index_select(0, rows.index), rows.where)[:, :, None]
    valid, blind = _valid(where), None
    if first_target == "nothing" and memory == 0:
        blind = ~(seen if valid is None else seen & valid[:, None]).any(-1)[:, None, :, None]
    low = torch.finfo(dtype).min if first_target == "nothing" else UNSEEN
    other = None
    if types is not None:
        other = _other(pad(types.index_select(0, rows.index), rows.where), pad(types, where), memory, dtype)
    return Sight(_hidden(seen, valid, memory, dtype, low), blind, other, places)


def _valid(where: Layout) -> Tensor | None:
    """(N, S) bool, what is no padding; None where nothing is padded."""
    return None if where.hidden is None else where.hidden[:, 0, 0] == 0


def _hidden(seen: Tensor | None, valid: Tensor | None, memory: int, dtype: torch.dtype, low: float) -> Tensor | None:
    """(N, 1, F or 1, K): 0 for the memory and what is seen, `low` for what is not, the lowest number for padding."""
    if seen is None and valid is None:
        return None
    made = None
    if seen is not None:
        made = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, low)
    if valid is not None:
        padding = ~valid[:, None]
        empty = torch.zeros(padding.shape, dtype=dtype, device=padding.device) if made is None else made
        made = empty.masked_fill(padding, torch.finfo(dtype).min)
    assert made is not None
    return torch.nn.functional.pad(made, (memory, 0))[:, None]


def _other(of_rows: Tensor, of_keys: Tensor, memory: int, dtype: torch.dtype) -> Tensor:
    """(N, F) and (N, S) segments -> (N, 1, F, memory + S), whether they differ."""
    keys = torch.nn.functional.pad(of_keys, (memory, 0))
    return (of_rows[:, :, None] != keys[:, None])[:, None].to(dtype)
