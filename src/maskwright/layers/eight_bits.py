"""Layers whose products are of 8-bit integers, on processors with instructions for them (VNNI); only to be looked at.

Weights have a step for each output; activations are cut into steps as they come. What comes out of a norm has one range
for all rows, after its columns were brought to like ranges by the norm's own gain and bias, which say what these are
(the idea of SmoothQuant, arXiv 2211.10438, without its texts). What comes out of attention and of the activation, where
single tokens are far larger than others, has a range for each row (as LLM.int8(), arXiv 2208.07339, section 2.1).

Residuals, norms and embeddings stay in float32, attention in bfloat16.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import Layout
from maskwright.layers.looking import FUSED, looked_attention
from maskwright.layers.norm import Norm
from maskwright.layers.onednn import can_fuse
from maskwright.layers.row_attention import Rows
from maskwright.layers.transformer_layer import Layer

ROWS = 512
"""That go through the feed-forward network at once: what is between its products stays near the processor."""
SHARE = 0.75
"""How much of the columns' differences the weights take over, SmoothQuant's alpha."""
DEVIATIONS = 3.0
"""A norm gives a column its bias and so many times its gain, at most; nearly."""
LOWEST = {"gelu": -0.17, "relu": 0.0}
"""What an activation gives at least, rounded away from zero; what is added to have none below it."""
STEPS, HALF = 252, 128
"""Of 256: what rounds up twice on the way must not come to 256, which would be 0."""


def can_eight_bits() -> bool:
    """Whether this processor multiplies 8-bit integers exactly, and oneDNN is there to ask it to."""
    has = getattr(torch.cpu, "_is_vnni_supported", None)
    return (
        has is not None and bool(has()) and can_fuse(torch.float32) and hasattr(torch.ops.onednn, "qlinear_pointwise")
    )


class Weight(NamedTuple):
    """A map's weight in 8 bits.

    packed   (out, in) int8, as oneDNN lays it
    steps    (out,) float32
    zeros    (out,) int64, of zeros
    sums     (out,) float32, of what it stands for, over its inputs
    """

    packed: Tensor
    steps: Tensor
    zeros: Tensor
    sums: Tensor

    def times(self, x: Tensor, step: float, zero: int, bias: Tensor | None, dtype: torch.dtype, act: Any) -> Tensor:
        """x (T, in) of 8 bits -> (T, out) behind the activation, step (x - zero) being what it stands for."""
        name, algorithm = FUSED.get(act, ("none", ""))
        found = torch.ops.onednn.qlinear_pointwise(
            x, step, zero, self.packed, self.steps, self.zeros, bias, 1.0, 0, dtype, name, [], algorithm
        )
        return found if act is None or act in FUSED else act(found)


def weight_of(weight: Tensor) -> Weight:
    """(out, in) float32 -> 8 bits, symmetric."""
    steps = weight.abs().amax(1).clamp(min=1e-12) / 127
    whole = (weight / steps[:, None]).round_().to(torch.int8)
    packed, zeros = torch.ops.onednn.qlinear_prepack(whole, None), torch.zeros(len(steps), dtype=torch.int64)
    return Weight(packed, steps, zeros, steps * whole.sum(1))


def _bytes(x: Tensor) -> Tensor:
    """Numbers between -128 and 127, which are changed -> the nearest whole ones and 128, as unsigned bytes.

    PyTorch makes signed bytes of numbers four times as fast as unsigned ones; oneDNN multiplies signed ones by a
    reference alone, a hundred times slower.
    """
    return x.round_().to(torch.int8).view(torch.uint8).bitwise_xor_(HALF)


class AfterNorm:
    """A map of what a norm gives: one range for all rows, columns evened."""

    def __init__(self, of: nn.Linear, norm: Norm) -> None:
        largest = (norm.bias.abs() + DEVIATIONS * norm.weight.abs()).clamp(min=1e-5) ** SHARE
        even = largest / of.weight.abs().amax(0).clamp(min=1e-5) ** (1 - SHARE)
        even = even / even.mean()
        self.inverse, self.bias = 1 / even, of.bias
        self.weight = weight_of(of.weight * even)

    def __call__(self, x: Tensor, dtype: torch.dtype, act: Any = None) -> Tensor:
        """(T, in) float32 -> (T, out)."""
        even = x * self.inverse
        low, high = (float(end) for end in torch.aminmax(even))
        step = max((max(high, 0.0) - min(low, 0.0)) / STEPS, 1e-12)
        zero = round(-min(low, 0.0) / step)
        moved = torch.add(torch.tensor(float(zero - HALF)), even, alpha=1 / step, out=even)
        return self.weight.times(_bytes(moved), step, zero, self.bias, dtype, act)


class ByRow:
    """A map with a range for each row, added to something.

    lowest   what its input is at least; None: nobody knows, and the range goes as far below zero as above
    """

    def __init__(self, of: nn.Linear, lowest: float | None) -> None:
        self.weight, self.lowest = weight_of(of.weight), lowest
        self.bias = of.bias if not lowest else of.bias + lowest * self.weight.sums

    def __call__(self, x: Tensor, beside: Tensor) -> Tensor:
        """(T, in) and (T, out) float32 -> (T, out) float32, their sum."""
        if self.lowest is None:
            steps = x.abs().amax(1, keepdim=True).float().clamp_(min=1e-12) / (STEPS // 2)
            moved = x * (1 / steps).to(x.dtype)
        else:
            steps = (x.amax(1, keepdim=True).float() - self.lowest) / STEPS
            inverse = 1 / steps.clamp_(min=1e-12)
            moved = (x * inverse.to(x.dtype)).add_((-HALF - self.lowest * inverse).to(x.dtype))
        zero = HALF if self.lowest is None else 0
        found = self.weight.times(_bytes(moved), 1.0, zero, None, torch.float32, None)
        return torch.addcmul(beside, found, steps).add_(self.bias)


class _Maps(NamedTuple):
    query_key_value: AfterNorm
    attention_output: ByRow
    intermediate: AfterNorm
    output: ByRow


def in_eight_bits(network: nn.Module) -> int:
    """Let its layers multiply 8-bit integers wherever they are only looked at; how many layers that are.

    BadInput for a network or a processor that cannot. Weights that change afterwards change nothing.
    """
    if not can_eight_bits():
        raise BadInput("int8: this processor has no instructions for it (VNNI): take bfloat16 or float32")
    first: Norm | None = getattr(getattr(network, "embeddings", None), "norm", None)
    layers = list(getattr(network, "layers", []))
    projected = getattr(network, "projection", None) is not None
    if first is None or projected or not layers or not all(type(layer) is Layer for layer in layers):
        name = getattr(network, "name", "this network")
        raise BadInput(f"int8: {name} has no layers that begin behind a norm: take bfloat16 or float32")
    before = first
    with torch.no_grad():
        for layer in layers:
            maps = _Maps(
                AfterNorm(layer.query_key_value, before),
                ByRow(layer.attention_output, None),
                AfterNorm(layer.intermediate, layer.attention_norm),
                ByRow(layer.output, LOWEST.get(FUSED.get(layer.activation, ("", ""))[0])),
            )
            layer.forward = partial(_forward, layer, maps)
            before = layer.output_norm
    return len(layers)


def _forward(
    layer: Layer, maps: _Maps, x: Tensor, where: Layout, stream: DropoutStream | None, rows: Rows | None = None
) -> Tensor:
    if rows is not None or stream is not None or torch.is_grad_enabled() or not len(x):
        return Layer.forward(layer, x, where, stream, rows)
    between = torch.bfloat16 if can_fuse(torch.bfloat16) else torch.float32
    context = looked_attention(maps.query_key_value(x, between), where, layer.heads)
    x = layer.attention_norm(maps.attention_output(context, x))
    parts = [maps.output(maps.intermediate(part, torch.float32, layer.activation), part) for part in x.split(ROWS)]
    return layer.output_norm(torch.cat(parts) if len(parts) > 1 else parts[0])
