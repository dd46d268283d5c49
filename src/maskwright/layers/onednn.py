"""Products by oneDNN, with what it can add to them on the way.

PyTorch's own way to rows @ weight.T + bias copies the bias to every row first and adds the product to that. In float32
it takes MKL, which computes at half the rate on processors that are not Intel's.
"""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@cache
def can_fuse(dtype: torch.dtype) -> bool:
    """Whether oneDNN is here and multiplies numbers of that type by instructions of their own."""
    ops = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(ops, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(ops._is_mkldnn_bf16_supported()))


def affine(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """rows @ weight.T + bias, (T, in) -> (T, out), without a gradient; in bfloat16 on a CPU by oneDNN where it can."""
    if _fused(rows):
        return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")  # type: ignore[no-any-return]
    return F.linear(rows, weight, bias)


def through(one: nn.Module, rows: Tensor) -> Tensor:
    """`one(rows)`, (T, in) -> (T, out); where it is a linear map as torch has it, in bfloat16 by `affine`."""
    if isinstance(one, nn.Linear) and not watched(one):
        return mapped(rows, one.weight, one.bias)
    return one(rows)  # type: ignore[no-any-return]


def mapped(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`affine` with a gradient."""
    if _fused(rows):
        return _Affine.apply(rows, weight, bias)  # type: ignore[no-any-return]
    return F.linear(rows, weight, bias)


def watched(one: nn.Module) -> bool:
    """Whether somebody looks at what goes through a linear map, or has put something else in its place."""
    hooks = one._forward_pre_hooks, one._forward_hooks  # pyright: ignore[reportPrivateUsage]
    return type(one) is not nn.Linear or any(map(len, hooks))


def _fused(rows: Tensor) -> bool:
    if rows.dtype != torch.bfloat16 or rows.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return rows.numel() > 0 and can_fuse(rows.dtype)


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return affine(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = ctx.saved_tensors
        needs_rows, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            grads[0] @ weight if needs_rows else None,
            grads[0].t() @ rows if needs_weight else None,
            grads[0].sum(0) if needs_bias else None,
        )
