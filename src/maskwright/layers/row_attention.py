"""Attention of some rows of a flat batch: they look at all tokens of their sequence, and only they are looked from.

For a network's last layer, of whose output heads read few rows: 15 % of the tokens and [CLS]. Queries, the output
projection and the feed-forward network of all other rows would be computed for nobody; in pretraining that is two
thirds of the last layer. Equal to `attention` at these rows, which is its oracle.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.layers.attention import flash, has_flash, has_varlen, varlen
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.layout import Layout, layout, pad, unpad


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a flat batch.

    index    (R,) int64, ascending; behind them any rows, as filler
    where    how they lie in their sequences, as a batch of their own
    """

    index: Tensor
    where: Layout

    def with_filler(self, rows: int) -> "Rows":
        """The same with so many rows behind them, see `Layout.with_filler`."""
        where = self.where.with_filler(rows)
        return Rows(F.pad(self.index, (0, where.filler)), where)


def some_rows(index: Tensor, where: Layout) -> Rows:
    """The rows (R,) of a batch that lies as `where` says, which see all of it. Does not wait for a device."""
    if where.causal:
        raise ValueError("rows of a causal batch see some of it: take `attention`")
    bounds = torch.searchsorted(index, where.cu_seqlens.long()).to(where.cu_seqlens.dtype)
    # only the kernel without padding runs elsewhere than on CPUs, and it takes any upper bound
    most = int(bounds.diff().max()) if index.device.type == "cpu" and len(bounds) > 1 else where.max_seqlen
    return Rows(index, layout(bounds, len(index), most, torch.float32))


def row_attention(
    query: Tensor,
    key_value: Tensor,
    rows: Rows,
    where: Layout,
    heads: int,
    rate: float = 0.0,
    stream: DropoutStream | None = None,
) -> Tensor:
    """query (R, H) of the rows, key_value (T, 2H) of all: keys and values side by side; returns (R, H)."""
    n, s, width = where.num_sequences, where.max_seqlen, query.shape[1] // heads
    if has_flash(query.device, query.dtype, width):
        return flash(query, key_value, (rows.where, where), heads, rate, stream)
    if has_varlen(query.device, query.dtype, width):
        key, value = key_value.view(key_value.shape[0], 2, heads, -1).unbind(1)
        asks = query.view(len(query), heads, -1)
        return varlen(asks, key, value, rows.where, where, 0.0 if stream is None else rate).reshape(query.shape)
    few = rows.where.max_seqlen
    queries = pad(query, rows.where).view(n, few, heads, width).transpose(1, 2).reshape(n * heads, few, width)
    keys, values = pad(key_value, where).view(n, s, 2, heads, width).permute(2, 0, 3, 1, 4).reshape(2, -1, s, width)
    scores = torch.bmm(queries * (1 / math.sqrt(width)), keys.transpose(1, 2)).view(n, heads, few, s)
    weights = torch.softmax(scores if where.hidden is None else scores + where.hidden, -1)
    weights = dropout(weights, rate, stream)
    out = torch.bmm(weights.view(n * heads, few, s), values).view(n, heads, few, width)
    return unpad(out.transpose(1, 2).reshape(n, few, heads * width), rows.where)
