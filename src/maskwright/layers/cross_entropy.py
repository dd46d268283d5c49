"""Cross-entropy of a projection onto a vocabulary, without ever holding the (M, V) scores.

`projected_cross_entropy` goes through the predicted rows in chunks: scores, softmax, loss, and at once the gradients
in the scores' place, so the backward pass only scales them. Its oracle is `plain`.

On CPUs e^score takes a score's place as it is: neither is the largest of its row taken off, nor is it divided by the
row's total. The total T divides what is (M, H) instead of what is (M, V), for with P = e^scores, less T at each target,

    d loss / d rows = (P @ table) / T,   d loss / d table = P.T @ (rows / T),   d loss / d bias = P.T @ (1 / T)

A chunk with scores so large that this would not be exact (`SAFE`), or with a row that has none above zero, goes
through softmax in float32.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.layers.compiled import can_compile, compiled
from maskwright.layers.filler import fill, lacking
from maskwright.layers.onednn import affine

CHUNK = 1024
"""Rows at a time, at most: 62 MB of scores over 30,000 tokens. Products of 150 to 256 rows are a tenth slower."""
FEW = 32
"""Of these so many at a time are looked at on CPUs: they stay in the cache from the first look to the last."""
SAFE = 60.0
"""The largest score: 30,000 times e^60 is far below what bfloat16 holds, and what it divides far above zero."""
CHUNK_ON_GPU = 8192
"""The same on GPUs, where rows are many and memory is too: half a gigabyte."""
ALIGNED = 64
"""On GPUs a row of scores has a multiple of so many: of 30,522 columns products are made at a third of their rate."""
IGNORED = -100
"""A target that counts for nothing, as in torch: of GPUs and of the plain way."""
EXACT_AFTER = 4
"""Chunks that are summed in half precision (0.3 % off); for more the sum is kept in float32."""


class Scored(NamedTuple):
    """Of a chunk of m rows.

    loss      sum of its rows, (): float32
    correct   hits, (): int64
    gradient  of the scores (m, V), in their place, times the total of its row
    totals    (m, 1) float32
    """

    loss: Tensor
    correct: Tensor
    gradient: Tensor
    totals: Tensor


class _Projected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        need = any(ctx.needs_input_grad[:3])
        loss = torch.zeros((), dtype=torch.float32, device=rows.device)
        correct = torch.zeros((), dtype=torch.int64, device=rows.device)
        grad_rows = torch.empty_like(rows)
        on_cpu = rows.device.type == "cpu"
        chunk = CHUNK if on_cpu else CHUNK_ON_GPU
        vocabulary = table.shape[0]
        if not on_cpu:
            table, bias = aligned(table, bias)
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
            part = fill(part, lacking(len(part), part))
            scored = (_on_cpu if on_cpu else _on_gpu)(affine(part, table, bias), target)
            loss += scored.loss
            correct += scored.correct
            if need:
                grad, inverse = scored.gradient, scored.totals.reciprocal()
                torch.mul((grad @ table)[: len(target)], inverse[: len(target)], out=grad_part)
                grad_bias += inverse.to(grad.dtype).t().mm(grad)[0]  # a product: a sum in float32 takes twice as long
                part = (part * inverse).to(part.dtype)
                if many:
                    grad_table.add_(grad.t() @ part)
                elif place == 0:
                    torch.mm(grad.t(), part, out=grad_table)
                else:
                    grad_table.addmm_(grad.t(), part)
        if need:
            grad_table, grad_bias = grad_table[:vocabulary], grad_bias[:vocabulary]
            ctx.save_for_backward(grad_rows, grad_table.to(table.dtype), grad_bias.to(bias.dtype))
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        grad_rows, grad_table, grad_bias = ctx.saved_tensors
        scale = grads[0]  # float32 without dimensions: multiplies in float32, keeps each tensor's type
        return grad_rows.mul_(scale), grad_table.mul_(scale), grad_bias.mul_(scale), None


def _on_cpu(all_scores: Tensor, target: Tensor) -> Scored:
    """As powers where these are exact, else as shares: a few rows at a time, in the scores' place.

    Of scores (m + filler, V) those of the filler become a gradient of zeros.
    """
    scores, wanted = all_scores[: len(target)], target[:, None]
    loss, correct, totals = _scored(scores, wanted)
    all_scores[len(target) :] = 0
    totals = F.pad(totals, (0, 0, 0, len(all_scores) - len(scores)), value=1.0)
    return Scored(loss, correct, all_scores, totals)


def _scored(scores: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, hits and totals; the gradient is in the scores' place."""
    if scores.dtype == torch.bfloat16:
        # positive numbers have the order of their bits, and whole numbers are compared four times as fast
        best = torch.cat([some.amax(-1, keepdim=True) for some in scores.view(torch.int16).split(FEW)])
        best = best.view(torch.bfloat16)
        if bool(((best >= 0) & (best <= SAFE)).all()):  # not so where one is no number
            return _powers(scores, wanted, best)
    return _shares(scores, wanted)


