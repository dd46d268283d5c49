"""Attention by content, distance and segment: what a query sees of memory and sequence.

Transformer-XL (Dai et al., arXiv 1901.02860, section 3.3) and XLNet (Yang et al., arXiv 1906.08237, sections 2.4 and
2.5); zihangdai/xlnet `modeling.py`, `rel_attn_core`. A score is the sum of three products over sqrt(D):

    (query + content_bias) · key        (query + position_bias) · position W        (query + segment_bias) · segment

where `position` is the sinusoid of the distance and `segment` one of two vectors: same segment, or another.

`RelativeAttention` computes padded rectangles of all sequences, by `relative_products`; `plain` one sequence after
another by the formula itself, without tables and shifts: it returns the weights, and is the oracle of the other.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import Layout, pad, unpad
from maskwright.layers.relative_positions import distance_vectors
from maskwright.layers.relative_products import relative_products
from maskwright.layers.sight import Sight


class Biases(nn.Module):
    """What is added to queries: (A, D) each. One for each layer, or one for all (`untie_r`)."""

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.content = nn.Parameter(torch.zeros(heads, width))
        self.position = nn.Parameter(torch.zeros(heads, width))
        self.segment = nn.Parameter(torch.zeros(heads, width))


class Keys(NamedTuple):
    """What the rows of both streams look at, of one layer.

    key, value   (N, A, K, D), memory first
    position     (N, A, P, D), of the distances `distance_table` has
    """

    key: Tensor
    value: Tensor
    position: Tensor


class RelativeAttention(nn.Module):
    """The attention of one layer; its weights are shaped as published, (H, A, D)."""

    def __init__(self, hidden: int, heads: int, biases: Biases, rate: float) -> None:
        super().__init__()
        self.heads, self.width = heads, hidden // heads
        shape = hidden, heads, self.width
        self.query = nn.Parameter(torch.empty(shape))
        self.key = nn.Parameter(torch.empty(shape))
        self.value = nn.Parameter(torch.empty(shape))
        self.position = nn.Parameter(torch.empty(shape))
        self.output = nn.Parameter(torch.empty(shape))
        self.segments = nn.Parameter(torch.empty(2, heads, self.width))
        self.biases = biases
        self.dropout = rate

    def keys(self, x: Tensor, where: Layout, memory: Tensor | None, table: Tensor, ways: Tensor | None = None) -> Keys:
        """Keys and values of the content x (T, H) and of the memory (N, m, H), positions of the table (C, P, H).

        ways   (N, C) of x's type, 1 for the one of two tables that a sequence reads; None: there is one
        """

        def heads(projection: nn.Parameter) -> Tensor:
            padded = pad(x @ projection.flatten(1), where)
            if memory is not None:
                padded = torch.cat([memory @ projection.flatten(1), padded], 1)
            return self._heads(padded)

        position = self._heads(table @ self.position.flatten(1))
        if ways is None:
            ways = position.new_ones(where.num_sequences, 1)
        # a product, not a choice: its gradient is a sum in float32
        own = (ways @ position.flatten(1)).view(-1, *position.shape[1:])
        return Keys(heads(self.key), heads(self.value), own)

    def forward(self, x: Tensor, where: Layout, keys: Keys, sight: Sight, stream: DropoutStream | None) -> Tensor:
        """Rows (R, H) that lie in their sequences as `where` says -> (R, H), projected."""
        query, scale = pad(x @ self.query.flatten(1), where), 1 / math.sqrt(self.width)

        def biased(bias: nn.Parameter) -> Tensor:
            return self._heads(torch.add(bias.flatten() * scale, query, alpha=scale))

        by_segment = None
        if sight.other is not None:  # to have the same segment counts 0: what is the same for all keys changes nothing
            gap = (self.segments[1] - self.segments[0])[:, :, None]
            by_segment = biased(self.biases.segment) @ gap
        context = relative_products(
            biased(self.biases.content), biased(self.biases.position), by_segment, *keys, sight, self.dropout, stream
        )
        return unpad(context.transpose(1, 2).flatten(2), where) @ self.output.flatten(1).T

    def _heads(self, x: Tensor) -> Tensor:
        """(N, S, H) -> (N, A, S, D), a contiguous copy."""
        return x.unflatten(-1, (self.heads, self.width)).transpose(1, 2).contiguous()


def plain(
    attention: RelativeAttention,
    queries: Tensor,
    content: Tensor,
    memory: Tensor,
    places: Tensor,
    seen: Tensor,
    types: Tensor | None,
    *,
    backward: bool = False,
    clamp: int = -1,
) -> tuple[Tensor, Tensor]:
    """The readable way, of one sequence: ((F, H), weights (A, F, K)).

    queries   (F, H) rows of either stream, which stand at `places` (F,) int64
    content   (S, H);  memory (m, H), before it;  K = m + S
    seen      (F, K) bool; a row that sees nothing attends to nothing
    types     (S,) int64 segments, or None; the memory is of segment 0
    """
    heads, width = attention.heads, attention.width
    keys = torch.cat([memory, content])

    def split(x: Tensor, weight: Tensor) -> Tensor:
        return (x @ weight.flatten(1)).unflatten(-1, (heads, width))  # (..., A, D)

    query, key, value = split(queries, attention.query), split(keys, attention.key), split(keys, attention.value)
    distances = len(memory) + places[:, None] - torch.arange(len(keys), device=places.device)
    if clamp > 0:
        distances = distances.clamp(-clamp, clamp)
    vectors = distance_vectors(-distances if backward else distances, queries.shape[1]).to(queries.dtype)
    position = split(vectors, attention.position)  # (F, K, A, D)
    biases = attention.biases
    scores = torch.einsum("fad,kad->afk", query + biases.content, key)
    scores = scores + torch.einsum("fad,fkad->afk", query + biases.position, position)
    if types is not None:
        all_types = torch.cat([types.new_zeros(len(memory)), types])
        other = (types[places][:, None] != all_types).long()
        segments = attention.segments[other]  # (F, K, A, D)
        scores = scores + torch.einsum("fad,fkad->afk", query + biases.segment, segments)
    scores = (scores / math.sqrt(width)).masked_fill(~seen, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, -1).masked_fill(~seen.any(-1)[:, None], 0)
    context = torch.einsum("afk,kad->fad", weights, value).flatten(1)
    return context @ attention.output.flatten(1).T, weights
