# pyright: basic, reportMissingImports=false, reportIndexIssue=false, reportGeneralTypeIssues=false
"""The kernels of `layers.flash`, in Triton.

In all of them a program computes a tile of a head of a sequence: M rows, which look at N columns at a time. Tensors are
flat batches (rows, heads times D), with `row` numbers from one row of queries to the next, and `asked_row` and
`out_row` likewise; sequences begin and end where `ends` says, and those of keys and values where `asked_ends` does.
The `blocks` of a head follow one another, so that they find in the cache what they share.
"""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
STEPS = tl.constexpr(1 << 16)
"""Of a decision, as `flash.STEPS`."""


@triton.jit
def _program(ends, asked_ends, blocks, HEADS: tl.constexpr):
    """Which block of a head this program is, the place of that head among all, and which of its sequence it is; where
    that sequence begins and ends, and that of its keys and values."""
    block, place = tl.program_id(0) % blocks, tl.program_id(0) // blocks
    sequence, head = place // HEADS, place % HEADS
    start, end = tl.load(ends + sequence), tl.load(ends + sequence + 1)
    return block, place, head, start, end, tl.load(asked_ends + sequence), tl.load(asked_ends + sequence + 1)


@triton.jit
def _keys(seed, place):
    """Two numbers that name the decisions of a sequence's head: Philox of the seed at its place."""
    one, other, _, _ = tl.randint4x(tl.load(seed), place.to(tl.int32))
    return one.to(tl.uint32, bitcast=True), other.to(tl.uint32, bitcast=True)


@triton.jit
def _kept(one, other, rows, first, M: tl.constexpr, N: tl.constexpr, DROPPED: tl.constexpr):
    """(M, N) whether the weights of `rows` (M,) and of N columns from an even `first` on are kept.

    Of each row and pair of columns a hash (Wellons's lowbias32, with a second key between its rounds), of which the
    low half decides about one column and the high half about the next.
    """
    pairs = first // 2 + tl.arange(0, N // 2)
    x = (rows[:, None] * 65536 + pairs[None, :]).to(tl.uint32) ^ one
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15) ^ other) * 0x846CA68B
    x = x ^ (x >> 16)
    return tl.join(x << 16, x).reshape(M, N) >= DROPPED * STEPS  # against all 32 bits


@triton.jit
def _places(numbers, start, row, head, D: tl.constexpr, ROWS: tl.constexpr):
    """(ROWS, D) of a head from row `start` on, of a tensor whose rows are `row` numbers apart."""
    at = numbers + start.to(tl.int64) * row + head * D
    return at + (tl.arange(0, ROWS)[:, None] * row + tl.arange(0, D)[None, :])


@triton.jit
def _load(numbers, start, end, row, head, D: tl.constexpr, ROWS: tl.constexpr):
    """What is there, and zeros from row `end` on."""
    there = (start + tl.arange(0, ROWS) < end)[:, None]
    return tl.load(_places(numbers, start, row, head, D, ROWS), mask=there, other=0.0)


@triton.jit
def _store(values, numbers, start, end, row, head, D: tl.constexpr, ROWS: tl.constexpr):
    """Put them there, those before row `end`."""
    there = (start + tl.arange(0, ROWS) < end)[:, None]
    tl.store(_places(numbers, start, row, head, D, ROWS), values.to(numbers.dtype.element_ty), mask=there)


@triton.jit
def _scores(q, k, rows, first, length, scale, N: tl.constexpr, CAUSAL: tl.constexpr):
    """(M, N) the logarithms of weights to base 2, but for a number of each row; -inf where a row does not see."""
    columns = first + tl.arange(0, N)
    scores = tl.dot(q, tl.trans(k)) * (scale * LOG2_E) + tl.where(columns < length, 0.0, float("-inf"))[None, :]
    return tl.where(columns[None, :] <= rows[:, None], scores, float("-inf")) if CAUSAL else scores


@triton.jit(do_not_specialize=["num_rows", "blocks"])
def forward(
    query, key, value, out, totals, seed, ends, asked_ends, row, asked_row, out_row, num_rows, scale, blocks,
    HEADS: tl.constexpr, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    CAUSAL: tl.constexpr, DROPPED: tl.constexpr,
):  # fmt: skip
    """M rows of a head of a sequence, which look at its columns N at a time. `totals`: log2 of each row's powers."""
    block, place, head, start, end, asked, asked_end = _program(ends, asked_ends, blocks, HEADS)
    top, length = block * M, asked_end - asked
    if start + top >= end:
        return
    one, other = _keys(seed, place) if DROPPED else (0, 0)
    rows = top + tl.arange(0, M)
    q = _load(query, start + top, end, row, head, D, M)
    best = tl.full([M], float("-inf"), tl.float32)
    total = tl.zeros([M], tl.float32)
    sums = tl.zeros([M, D], tl.float32)
    for first in range(0, tl.minimum(length, top + M) if CAUSAL else length, N):
        k = _load(key, asked + first, asked_end, asked_row, head, D, N)
        v = _load(value, asked + first, asked_end, asked_row, head, D, N)
        scores = _scores(q, k, rows, first, length, scale, N, CAUSAL)
        higher = tl.maximum(best, tl.max(scores, 1))
        shrink = tl.exp2(best - higher)
        powers = tl.exp2(scores - higher[:, None])
        total = total * shrink + tl.sum(powers, 1)
        if DROPPED:
            powers = tl.where(_kept(one, other, rows, first, M, N, DROPPED), powers, 0.0)
        sums = tl.dot(powers.to(v.dtype), v, sums * shrink[:, None])
        best = higher
    kept = STEPS / (STEPS - DROPPED)
    _store(sums * (kept / total)[:, None], out, start + top, end, out_row, head, D, M)
    tl.store(totals + head.to(tl.int64) * num_rows + start + rows, best + tl.log2(total), mask=start + rows < end)


