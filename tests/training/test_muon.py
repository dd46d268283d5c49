"""Muon over stacked matrices against torch's own, which takes one after another."""

import pytest
import torch
from torch import Tensor, nn

from maskwright.training import muon
from maskwright.training.flat import Part
from maskwright.training.muon import Muon, orthogonal

SHAPES = [(16, 16), (64, 16), (16, 16), (16, 64), (16, 16), (64, 16), (8, 24)]


def drawn(shapes: list[tuple[int, int]], seed: int) -> list[Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draws) for shape in shapes]


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 48), (1, 7)])
def test_stacked_matrices_are_made_orthogonal_as_torch_makes_each(shape: tuple[int, int]) -> None:
    from torch.optim._muon import _zeropower_via_newtonschulz as alone  # pyright: ignore[reportPrivateUsage]

    stack = torch.stack(drawn([shape] * 5, 0)) * torch.tensor([1e-12, 1e-3, 1.0, 50.0, 0.0])[:, None, None]
    made = orthogonal(stack)
    assert made.dtype == torch.bfloat16
    for ours, matrix in zip(made, stack, strict=True):
        torch.testing.assert_close(ours, alone(matrix, muon.COEFFICIENTS, muon.ITERATIONS, muon.TINY))


@pytest.mark.parametrize("at_once", [1, 2 * 16 * 16, muon.AT_ONCE])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ten_steps_are_torch_s_however_many_are_stacked(
    at_once: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "AT_ONCE", at_once)
    ours = [matrix.to(dtype) for matrix in drawn(SHAPES, 1)]
    theirs = [nn.Parameter(matrix.clone()) for matrix in ours]
    ways = [(slice(0, 5), 0.1, 1.0), (slice(5, 7), 0.0, 0.5)]
    for matrix in ours:
        matrix.grad = torch.empty_like(matrix)
    terms = [(decay, own) for where, decay, own in ways for _ in ours[where]]
    parts = [Part(matrix, *alike, place) for place, (matrix, alike) in enumerate(zip(ours, terms, strict=True))]
    made = Muon(parts, rate=0.02, momentum=0.9)
    groups = [{"params": theirs[where], "weight_decay": decay, "lr": 0.02 * own} for where, decay, own in ways]
    torch_s = torch.optim.Muon(groups, momentum=0.9)
    for step in range(10):
        for matrix, parameter, gradient in zip(ours, theirs, drawn(SHAPES, 2 + step), strict=True):
            assert matrix.grad is not None
            matrix.grad.copy_(gradient)
            parameter.grad = gradient.to(dtype)
        made.step(1.0)
        torch_s.step()
    for matrix, parameter in zip(ours, theirs, strict=True):
        torch.testing.assert_close(matrix, parameter.detach(), rtol=0, atol=2e-6)
    state = torch_s.state_dict()["state"]
    assert list(made.tensors()) == [f"{place}.momentum_buffer" for place in range(len(SHAPES))]
    for place, own in enumerate(made.tensors().values()):
        torch.testing.assert_close(own, state[place]["momentum_buffer"])


@pytest.mark.parametrize("shape", [(16, 16), (64, 24), (96, 96)])
def test_the_company_of_a_matrix_does_not_change_its_update(shape: tuple[int, int]) -> None:
    """Ranks that share an optimizer have fewer matrices each, and come to the same bits."""
    stack = torch.stack(drawn([shape] * 5, 0))
    whole = orthogonal(stack)
    for places in ([0], [1, 3], [4, 2, 0]):
        assert orthogonal(stack[places]).equal(whole[places])
