"""Cross-entropy of a projection onto a vocabulary, without ever holding the (M, V) scores.

`projected_cross_entropy` goes through the predicted rows in chunks: scores, softmax in float32, loss,
and at once the gradients in the scores' place, so the backward pass only scales them. Its oracle is `plain`.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 1024
"""Rows at a time, at most: 62 MB of scores over 30,000 tokens. Products of 150 to 256 rows are a tenth slower."""
FEW = 32
"""Of these so many at a time become float32 shares, on CPUs: a chunk's would be twice the size of its scores."""
EXACT_AFTER = 4
"""Chunks that are summed in half precision (0.3 % off); for more the sum is kept in float32."""


class _Projected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        need = any(ctx.needs_input_grad[:3])
        loss = torch.zeros((), dtype=torch.float32, device=rows.device)
        correct = torch.zeros((), dtype=torch.int64, device=rows.device)
        grad_rows = torch.empty_like(rows)
        many = rows.shape[0] > EXACT_AFTER * CHUNK
        grad_table = table
        if need:
            grad_table = torch.zeros_like(table, dtype=torch.float32) if many else torch.empty_like(table)
        grad_bias = torch.zeros(bias.shape, dtype=torch.float32, device=bias.device)
        chunks = max(1, math.ceil(rows.shape[0] / CHUNK))  # of like size: a short one would read the table for few rows
        few = FEW if rows.device.type == "cpu" else CHUNK
        pieces = zip(
            rows.tensor_split(chunks), targets.tensor_split(chunks), grad_rows.tensor_split(chunks), strict=True
        )
        for place, (part, target, grad_part) in enumerate(pieces):
            scores = F.linear(part, table, bias)
            for some, wanted in zip(scores.split(few), target[:, None].split(few), strict=True):
                shares = torch.softmax(some, -1, dtype=torch.float32)
                best = shares.amax(-1, keepdim=True)
                hit = shares.gather(1, wanted)
                loss -= _logarithms(hit, best, some, wanted).sum()
                correct += (hit == best).sum()
                if need:
                    some.copy_(shares.scatter_(1, wanted, hit - 1))
            if need:
                grad = scores
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
