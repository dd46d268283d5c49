"""Layers that are only looked at: without gradients, nothing dropped, on a processor.

What training must do otherwise or keep is left away. Equal to `Layer.forward`, which is its oracle.

    products    by oneDNN, the activation within, weights laid out as it wants them; in float32 PyTorch's own take
                MKL, which computes at half the rate on processors that are not Intel's
    attention   2^x in place of softmax: the sum comes out of the product with the values, to which a column of ones is
                joined, and both are zero where there is no token. So nothing has to be hidden, and nothing is
                searched for a maximum; where scores are so large that sums show it, softmax is taken
"""

import math
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.layers.attention import attention
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.filler import fill
from maskwright.layers.gelu_tanh import gelu_tanh
from maskwright.layers.layout import Layout
from maskwright.layers.onednn import can_fuse, watched
from maskwright.layers.row_attention import Rows
from maskwright.layers.transformer_layer import Layer

FUSED: dict[Any, tuple[str, str]] = {F.gelu: ("gelu", "none"), gelu_tanh: ("gelu", "tanh"), F.relu: ("relu", "")}
"""Activations as oneDNN calls them."""
STRIDE = 8
"""Of what S is a multiple in bfloat16: oneDNN multiplies rows of 264 in two thirds of the time of 261."""
ROWS = 4096
"""For how many rows weights are laid out: of one alone it would be another layout, of 64 or more it is the same."""
SCORES = 2**20
"""Scores in float32 that are there at once: 4 MB, which stay in the cache until they are multiplied with the values."""
LEAST, MOST = 2.0**-100, 2.0**110
"""Of a row's sum: below it weights would be lost that count in float32, above it sums of values could overflow."""


def quicken(network: nn.Module) -> int:
    """Let its layers take this way wherever they are only looked at; how many layers that are."""
    found = [module for module in network.modules() if type(module) is Layer]
    for layer in found:
        layer.forward = partial(_forward, layer)
        for map_ in layer.children():
            if isinstance(map_, nn.Linear):
                _LAID_OUT.pop(map_, None)
    return len(found)


def _forward(layer: Layer, x: Tensor, where: Layout, stream: DropoutStream | None, rows: Rows | None = None) -> Tensor:
    if rows is not None or not _only_looked_at(layer, x, stream):
        return Layer.forward(layer, x, where, stream, rows)
    context = looked_attention(linear(x, layer.query_key_value), where, layer.heads)
    x = layer.attention_norm(linear(context, layer.attention_output).add_(x))
    inner = linear(x, layer.intermediate, layer.activation)
    return layer.output_norm(linear(inner, layer.output).add_(x))


def _only_looked_at(layer: Layer, x: Tensor, stream: DropoutStream | None) -> bool:
    if torch.is_grad_enabled() or stream is not None or x.device.type != "cpu" or not len(x):
        return False
    # who watches a map, or has put something else in its place, wants it called
    maps = (layer.query_key_value, layer.attention_output, layer.intermediate, layer.output)
    return can_fuse(x.dtype) and not any(watched(one) for one in maps)


def linear(x: Tensor, of: nn.Linear, activation: Any = None) -> Tensor:
    """(T, in) -> (T, out) behind the activation."""
    name, algorithm = FUSED.get(activation, ("none", ""))
    found = torch.ops.mkldnn._linear_pointwise(x, laid_out(of), of.bias, name, [], algorithm)
    return found if activation is None or activation in FUSED else activation(found)


class LaidOut(NamedTuple):
    """A map's weights in oneDNN's own layout, and of which numbers that is.

    of   the weights, held so that no others come to lie where they lie
    """

    of: Tensor
    version: int
    weight: Tensor


_LAID_OUT: WeakKeyDictionary[nn.Linear, LaidOut] = WeakKeyDictionary()


def laid_out(of: nn.Linear) -> Tensor:
    """The map's weights in blocks, as oneDNN multiplies them: products take 0.8 of the time, of few rows half.

    They are kept beside the weights themselves, and laid out anew where these have moved or changed. What changes them
    by `weight.data` is not seen, as PyTorch does not count it: call `quicken` again.
    """
    weight = of.weight
    if weight.is_inference():  # nobody counts how often it changes
        return weight
    known, version = _LAID_OUT.get(of), weight._version  # pyright: ignore[reportPrivateUsage]
    if known is None or (known.of.data_ptr(), known.version) != (weight.data_ptr(), version):
        blocks = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS)
        known = _LAID_OUT[of] = LaidOut(weight.detach(), version, blocks)
    return known.weight


def looked_attention(qkv: Tensor, where: Layout, heads: int) -> Tensor:
    """qkv (T, 3H) -> (T, H); see `attention`."""
    if where.causal:
        return attention(qkv, where, heads)
    n, width = where.num_sequences, qkv.shape[1] // (3 * heads)
    query, key, value, slots = _parts(qkv, where, heads)
    s = query.shape[2]
    few = max(1, min(n, SCORES // (heads * s * s))) if qkv.dtype == torch.float32 else n
    scores, context = qkv.new_empty(few * heads, s, s), qkv.new_empty(n, s, heads, width)
    for first in range(0, n, few):
        some = slice(first, first + few)
        asking, asked, told = (part[some].flatten(0, 1) for part in (query, key, value))
        weights = scores[: len(asking)]
        torch.exp2(torch.bmm(asking, asked.transpose(1, 2), out=weights), out=weights)
        sums = torch.bmm(weights, told).view(-1, heads, s, width + 1)
        least, most = torch.aminmax(sums[..., width])
        if not (float(least) > LEAST and float(most) < MOST):  # nor where there is a NaN
            return attention(qkv, where, heads)
        torch.div(sums[..., :width], sums[..., width:], out=context[some].transpose(1, 2))
    rows = context.view(n * s, heads * width)
    return rows if slots is None else fill(rows.index_select(0, slots), where.filler)


def _parts(qkv: Tensor, where: Layout, heads: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Queries and keys (N, A, S, D), scaled so that 2^score is wanted; values and a last column (N, A, S, D + 1); and
    the row of each token in the rectangle (N * S), whose S may be more than the longest sequence has.
    """
    n, width = where.num_sequences, qkv.shape[1] // (3 * heads)
    even = STRIDE if qkv.dtype == torch.bfloat16 else 1
    s = -(-where.max_seqlen // even) * even
    tokens = len(qkv) - where.filler
    rows, here, slots = qkv, None, where.slots
    if s != where.max_seqlen:
        slots = torch.arange(tokens) if slots is None else slots
        slots = slots + torch.div(slots, where.max_seqlen, rounding_mode="floor") * (s - where.max_seqlen)
    if slots is not None:
        # where there is no token stands some row, whose query nobody reads and whose value is zero
        source = torch.zeros(n * s, dtype=torch.int64).index_copy_(0, slots, torch.arange(tokens))
        rows, here = qkv.index_select(0, source), qkv.new_zeros(n * s).index_fill_(0, slots, 1).view(n, 1, s)
    parts = rows.view(n, s, 3, heads, width).transpose(1, 3)  # (N, A, 3, S, D)
    query, key = qkv.new_empty(n, heads, s, width), qkv.new_empty(n, heads, s, width)
    value = qkv.new_empty(n, heads, s, width + 1)
    torch.mul(parts[:, :, 0], math.log2(math.e) / math.sqrt(width), out=query)
    key.copy_(parts[:, :, 1])
    if here is None:
        value[..., :width].copy_(parts[:, :, 2])
        value[..., width] = 1
    else:
        torch.mul(parts[:, :, 2], here[..., None], out=value[..., :width])
        value[..., width] = here
    return query, key, value, slots
