"""Attention over a flat batch: with `layout` the only place that knows where sequences begin and end.

Inner ways, chosen by `best_way`:

    plain     one sequence after another, readable, returns the weights; the oracle of the others
    products  padded inside, plain matrix products with a backward of their own; on CPUs several
              times faster than SDPA in bf16, and about equal to it in float32
    sdpa      padded inside, `scaled_dot_product_attention`; any device
    varlen    no padding at all, torch's kernel; CUDA, torch >= 2.10
    flash     no padding at all, kernels of our own, see `layers.flash`; CUDA, Triton

Sequences come in any order; when neighbours have like lengths, little is padded.
"""

import importlib.util
import math
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.layers import flash as kernels
from maskwright.layers.compiled import can_compile
from maskwright.layers.dropout import DropoutStream, keep, keep_
from maskwright.layers.filler import fill
from maskwright.layers.layout import Layout, pad, unpad

Way = Literal["plain", "products", "sdpa", "varlen", "flash"]
WIDTHS = (16, 32, 64)
"""Columns of a head that `flash` is made for."""
_flash_wanted = ContextVar("flash", default=True)


def _heads(qkv: Tensor, where: Layout, heads: int) -> Tensor:
    """(T, 3H) -> (3, N, A, S, D), a contiguous copy (`contiguous()` would not copy a batch of one token)."""
    width = qkv.shape[1]
    padded = pad(qkv, where).view(where.num_sequences, where.max_seqlen, 3, heads, width // (3 * heads))
    return padded.permute(2, 0, 3, 1, 4).clone(memory_format=torch.contiguous_format)


class _Products(torch.autograd.Function):
    """Attention by three products and a softmax, and by five products backwards."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, where: Layout, heads: int, rate: float, stream: DropoutStream | None) -> Tensor:
        query, key, value = _heads(qkv, where, heads)  # (N, A, S, D) each
        n, a, s, d = query.shape
        query.mul_(1 / math.sqrt(d))
        scores = torch.bmm(query.view(n * a, s, d), key.view(n * a, s, d).transpose(1, 2)).view(n, a, s, s)
        if where.hidden is not None:
            scores.add_(where.hidden)
        weights = torch.softmax(scores, -1)
        ctx.where, ctx.scale, ctx.shape = where, 1.0, (n, a, s, d)
        if stream is None or rate == 0:
            kept, dropped = None, weights
        else:
            kept, ctx.scale = stream.decide(weights.shape, rate, weights.dtype)
            dropped = keep(weights, kept)
            value.mul_(ctx.scale)  # in place of the weights: S / D times fewer numbers
        ctx.save_for_backward(query, key, value, weights, dropped, kept)
        out = torch.bmm(dropped.view(n * a, s, s), value.view(n * a, s, d)).view(n, a, s, d)
        return unpad(out.transpose(1, 2).reshape(n, s, a * d), where)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        query, key, value, weights, dropped, kept = ctx.saved_tensors
        n, a, s, d = ctx.shape
        grad = pad(grads[0].contiguous(), ctx.where).view(n, s, a, d).transpose(1, 2).reshape(n * a, s, d)
        grad_qkv = grad.new_empty(3, n * a, s, d)
        torch.bmm(dropped.view(n * a, s, s).transpose(1, 2), grad, out=grad_qkv[2])
        grad_weights = torch.bmm(grad, value.view(n * a, s, d).transpose(1, 2)).view(n, a, s, s)
        if kept is not None:
            keep_(grad_weights, kept)
            grad_qkv[2].mul_(ctx.scale)
        grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype).view(n * a, s, s)
        torch.bmm(grad_scores, key.view(n * a, s, d), out=grad_qkv[0])
        grad_qkv[0].mul_(1 / math.sqrt(d))
        torch.bmm(grad_scores.transpose(1, 2), query.view(n * a, s, d), out=grad_qkv[1])
        rows = grad_qkv.view(3, n, a, s, d).permute(1, 3, 0, 2, 4).reshape(n, s, 3 * a * d)
        return unpad(rows, ctx.where), None, None, None, None


def _sdpa(qkv: Tensor, where: Layout, heads: int, rate: float, stream: DropoutStream | None) -> Tensor:
    width = qkv.shape[1]
    if where.slots is None:
        padded = qkv.view(where.num_sequences, where.max_seqlen, width)
    else:  # index_put's backward is slow, index_copy's is an index_select
        flat = qkv.new_zeros(where.num_sequences * where.max_seqlen, width).index_copy(
            0, where.slots, qkv[: len(where.slots)]
        )
        padded = flat.view(where.num_sequences, where.max_seqlen, width)
    query, key, value = padded.view(*padded.shape[:2], 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    mask = None if where.causal else where.hidden
    dropped = 0.0 if stream is None else rate
    out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropped, is_causal=where.causal)
    return unpad(out.transpose(1, 2).reshape(*padded.shape[:2], width // 3), where)


def _varlen(qkv: Tensor, where: Layout, heads: int, rate: float, stream: DropoutStream | None) -> Tensor:
    query, key, value = qkv.view(qkv.shape[0], 3, heads, -1).unbind(1)
    return varlen(query, key, value, where, where, 0.0 if stream is None else rate).reshape(qkv.shape[0], -1)


def flash(
    asking: Tensor,
    asked: Tensor | None,
    where: tuple[Layout, Layout],
    heads: int,
    rate: float,
    stream: DropoutStream | None,
) -> Tensor:
    """`layers.flash` of rows that lie as `where` says, those that ask and those that are asked."""
    ends, longest = (where[0].cu_seqlens, where[1].cu_seqlens), (where[0].max_seqlen, where[1].max_seqlen)
    return kernels.flash(asking, asked, ends, longest, heads, where[1].causal, 0.0 if stream is None else rate)


def varlen(query: Tensor, key: Tensor, value: Tensor, asking: Layout, asked: Layout, rate: float) -> Tensor:
    """query (R, A, D) of sequences that lie as `asking` says, key and value (T, A, D) as `asked` -> (R, A, D).

    rate   of the weights, by the device's generator as it stands. `varlen_attn` drops none, the kernel below it does
    """
    ends = asking.cu_seqlens, asked.cu_seqlens, asking.max_seqlen, asked.max_seqlen
    if rate:
        out = torch.ops.aten._flash_attention_forward(query, key, value, *ends, rate, asked.causal, False)[0]
    else:
        from torch.nn.attention.varlen import varlen_attn

        window = (-1, 0) if asked.causal else (-1, -1)  # tokens seen before and behind; -1: all
        out = varlen_attn(query, key, value, *ends, window_size=window)
    assert isinstance(out, Tensor)
    return out


def plain(
    qkv: Tensor, where: Layout, heads: int, rate: float = 0.0, stream: DropoutStream | None = None
) -> tuple[Tensor, list[Tensor]]:
    """The readable way: one sequence after another. Returns (T, H) and the weights (A, S_i, S_i) of each sequence.

    BERT, section 3; *Attention is all you need* (1706.03762), equation 1.
    """
    width = qkv.shape[1] // (3 * heads)
    outs: list[Tensor] = []
    all_weights: list[Tensor] = []
    kept: Tensor | None = None
    scale = 1.0
    if stream is not None and rate > 0:  # drawn in the padded shape, so that every way drops the same weights
        shape = (where.num_sequences, heads, where.max_seqlen, where.max_seqlen)
        kept, scale = stream.decide(shape, rate, qkv.dtype)
    for i, rows in enumerate(qkv[: len(qkv) - where.filler].split(where.lengths())):
        s = rows.shape[0]
        query, key, value = rows.view(s, 3, heads, width).permute(1, 2, 0, 3)  # (A, S_i, D) each
        scores = query @ key.transpose(1, 2) / math.sqrt(width)
        if where.causal:
            scores = scores.masked_fill(torch.ones(s, s, dtype=torch.bool, device=scores.device).triu(1), -math.inf)
        weights = torch.softmax(scores, -1)
        all_weights.append(weights)
        if kept is not None:
            weights = weights * scale * (kept[i, :, :s, :s] != 0)
        outs.append((weights @ value).transpose(0, 1).reshape(s, heads * width))
    return fill(torch.cat(outs), where.filler), all_weights


def best_way(qkv: Tensor, heads: int) -> Way:
    """The fastest exact way: `flash`, `varlen` or `sdpa` on CUDA, `products` on CPUs."""
    if qkv.device.type != "cuda":
        return "products"
    given = qkv.device, qkv.dtype, qkv.shape[1] // (3 * heads)
    return "flash" if has_flash(*given) else "varlen" if has_varlen(*given) else "sdpa"


@contextmanager
def without_flash() -> Generator[None]:
    """Let torch's kernels compute attention meanwhile: their operations are known to whoever counts them."""
    before = _flash_wanted.set(False)
    try:
        yield
    finally:
        _flash_wanted.reset(before)


def has_flash(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Whether kernels of our own can be made for this GPU and heads of `width` columns."""
    return _flash_wanted.get() and why_not_flash(device, dtype, width) is None


@cache
def why_not_flash(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """What keeps kernels of our own from a device and heads of `width` columns; None where nothing does."""
    if device.type != "cuda" or torch.version.hip is not None:
        return "they are for NVIDIA's GPUs"
    if dtype not in (torch.bfloat16, torch.float16):
        return "they are for half precision"
    if width not in WIDTHS:
        return (
            f"they are for heads of {', '.join(map(str, WIDTHS[:-1]))} or {WIDTHS[-1]} columns, and these have {width}"
        )
    if not can_compile():
        return "Triton is not installed"
    if (here := torch.cuda.get_device_capability(device)) < (8, 0):
        return f"they ask for compute capability 8.0, and this GPU has {here[0]}.{here[1]}"
    return kernels.why_not(device, dtype, width)


@cache
def has_varlen(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Whether this torch and this GPU have the kernel for heads of `width` columns."""
    half = dtype in (torch.bfloat16, torch.float16)
    return why_padded(device) is None and half and width % 8 == 0 and width <= 256


def why_padded(device: torch.device) -> str | None:
    """What keeps attention from going without padding in half precision; None where nothing does."""
    if device.type != "cuda":
        return "the kernel for rows without padding is a GPU's"
    if importlib.util.find_spec("torch.nn.attention.varlen") is None:
        return f"torch {torch.__version__} has no torch.nn.attention.varlen, as 2.10 has"
    major, minor = torch.cuda.get_device_capability(device)
    if (major, minor) < (8, 0):
        return f"the kernel for rows without padding asks for compute capability 8.0, and this GPU has {major}.{minor}"
    return None


def attention(
    qkv: Tensor,
    where: Layout,
    heads: int,
    rate: float = 0.0,
    stream: DropoutStream | None = None,
    way: Way | None = None,
) -> Tensor:
    """Self-attention within each sequence.

    qkv (T, 3H): queries, keys and values side by side, each head's D columns together; returns (T, H).
    `rate` and `stream` drop attention weights, as BERT does in training; on CPUs `sdpa` cannot, and refuses. On CUDA
    `sdpa`, `varlen` and `flash` drop others than `products` and `plain`.
    """
    if way == "sdpa" and stream is not None and rate > 0 and not qkv.is_cuda:
        raise ValueError(f"the way {way} drops no attention weights on CPUs: take products or plain")
    match way or best_way(qkv, heads):
        case "plain":
            return plain(qkv, where, heads, rate, stream)[0]
        case "products":
            return _Products.apply(qkv, where, heads, rate, stream)  # type: ignore[no-any-return]
        case "sdpa":
            return _sdpa(qkv, where, heads, rate, stream)
        case "varlen":
            return _varlen(qkv, where, heads, rate, stream)
        case "flash":
            return flash(qkv, None, (where, where), heads, rate, stream)
