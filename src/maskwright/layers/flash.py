"""Attention of a flat batch in kernels of our own, for GPUs: nothing is padded, and no weight is ever held.

FlashAttention (Dao et al., arXiv 2205.14135; Dao, arXiv 2307.08691), forward and backward, written in Triton for what
encoders are: many sequences, most of which fit into one tile. torch's kernel is made for long ones. What is gained, in
`docs/performance.md`:

- a backward without atomic additions: the same bits every time, and of sequences of one tile a single pass;
- gradients of query, key and value side by side, where the map that made them wants them, and not joined afterwards;
- dropout at the rate to 1/65536, two decisions of one hash, where torch's kernel takes 8 bits each.

A decision is a function of the seed, which the device's generator draws, and of sequence, head, row and column. So it
does not depend on tiles, and forward and backward make the same.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

STEPS = 1 << 16
"""Of a decision."""
TILE = 64
"""Rows and columns of a tile: forward always, so that what comes of a sequence does not depend on those beside it."""
AT_ONCE, ITS_MEMORY = 128, 120 << 10
"""Tokens of the longest sequence whose backward pass is one tile, and the bytes that a multiprocessor has to share for
it, at least: 8.0, 9.0 and 10.0 do, 8.6, 8.9 and 12.0 do not."""
Ends = tuple[Tensor, Tensor]
Longest = tuple[int, int]


@cache
def _kernels() -> Any:
    """They are compiled where they are first called; importing them asks for Triton."""
    return import_module("maskwright.layers.flash_kernels")


class _Flash(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        asking: Tensor,
        asked: Tensor | None,
        ends: Ends,
        longest: Longest,
        heads: int,
        causal: bool,
        rate: float,
    ) -> Tensor:
        query, key, value = _views(asking, asked)
        rows, hidden = query.shape
        width, dropped = hidden // heads, round(rate * STEPS)
        seed = torch.empty(1, dtype=torch.int64, device=query.device)
        if dropped:
            seed.random_()
        out = query.new_empty(rows, hidden)
        totals = torch.empty(heads, rows, dtype=torch.float32, device=query.device)
        ctx.shape = {"HEADS": heads, "D": width, "CAUSAL": causal, "DROPPED": dropped}
        ctx.longest, ctx.places = longest, (len(ends[0]) - 1) * heads
        ctx.numbers = query.stride(0), key.stride(0), hidden, rows, width**-0.5
        if rows:
            _launch(
                _kernels().forward, -(-longest[0] // TILE), ctx,
                query, key, value, out, totals, seed, *ends, M=TILE, N=TILE,
            )  # fmt: skip
        ctx.save_for_backward(asking, asked, out, totals, seed, *ends)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None, None, None, None]:
        asking, asked, out, totals, seed, *ends = ctx.saved_tensors
        grad_asking = torch.empty_like(asking)
        grad_asked = None if asked is None else torch.empty_like(asked)
        if not len(out):
            return grad_asking, None if grad_asked is None else grad_asked.zero_(), None, None, None, None, None
        read, written = _views(asking, asked), _views(grad_asking, grad_asked)
        grad, alongs = grads[0].contiguous(), torch.empty_like(totals)
        most_at_once = _at_once(out.device)
        at_once = max(ctx.longest) <= most_at_once
        m, n = (_tile(most, most_at_once if at_once else TILE) for most in ctx.longest)
        if not at_once:
            _launch(
                _kernels().backward_of_rows, -(-ctx.longest[0] // m), ctx,
                *read, out, grad, written[0], totals, alongs, seed, *ends, M=m, N=n,
            )  # fmt: skip
        _launch(
            _kernels().backward, -(-ctx.longest[1] // n), ctx,
            *read, grad, *written, totals, alongs, seed, *ends, M=m, N=n,
            ALL=at_once, num_warps=8 if m * n > TILE * TILE else 4, num_stages=1,
        )  # fmt: skip
        return grad_asking, grad_asked, None, None, None, None, None


def _launch(kernel: Any, blocks: int, ctx: Any, first: Tensor, *tensors: Tensor, **named: Any) -> None:
    """For each head of each sequence so many blocks, on the tensors' device, whichever is the current one."""
    with torch.cuda.device_of(first):
        kernel[(blocks * ctx.places,)](first, *tensors, *ctx.numbers, blocks, **ctx.shape, **named)


def _views(asking: Tensor, asked: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value (T, H) each: side by side in one tensor, or the last two in another."""
    if asked is None:
        query, key, value = asking.chunk(3, 1)
        return query, key, value
    key, value = asked.chunk(2, 1)
    return asking, key, value


@cache
def _at_once(device: torch.device) -> int:
    """Tokens of the longest sequence whose backward pass is one tile on that device."""
    if device.type != "cuda":  # the interpreter
        return AT_ONCE
    shared = getattr(torch.cuda.get_device_properties(device), "shared_memory_per_block_optin", 0)
    return AT_ONCE if shared >= ITS_MEMORY else TILE


def _tile(longest: int, most: int) -> int:
    """Rows of a tile: a power of two that the longest sequence fits into, from 16 to `most`."""
    return min(most, max(16, 1 << (longest - 1).bit_length()))


def flash(
    asking: Tensor,
    asked: Tensor | None,
    ends: Ends,
    longest: Longest,
    heads: int,
    causal: bool = False,
    rate: float = 0.0,
) -> Tensor:
    """Attention within each sequence, (R, H).

    asking    (T, 3H) query, key and value side by side; or (R, H), what asks alone
    asked     (T, 2H) key and value side by side, where `asking` has the queries alone
    ends      (N+1,) int32 each, where the sequences of rows that ask, and of those that are asked, begin and end
    longest   tokens of the longest of each, at least
    rate      of weights that are dropped, by the device's generator as it stands
    """
    asked = None if asked is None else asked.contiguous()
    return _Flash.apply(asking.contiguous(), asked, ends, longest, heads, causal, rate)  # type: ignore[no-any-return]


@cache
def why_not(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """What keeps these kernels from heads of `width` columns on the device, in a line; None where nothing does.

    Triton asks for a C compiler, and for a card that it knows. So one sequence is tried, forward and back, as long as
    the largest tile: in a thread of its own, where no mode and no hook of the caller's holds, and nobody's draws are
    moved. Takes seconds once, after that what it made is on disk.
    """
    device = torch.empty(0, device=device).device  # with its number: "cuda" alone is this thread's
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            thread.submit(_try, device, dtype, width).result()
        except Exception as error:  # noqa: BLE001 - whatever Triton says, of many types: torch's kernel is there
            return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return None


def _try(device: torch.device, dtype: torch.dtype, width: int) -> None:
    longest = _at_once(device)
    tokens = torch.zeros(longest, 3 * width, dtype=dtype, device=device, requires_grad=True)
    ends = torch.tensor([0, longest], dtype=torch.int32, device=device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        flash(tokens, None, (ends, ends), (longest, longest), 1, rate=0.1).sum().backward()  # pyright: ignore[reportUnknownMemberType]
