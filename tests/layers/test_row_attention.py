"""Some rows' attention is attention at these rows, gradients too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from maskwright.layers.attention import attention
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import layout
from maskwright.layers.row_attention import row_attention, some_rows


def drawn(lengths: list[int], heads: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    qkv = torch.randn(sum(lengths), 3 * heads * width, generator=generator, dtype=torch.float64)
    return qkv, torch.tensor([0, *lengths]).cumsum(0).int()


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    heads=st.integers(1, 3),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_equal_to_attention_at_these_rows(lengths: list[int], heads: int, share: float, seed: int) -> None:
    qkv, cu_seqlens = drawn(lengths, heads, 4, seed)
    index = torch.nonzero(torch.rand(len(qkv), generator=torch.Generator().manual_seed(seed)) <= share)[:, 0]
    where = layout(cu_seqlens, len(qkv), max(lengths), torch.float64)
    hidden = 4 * heads
    whole, part = qkv.clone().requires_grad_(), qkv.clone().requires_grad_()
    wanted = attention(whole, where, heads, way="plain").index_select(0, index)
    query, key_value = part[:, :hidden].index_select(0, index), part[:, hidden:]
    got = row_attention(query, key_value, some_rows(index, where), where, heads)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (got * weights).sum().backward()
    (wanted * weights).sum().backward()
    torch.testing.assert_close(part.grad, whole.grad, rtol=0, atol=1e-12)


def test_a_row_that_is_asked_for_twice_is_answered_twice() -> None:
    qkv, cu_seqlens = drawn([3, 5], 2, 4, 0)
    where = layout(cu_seqlens, 8, 5, torch.float64)
    index = torch.tensor([1, 1, 6])
    got = row_attention(qkv[index, :8], qkv[:, 8:], some_rows(index, where), where, 2)
    assert torch.equal(got[0], got[1])
    torch.testing.assert_close(got, attention(qkv, where, 2, way="plain")[index])


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_weights_are_dropped_at_the_rate_and_right_on_average(rate: float) -> None:
    qkv, cu_seqlens = drawn([40] * 50, 2, 4, 0)
    where, index = layout(cu_seqlens, 2000, 40, torch.float64), torch.arange(0, 2000, 5)
    rows = some_rows(index, where)
    exact = row_attention(qkv[index, :8], qkv[:, 8:], rows, where, 2)
    ones = torch.ones_like(qkv[:, 8:])
    sums = torch.stack(
        [row_attention(qkv[index, :8], ones, rows, where, 2, rate, DropoutStream(seed, "test")) for seed in range(40)]
    )  # of the weights that are kept
    assert abs(float(sums.mean()) - 1) < 0.01 and float(sums.std()) > 0.02
    mean = torch.stack(
        [row_attention(qkv[index, :8], qkv[:, 8:], rows, where, 2, rate, DropoutStream(s, "m")) for s in range(60)]
    ).mean(0)
    assert float((mean - exact).abs().mean()) < 3 * float(exact.std()) * rate**0.5 / 60**0.5
