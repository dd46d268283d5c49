"""Cross-entropy of a projection onto a vocabulary, without ever holding the (M, V) scores.

`projected_cross_entropy` goes through the predicted rows in chunks: scores, softmax in float32, loss,
and at once the gradients in the scores' place, so the backward pass only scales them. Its oracle is `plain`.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.layers.compiled import can_compile, compiled

CHUNK = 1024
"""Rows at a time, at most: 62 MB of scores over 30,000 tokens. Products of 150 to 256 rows are a tenth slower."""
FEW = 32
"""Of these so many at a time become float32 shares, on CPUs: a chunk's would be twice the size of its scores."""
CHUNK_ON_GPU = 8192
"""The same on GPUs, where rows are many and memory is too: half a gigabyte."""
EXACT_AFTER = 4
"""Chunks that are summed in half precision (0.3 % off); for more the sum is kept in float32."""


class _Projected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        need = any(ctx.needs_input_grad[:3])
        loss = torch.zeros((), dtype=torch.float32, device=rows.device)
        correct = torch.zeros((), dtype=torch.int64, device=rows.device)
        grad_rows = torch.empty_like(rows)
        on_cpu = rows.device.type == "cpu"
        chunk = CHUNK if on_cpu else CHUNK_ON_GPU
        many = rows.shape[0] > EXACT_AFTER * chunk
        grad_table = table
        if need:
            grad_table = torch.zeros_like(table, dtype=torch.float32) if many else torch.empty_like(table)
        grad_bias = torch.zeros(bias.shape, dtype=torch.float32, device=bias.device)
        chunks = max(1, math.ceil(rows.shape[0] / chunk))  # of like size: a short one would read the table for few rows
        pieces = zip(
            rows.tensor_split(chunks), targets.tensor_split(chunks), grad_rows.tensor_split(chunks), strict=True
        )
        for place, (part, target, grad_part) in enumerate(pieces):
            scores = F.linear(part, table, bias)
            its_loss, its_correct, grad = (_in_place if on_cpu else _fused())(scores, target)
            loss += its_loss
            correct += its_correct
            if need:
                grad_bias += grad.new_ones(1, grad.shape[0]).mm(grad)[0]  # twice as fast as a sum, in float32 as it is
                torch.mm(grad, table, out=grad_part)
                if many:
                    grad_table.add_(grad.t() @ part)
                elif place == 0:
                    torch.mm(grad.t(), part, out=grad_table)
                else:
                    grad_table.addmm_(grad.t(), part)
        if need:
            ctx.save_for_backward(grad_rows, grad_table.to(table.dtype), grad_bias.to(bias.dtype))
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        grad_rows, grad_table, grad_bias = ctx.saved_tensors
        scale = grads[0]  # float32 without dimensions: multiplies in float32, keeps each tensor's type
        return grad_rows.mul_(scale), grad_table.mul_(scale), grad_bias.mul_(scale), None


def _in_place(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, hits, and the gradient of the scores in their place: on CPUs, a few rows at a time."""
    loss = torch.zeros((), dtype=torch.float32)
    correct = torch.zeros((), dtype=torch.int64)
    for some, wanted in zip(scores.split(FEW), target[:, None].split(FEW), strict=True):
        shares = torch.softmax(some, -1, dtype=torch.float32)
        best = shares.amax(-1, keepdim=True)
        hit = shares.gather(1, wanted)
        loss -= _logarithms(hit, best, some, wanted).sum()
        correct += (hit == best).sum()
        some.copy_(shares.scatter_(1, wanted, hit - 1))
    return loss, correct, scores


def at_once(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same of all rows at once, readable: what `_fused` makes two passes of."""
    x = scores.float()
    best = x.amax(-1, keepdim=True)
    hit = x.gather(1, target[:, None])
    total = (x - best).exp().sum(-1, keepdim=True).log() + best
    right = torch.arange(x.shape[1], device=x.device) == target[:, None]
    grad = (x - total).exp() - right.float()
    return (total - hit).sum(), (hit == best).sum(), grad.to(scores.dtype)


@cache
def _fused() -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """`at_once` in kernels that read the scores twice and write them once; as it is where nothing can be compiled."""
    return compiled(at_once) if can_compile() else at_once


def _logarithms(hit: Tensor, best: Tensor, scores: Tensor, target: Tensor) -> Tensor:
    """log p of the targets (m, 1): of their shares `hit`, or from the scores where one underflows or nobody can ask."""
    if hit.device.type == "cpu" and bool((hit > torch.finfo(hit.dtype).tiny).all()):
        return hit.log()
    # score - log-sum-exp, the latter from the largest share: one more look at all scores
    return scores.gather(1, target).float() - (scores.amax(-1, keepdim=True).float() - best.log())


def plain(rows: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The readable way, with PyTorch's own cross-entropy."""
    scores = F.linear(rows, table, bias)
    loss = F.cross_entropy(scores.float() if scores.dtype == torch.bfloat16 else scores, targets, reduction="sum")
    return loss, (scores.argmax(-1) == targets).sum()


def projected_cross_entropy(rows: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy of softmax(rows @ table.T + bias) against `targets`, and the number of arg-max hits.

    rows (M, H), table (V, H), bias (V,), targets (M,) int64. In half precision the fused way is taken, in
    float32 and float64 the plain one. A hit shared with an equal score counts as a hit in the fused way.
    """
    if rows.dtype in (torch.bfloat16, torch.float16):
        return _Projected.apply(rows, table, bias, targets)  # type: ignore[no-any-return]
    return plain(rows, table, bias, targets)