@triton.jit
def _weights(
    q, k, v, grad, total, along, one, other, rows, first, length, scale,
    M: tl.constexpr, N: tl.constexpr, CAUSAL: tl.constexpr, DROPPED: tl.constexpr, ALL: tl.constexpr,
):  # fmt: skip
    """The weights (M, N) that were not dropped, and the gradient of the scores.

    along   (M,) sum over all columns of weight times its gradient; not read where the N are ALL
    """
    weights = tl.exp2(_scores(q, k, rows, first, length, scale, N, CAUSAL) - total[:, None])
    of_weights = tl.dot(grad, tl.trans(v))
    used = weights
    if DROPPED:
        kept = _kept(one, other, rows, first, M, N, DROPPED)
        used = tl.where(kept, weights, 0.0)
        of_weights = tl.where(kept, of_weights, 0.0) * (STEPS / (STEPS - DROPPED))
    if ALL:
        along = tl.sum(weights * of_weights, 1)
    return used.to(q.dtype), (weights * (of_weights - along[:, None])).to(q.dtype)


@triton.jit(do_not_specialize=["num_rows", "blocks"])
def backward(
    query, key, value, grad, grad_query, grad_key, grad_value, totals, alongs, seed, ends, asked_ends,
    row, asked_row, out_row, num_rows, scale, blocks,
    HEADS: tl.constexpr, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    CAUSAL: tl.constexpr, DROPPED: tl.constexpr, ALL: tl.constexpr,
):  # fmt: skip
    """Gradients of N keys and values, at which rows look M at a time; of rows too where both are ALL there are."""
    block, place, head, start, end, asked, asked_end = _program(ends, asked_ends, blocks, HEADS)
    first, length = block * N, asked_end - asked
    if first >= length:
        return
    one, other = _keys(seed, place) if DROPPED else (0, 0)
    k = _load(key, asked + first, asked_end, asked_row, head, D, N)
    v = _load(value, asked + first, asked_end, asked_row, head, D, N)
    of_key = tl.zeros([N, D], tl.float32)
    of_value = tl.zeros([N, D], tl.float32)
    for top in range(first // M * M if CAUSAL and not ALL else 0, M if ALL else end - start, M):
        q = _load(query, start + top, end, row, head, D, M)
        g = _load(grad, start + top, end, out_row, head, D, M)
        rows = top + tl.arange(0, M)
        at = head.to(tl.int64) * num_rows + start + rows
        total = tl.load(totals + at, mask=start + rows < end, other=float("inf"))
        along = total if ALL else tl.load(alongs + at, mask=start + rows < end, other=0.0)
        used, of_scores = _weights(
            q, k, v, g, total, along, one, other, rows, first, length, scale, M, N, CAUSAL, DROPPED, ALL
        )
        of_value = tl.dot(tl.trans(used), g, of_value)
        of_key = tl.dot(tl.trans(of_scores), q, of_key)
        if ALL:
            _store(tl.dot(of_scores, k) * scale, grad_query, start + top, end, row, head, D, M)
    _store(of_key * scale, grad_key, asked + first, asked_end, asked_row, head, D, N)
    _store(of_value * (STEPS / (STEPS - DROPPED)), grad_value, asked + first, asked_end, asked_row, head, D, N)


@triton.jit(do_not_specialize=["num_rows", "blocks"])
def backward_of_rows(
    query, key, value, out, grad, grad_query, totals, alongs, seed, ends, asked_ends,
    row, asked_row, out_row, num_rows, scale, blocks,
    HEADS: tl.constexpr, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    CAUSAL: tl.constexpr, DROPPED: tl.constexpr,
):  # fmt: skip
    """Gradients of M rows, which look at N columns at a time; and `alongs`, see `_weights`."""
    block, place, head, start, end, asked, asked_end = _program(ends, asked_ends, blocks, HEADS)
    top, length = block * M, asked_end - asked
    if start + top >= end:
        return
    one, other = _keys(seed, place) if DROPPED else (0, 0)
    rows = top + tl.arange(0, M)
    q = _load(query, start + top, end, row, head, D, M)
    o = _load(out, start + top, end, out_row, head, D, M)
    g = _load(grad, start + top, end, out_row, head, D, M)
    at = head.to(tl.int64) * num_rows + start + rows
    total = tl.load(totals + at, mask=start + rows < end, other=float("inf"))
    along = tl.sum(o.to(tl.float32) * g.to(tl.float32), 1)
    tl.store(alongs + at, along, mask=start + rows < end)
    of_query = tl.zeros([M, D], tl.float32)
    for first in range(0, tl.minimum(length, top + M) if CAUSAL else length, N):
        k = _load(key, asked + first, asked_end, asked_row, head, D, N)
        v = _load(value, asked + first, asked_end, asked_row, head, D, N)
        of_scores = _weights(
            q, k, v, g, total, along, one, other, rows, first, length, scale, M, N, CAUSAL, DROPPED, False
        )[1]
        of_query = tl.dot(of_scores, k, of_query)
    _store(of_query * scale, grad_query, start + top, end, row, head, D, M)
