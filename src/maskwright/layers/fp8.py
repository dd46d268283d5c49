"""Linear maps whose products are of 8-bit floats, in training: an experiment.

Micikevicius et al. (arXiv 2209.05433): what goes forward, activations and weights, in E4M3 (4 bits of exponent, 3 of
mantissa), gradients in E5M2. Each tensor is scaled by a power of two of its own, so that its largest number comes into
the upper half of the format's range; sums are float32, results bfloat16. Biases, attention's own products, norms and
prediction heads stay as they are.

GPUs with such arithmetic (compute capability 8.9) multiply twice as many of them a second as of bfloat16. Elsewhere the
numbers are the same and it takes longer, since they are multiplied as bfloat16: that shows what a loss makes of it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.errors import BadInput
from maskwright.layers.pre_norm_layer import PreNormLayer
from maskwright.layers.transformer_layer import Layer

FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2
SINCE = (8, 9)
"""The compute capability of NVIDIA's first GPUs that multiply such numbers."""
STRIDE = 16
"""What both widths of a product's second factor have to be multiples of there."""
MAPS = ("query_key_value", "attention_output", "intermediate", "output")


def quantised(values: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """`values` in that format, multiplied with a power of two, and what is to be multiplied with to have them back.

    The factor is (): float32; of a tensor of zeros 1, and no number where one is infinite or none, which the format
    may not be able to say.
    """
    largest = values.abs().amax().float() if values.numel() else values.new_zeros((), dtype=torch.float32)
    power = torch.frexp(torch.finfo(kind).max / largest).exponent - 1  # 2^power * largest is at most the maximum
    finite = largest.isfinite()
    power = torch.where((largest > 0) & finite, power, 0).clamp(-100, 100)
    scaled = torch.ldexp(values, power.to(torch.int32)) if values.numel() else values
    return scaled.to(kind), torch.where(finite, torch.ldexp(torch.ones_like(largest), -power), torch.nan)


def product(a: Tensor, b: Tensor, factor_a: Tensor, factor_b: Tensor) -> Tensor:
    """(M, K) @ (K, N) of 8-bit floats, times both factors, in bfloat16; on GPUs b lies there by columns."""
    if a.device.type == "cuda":
        return torch.ops.aten._scaled_mm(a, b, factor_a, factor_b, out_dtype=torch.bfloat16)
    return (a.to(torch.bfloat16) @ b.to(torch.bfloat16)).mul_(factor_a * factor_b)


class _Map(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (x, of_x), (w, of_w) = quantised(rows, FORWARD), quantised(weight, FORWARD)
        ctx.save_for_backward(x, of_x, w, of_w)
        made = product(x, w.t(), of_x, of_w)
        return made if bias is None else made.add_(bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, of_x, w, of_w = ctx.saved_tensors
        g, of_g = quantised(grads[0], BACKWARD)
        needs_rows, needs_weight, needs_bias = ctx.needs_input_grad
        filler = -len(x) % STRIDE  # the sum over rows is of whole strides
        return (
            product(g, _columns(w), of_g, of_w) if needs_rows else None,
            product(_columns(g, filler).t(), _columns(x, filler), of_g, of_x) if needs_weight else None,
            grads[0].sum(0) if needs_bias else None,
        )


def _columns(matrix: Tensor, filler: int = 0) -> Tensor:
    """The matrix, and rows of zeros behind it, laid out by columns: what these products want of a second factor."""
    if matrix.device.type != "cuda":
        return matrix
    return F.pad(matrix.t().view(torch.uint8), (0, filler)).contiguous().view(matrix.dtype).t()


class Fp8Linear(nn.Module):
    """`linear` with products of 8-bit floats where it is trained in bfloat16; as it is elsewhere. Its weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, rows: Tensor) -> Tensor:
        """(T, in) -> (T, out)."""
        if torch.is_grad_enabled() and rows.dtype == torch.bfloat16:
            return _Map.apply(rows, self.weight, self.bias)  # type: ignore[no-any-return]
        return F.linear(rows, self.weight, self.bias)


def in_fp8(network: nn.Module) -> int:
    """Let the linear maps of the network's layers multiply so in training; how many maps that are.

    Of a last layer that is computed for some rows, queries, keys and values stay in bfloat16. BadInput where there are
    no such layers, or where a width is no multiple of 16.
    """
    made: dict[nn.Module, Fp8Linear] = {}
    for layer in network.modules():
        for name in MAPS if isinstance(layer, Layer | PreNormLayer) else ():
            linear = getattr(layer, name)
            if type(linear) is not nn.Linear:
                continue
            if any(width % STRIDE for width in linear.weight.shape):
                shape = " x ".join(map(str, linear.weight.shape))
                raise BadInput(
                    f"training.precision fp8: a linear map is {shape}, and both have to be multiples of {STRIDE}: "
                    "take bf16, or other widths"
                )
            setattr(layer, name, made.setdefault(linear, Fp8Linear(linear)))
    if not made:
        raise BadInput("training.precision fp8 is for the layers of BERT, RoBERTa, ALBERT, XLM and GPT: take bf16 here")
    return len(made)
