"""What encoders of layers over a flat batch have in common: the way of the rows through the layers, and out of them."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import cast

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.errors import BadInput
from maskwright.layers.attention import Layout, layout, plain
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.row_attention import some_rows
from maskwright.layers.transformer_layer import Layer


def layout_of(batch: Batch, model: str, reads: AbstractSet[str], longest: int, dtype: torch.dtype) -> Layout:
    """Where the batch's sequences lie; BadInput where the batch is not for this network.

    model     its name, for the message
    reads     the fields of a batch that it reads
    longest   the most tokens that a sequence may have
    """
    batch.check_read_by(model, reads)
    if batch.max_seqlen > longest:
        raise BadInput(
            f"a sequence of {batch.max_seqlen} tokens is longer than the model's {longest} positions: "
            "shorten it, or ask for truncation"
        )
    return layout(batch.cu_seqlens, batch.num_tokens, batch.max_seqlen, dtype)


def last_layer(
    layers: Sequence[nn.Module] | nn.ModuleList,
    x: Tensor,
    where: Layout,
    stream: DropoutStream | None,
    rows: Tensor | None,
) -> Tensor:
    """The last layer's output, (T, H); at the rows `rows` (R,) alone, (R, H): what nobody reads is not computed."""
    if rows is not None and not len(layers):
        return x.index_select(0, rows)
    for place, layer in enumerate(layers, 1):
        is_last = place == len(layers)
        x = layer(x, where, stream, some_rows(rows, where) if rows is not None and is_last else None)
    return x


def all_layers(layers: Iterable[nn.Module], x: Tensor, where: Layout, stream: DropoutStream | None) -> list[Tensor]:
    """L + 1 tensors (T, H): what goes into the layers, then each one's output."""
    states = [x]
    for layer in layers:
        states.append(layer(states[-1], where, stream))
    return states


@torch.no_grad()
def attention_weights(layers: Iterable[nn.Module], x: Tensor, where: Layout) -> list[Tensor]:
    """For each sequence its attention weights in all layers, (L, A, S_i, S_i)."""
    weights: list[list[Tensor]] = []
    for layer in cast("Iterable[Layer]", layers):
        weights.append(plain(layer.query_key_value(x), where, layer.heads)[1])
        x = layer(x, where, None)
    return [torch.stack(of_layers) for of_layers in zip(*weights, strict=True)]


def first_vectors(last: Tensor, batch: Batch) -> Tensor:
    """(T, H) -> (N, H): each sequence's first token; of a batch without tokens zeros."""
    if batch.num_tokens == 0:
        return last.new_zeros(batch.num_sequences, last.shape[1])
    return last.index_select(0, batch.first_rows)


def tanh_pool(pooler: nn.Module, first: Tensor, batch: Batch) -> Tensor:
    """(N, H) -> (N, H): BERT's pooler, tanh(pooler(first)); of zeros where a sequence has no token."""
    return torch.tanh(pooler(first * (batch.cu_seqlens.diff() > 0)[:, None]))
