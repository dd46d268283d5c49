"""A network over a padded rectangle (N, S), in operations that other runtimes have: what is exported.

The same modules with the same weights as the flat network, which is its oracle. Only attention is written anew, for
padding has to be hidden from it here.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.network import Network

LOW = -3.4e38
"""Added to scores of padding: nearly the lowest float32, and no infinity, of which int8 and bf16 runtimes make NaN."""


class Rectangle(nn.Module):
    """An encoder whose layers attend by queries, keys and values side by side: BERT, RoBERTa, ALBERT, XLM, GPT."""

    def __init__(self, network: Network, language: int = 0) -> None:
        """language   the number that an XLM is told for every token"""
        super().__init__()
        self.network, self.language = network, language

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """(N, S) int64 each, 1 in the mask for tokens and 0 for padding behind them -> (N, S, H) of the last layer."""
        network, (n, s) = self.network, input_ids.shape
        x = network.embeddings(self._flat(input_ids, token_type_ids), None)
        if network.projection is not None:
            x = network.projection(x)
        hidden = (1 - attention_mask[:, None, None, :].to(x.dtype)) * LOW  # (N, 1, 1, S)
        if network.causal:
            places = torch.arange(s, device=x.device)
            hidden = torch.minimum(hidden, (places > places[:, None]).to(x.dtype)[None, None] * LOW)
        for layer in cast("list[Any]", network.layers):
            x = layer.after_attention(x, _attention(layer.queries_keys_values(x), hidden, n, s, layer.heads), None)
        if network.final is not None:
            x = network.final(x)
        return x.view(n, s, x.shape[-1])

    def _flat(self, ids: Tensor, types: Tensor | None) -> Batch:
        """The rectangle as one row, padding and all."""
        n, s = ids.shape
        reads = self.network.reads
        flat = ids.reshape(n * s)
        return Batch(
            token_ids=flat,
            cu_seqlens=torch.arange(n + 1, device=ids.device) * s,
            max_seqlen=s,
            position_ids=torch.arange(s, device=ids.device).expand(n, s).reshape(n * s),
            token_type_ids=types.reshape(n * s) if types is not None and "token_type_ids" in reads else None,
            language_ids=torch.full_like(flat, self.language) if "language_ids" in reads else None,
        )


def _attention(qkv: Tensor, hidden: Tensor, n: int, s: int, heads: int) -> Tensor:
    """(N * S, 3H) -> (N * S, H)."""
    width = qkv.shape[1] // (3 * heads)
    query, key, value = qkv.view(n, s, 3, heads, width).permute(2, 0, 3, 1, 4).unbind(0)  # (N, A, S, D) each
    scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(width)) + hidden
    return (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(n * s, heads * width)