def _powers(scores: Tensor, wanted: Tensor, best: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    of_target = scores.gather(1, wanted)
    totals = torch.cat([some.exp_().sum(-1, keepdim=True, dtype=torch.float32) for some in scores.split(FEW)])
    hit = scores.gather(1, wanted).float()
    exact = totals - hit + of_target.float().exp()  # the target's own power, not rounded: no loss is below zero
    loss = (exact.log() - of_target).sum()
    _set(scores, wanted, hit - totals)
    return loss, (of_target == best).sum(), totals


def _shares(scores: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    loss = torch.zeros((), dtype=torch.float32)
    correct = torch.zeros((), dtype=torch.int64)
    for some, of_them in zip(scores.split(FEW), wanted.split(FEW), strict=True):
        shares = torch.softmax(some, -1, dtype=torch.float32)
        best = shares.amax(-1, keepdim=True)
        hit = shares.gather(1, of_them)
        loss -= _logarithms(hit, best, some, of_them).sum()
        correct += (hit == best).sum()
        _set(shares, of_them, hit - 1)
        some.copy_(shares)
    return loss, correct, torch.ones(len(scores), 1)


def _set(scores: Tensor, wanted: Tensor, numbers: Tensor) -> None:
    """In place, one number of each row (`scatter_` copies all of them first)."""
    scores[torch.arange(len(scores)), wanted[:, 0]] = numbers[:, 0].to(scores.dtype)


def aligned(table: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Both with columns of filler behind the vocabulary, which score -inf: they have no share and no gradient."""
    filler = -len(table) % ALIGNED
    if not filler:
        return table, bias
    return F.pad(table, (0, 0, 0, filler)), F.pad(bias, (0, filler), value=-math.inf)


def _on_gpu(scores: Tensor, target: Tensor) -> Scored:
    return Scored(*_fused()(scores, target), torch.ones(len(scores), 1, device=scores.device))


def at_once(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same of all rows at once, readable: what `_fused` makes two passes of."""
    x = scores.float()
    best = x.amax(-1, keepdim=True)
    counts = target[:, None] != IGNORED
    hit = x.gather(1, target[:, None].clamp(min=0))
    total = (x - best).exp().sum(-1, keepdim=True).log() + best
    right = torch.arange(x.shape[1], device=x.device) == target[:, None]
    grad = ((x - total).exp() - right.float()) * counts
    return ((total - hit) * counts).sum(), ((hit == best) & counts).sum(), grad.to(scores.dtype)


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

    rows (M, H), table (V, H), bias (V,), targets (M,) int64. In half precision the fused way is taken, in float32 and
    float64 the plain one. A hit shared with an equal score counts as a hit in the fused way. A target may be IGNORED,
    but not in half precision on a CPU.
    """
    if rows.dtype in (torch.bfloat16, torch.float16):
        return _Projected.apply(rows, table, bias, targets)  # type: ignore[no-any-return]
    return plain(rows, table, bias, targets)
