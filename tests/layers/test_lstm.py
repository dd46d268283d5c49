"""The LSTM with projection and clips, beside its equations, and beside PyTorch's own where that has them."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from maskwright.layers.lstm import Lstm
from maskwright.layers.reading_order import reading_order

CPU = torch.device("cpu")


def made(clip: float | None, *, inputs: int = 5, cells: int = 7, outputs: int = 4, seed: int = 0) -> Lstm:
    torch.manual_seed(seed)
    lstm = Lstm(inputs, cells, outputs, cell_clip=clip, projection_clip=clip and clip / 2).double()
    for parameter in lstm.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return lstm


def one_by_one(
    lstm: Lstm, x: Tensor, bounds: list[int], backward: bool, begin: Tensor, cells: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A sequence after another, a token after another: outputs (T, P) as rows lie, and the last states."""
    outputs: dict[int, Tensor] = {}
    ends: list[tuple[Tensor, Tensor]] = []
    for n, (first, end) in enumerate(pairwise(bounds)):
        h, c = begin[n], cells[n]
        for row in reversed(range(first, end)) if backward else range(first, end):
            gates = lstm.input.weight @ x[row] + lstm.input.bias + lstm.recurrent @ h
            i, f, z, o = gates.view(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(z)
            if lstm.clips[0]:
                c = torch.clamp(c, -lstm.clips[0], lstm.clips[0])
            h = lstm.projection @ (torch.sigmoid(o) * torch.tanh(c))
            if lstm.clips[1]:
                h = torch.clamp(h, -lstm.clips[1], lstm.clips[1])
            outputs[row] = h
        ends.append((h, c))
    stacked = torch.stack([outputs[row] for row in range(bounds[-1])]) if outputs else x.new_zeros(0, begin.shape[1])
    return stacked, torch.stack([h for h, _ in ends]), torch.stack([c for _, c in ends])


def at_once(
    lstm: Lstm, x: Tensor, bounds: list[int], backward: bool, begin: Tensor, cells: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    order = reading_order(np.array(bounds), backward=backward, device=CPU)
    out, (h, c) = lstm(x[order.rows], order, (begin[order.sequences], cells[order.sequences]))
    back = torch.argsort(order.sequences)
    return out[torch.argsort(order.rows)], h[back], c[back]


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([None, 0.3, 1.0, 3.0]),
    st.integers(0, 1000),
)
@settings(max_examples=30)
def test_outputs_states_and_gradients_are_those_of_the_equations(
    lengths: list[int], backward: bool, clip: float | None, seed: int
) -> None:
    lstm = made(clip, seed=seed)
    bounds = [0, *np.cumsum(lengths).tolist()]
    begin, cells = torch.randn(len(lengths), 4, dtype=torch.float64), torch.randn(len(lengths), 7, dtype=torch.float64)
    x = torch.randn(bounds[-1], 5, dtype=torch.float64)
    given_: list[Any] = [x, begin, cells]
    gradients: list[list[Tensor]] = []
    results: list[tuple[Tensor, ...]] = []
    for way in (one_by_one, at_once):
        leaves = [one.clone().requires_grad_() for one in given_]
        found = way(lstm, leaves[0], bounds, backward, leaves[1], leaves[2])
        weights = [torch.linspace(-1, 2, one.numel(), dtype=torch.float64).view(one.shape) for one in found]
        loss = sum((one * weight).sum() for one, weight in zip(found, weights))
        wanted = [*leaves, *lstm.parameters()]
        grads = torch.autograd.grad(loss, wanted, allow_unused=True)
        gradients.append([torch.zeros_like(p) if g is None else g for p, g in zip(wanted, grads)])
        results.append(found)
    for one, other in (*zip(*results), *zip(*gradients)):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-9)


@pytest.mark.parametrize("gates", [1, 100, 1 << 22])
def test_without_gradients_stretches_of_steps_give_the_same(monkeypatch: pytest.MonkeyPatch, gates: int) -> None:
    lstm, bounds = made(1.0), [0, 6, 6, 9, 14]
    begin, cells = torch.randn(4, 4, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    x = torch.randn(14, 5, dtype=torch.float64)
    wanted = at_once(lstm, x, bounds, False, begin, cells)
    monkeypatch.setattr("maskwright.layers.lstm.GATES", gates)
    with torch.no_grad():
        found = at_once(lstm, x, bounds, False, begin, cells)
    for one, other in zip(wanted, found):
        torch.testing.assert_close(one, other, atol=1e-13, rtol=0)


@pytest.mark.parametrize("backward", [False, True])
def test_without_clips_it_is_pytorchs_own(backward: bool) -> None:
    lstm = made(None)
    theirs = torch.nn.LSTM(5, 7, proj_size=4).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(lstm.input.weight)
        theirs.bias_ih_l0.copy_(lstm.input.bias)
        theirs.weight_hh_l0.copy_(lstm.recurrent)
        theirs.bias_hh_l0.zero_()
        theirs.weight_hr_l0.copy_(lstm.projection)
    x = torch.randn(9, 5, dtype=torch.float64)
    bounds = [0, 4, 9]
    zeros = torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2, 7, dtype=torch.float64)
    outputs, h, c = at_once(lstm, x, bounds, backward, *zeros)
    for n, (first, end) in enumerate(pairwise(bounds)):
        part = x[first:end].flip(0) if backward else x[first:end]
        wanted, (last_h, last_c) = theirs(part)
        wanted = wanted.flip(0) if backward else wanted
        torch.testing.assert_close(outputs[first:end], wanted)
        torch.testing.assert_close(h[n], last_h[0])
        torch.testing.assert_close(c[n], last_c[0])


def test_clips_hold_and_bite() -> None:
    lstm = made(0.25, seed=3)
    x = 3 * torch.randn(40, 5, dtype=torch.float64)
    order = reading_order(np.array([0, 40]), backward=False, device=CPU)
    outputs, (_, cell) = lstm(x, order)
    assert cell.abs().max().item() == 0.25
    assert outputs.abs().max().item() == 0.125
