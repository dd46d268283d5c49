"""Dropout: exact rates, the same masks at the same address, gradients that follow the mask."""

import math
from functools import partial

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from maskwright.layers.dropout import DropoutStream, dropout, dropout_add

DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


@pytest.mark.parametrize("rate", [0.0, 1 / 32768, 0.01, 0.1, 0.15, 0.5, 0.9, 0.999])
def test_rates_lie_in_their_exact_binomial_band(rate: float) -> None:
    trials = 1_000_000
    kept, scale = DropoutStream(1, "rate").decide((trials,), rate, torch.float32)
    dropped = int((kept == 0).sum())
    exact = round(rate * 32768) / 32768
    assert abs(exact - rate) <= 1 / 65536
    low, high = stats.binom.interval(1 - 1e-9, trials, exact)
    assert low <= dropped <= high
    assert scale == pytest.approx(1 / (1 - exact), rel=1e-12)
    assert set(kept.unique().tolist()) <= {0, -1}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_kept_is_scaled_and_the_expectation_stays(dtype: torch.dtype) -> None:
    values = torch.full((200_000,), 3.0, dtype=dtype)
    out = dropout(values, 0.25, DropoutStream(2, "mean"))
    assert out.dtype == dtype and set(out.unique().tolist()) == {0.0, 4.0}
    assert abs(float(out.double().mean()) - 3.0) < 5 * 3 * math.sqrt(0.25 / 0.75 / 200_000)


def test_places_are_independent_of_one_another() -> None:
    """Neighbouring decisions, and those of consecutive steps, agree as often as chance says."""
    n, rate = 1_000_000, 0.5
    first = DropoutStream(3, "dropout", 0).decide((n,), rate, torch.float32)[0] != 0
    second = DropoutStream(3, "dropout", 1).decide((n,), rate, torch.float32)[0] != 0
    low, high = stats.binom.interval(1 - 1e-9, n, 0.5)
    assert low <= int((first == second).sum()) <= high
    for lag in (1, 2, 3, 4, 768):
        assert low <= int((first == first.roll(lag)).sum()) <= high


def test_an_address_names_its_masks() -> None:
    def masks(seed: int, *address: int | str) -> list[Tensor]:
        stream = DropoutStream(seed, *address)
        return [stream.decide((7, 13), 0.3, torch.float32)[0] for _ in range(3)]

    again = masks(5, "dropout", 8, 1)
    for ours, same in zip(masks(5, "dropout", 8, 1), again, strict=True):
        assert torch.equal(ours, same)
    assert not torch.equal(again[0], again[1]), "a stream goes on"
    for other in (masks(6, "dropout", 8, 1), masks(5, "dropout", 9, 1), masks(5, "dropout", 8, 2), masks(5, "x", 8, 1)):
        assert not torch.equal(other[0], again[0])


def test_the_same_decisions_whatever_the_type_of_numbers() -> None:
    kept = [DropoutStream(7, "types").decide((9, 5), 0.4, dtype)[0] != 0 for dtype in DTYPES]
    assert all(torch.equal(mask, kept[0]) for mask in kept)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6])
def test_gradients_are_those_of_finite_differences(rate: float) -> None:
    values = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    residual = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def add(a: Tensor, b: Tensor) -> Tensor:
        return dropout_add(a, b, rate, DropoutStream(0, "check"))

    assert torch.autograd.gradcheck(lambda x: dropout(x, rate, DropoutStream(0, "check")), (values,))
    assert torch.autograd.gradcheck(add, (residual, values))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_fused_addition_is_dropout_and_addition(dtype: torch.dtype) -> None:
    noise = torch.Generator().manual_seed(2)
    draw = partial(torch.randn, 64, 32, generator=noise)
    residual, values = draw().to(dtype), draw().to(dtype)
    fused = dropout_add(residual, values, 0.1, DropoutStream(0, "fused"))
    apart = residual.double() + dropout(values.double(), 0.1, DropoutStream(0, "fused"))
    assert fused.dtype == dtype
    assert (fused.double() - apart).abs().max() <= 4 * torch.finfo(dtype).eps * float(apart.abs().max())


def test_a_dropped_infinity_is_gone() -> None:
    """Multiplying by 0 would leave NaN where a value has overflowed."""
    out = dropout(torch.full((1000,), math.inf), 0.5, DropoutStream(0, "inf"))
    assert set(out.tolist()) == {0.0, math.inf}


def test_without_a_stream_nothing_is_dropped() -> None:
    values = torch.ones(10)
    assert dropout(values, 0.9, None) is values
    assert torch.equal(dropout_add(values, values, 0.9, None), 2 * values)
