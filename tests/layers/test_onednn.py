"""A linear map by oneDNN beside torch's own, and float64 between them."""

import pytest
import torch
from torch import Tensor, nn

from maskwright.layers.onednn import can_fuse, through

needs_bf16 = pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this processor has no instructions for bfloat16")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


def linear(rows: int, columns: int) -> nn.Linear:
    one = nn.Linear(rows, columns)
    with torch.no_grad():
        one.weight.copy_(drawn(columns, rows, seed=1) / rows**0.5)
        one.bias.copy_(drawn(columns, seed=2))
    return one.bfloat16()


def output_and_gradients(one: nn.Module, x: Tensor, by_map: bool, weights: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    one.zero_grad()
    out = through(one, x) if by_map else one(x)
    (out * weights).sum().backward()
    grads = [x.grad, *(p.grad for p in one.parameters())]
    return [out.detach(), *(grad for grad in grads if grad is not None)]


@needs_bf16
@pytest.mark.parametrize(("rows", "inner", "outer"), [(1, 1, 1), (7, 16, 3), (130, 64, 200)])
def test_it_is_as_near_to_float64_as_torch_is(rows: int, inner: int, outer: int) -> None:
    one, x, weights = linear(inner, outer), drawn(rows, inner), drawn(rows, outer, seed=3)
    ours, theirs = (output_and_gradients(one, x, by_map, weights) for by_map in (True, False))
    exact = output_and_gradients(one.double(), x.double(), False, weights.double())
    assert len(ours) == len(theirs) == 4
    for found, torch_own, expected in zip(ours, theirs, exact, strict=True):
        assert found.dtype == torch.bfloat16 and found.shape == expected.shape
        size = float(expected.abs().max())
        own = float((torch_own - expected).abs().max())
        assert float((found - expected).abs().max()) <= own + 2**-9 * size


@needs_bf16
def test_what_needs_no_gradient_gets_none() -> None:
    one, x = linear(4, 3), drawn(5, 4)
    one.weight.requires_grad_(False)
    through(one, x).sum().backward()
    assert one.weight.grad is None and one.bias.grad is not None
    with torch.no_grad():
        assert not through(one, x).requires_grad


def test_who_watches_a_map_or_has_replaced_it_is_asked() -> None:
    one, x, seen = linear(4, 3), drawn(5, 4), list[Tensor]()
    handle = one.register_forward_hook(lambda *given: seen.append(given[-1]))
    assert through(one, x) is seen[0]
    handle.remove()

    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    other = Doubled(4, 3).bfloat16()
    assert through(other, x).equal(other(x))
    assert through(nn.Tanh(), x).equal(torch.tanh(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_in_other_precisions_it_is_torch_s(dtype: torch.dtype) -> None:
    one, x = linear(4, 3).to(dtype), drawn(5, 4).to(dtype)
    assert through(one, x).equal(one(x))


@needs_bf16
@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_no_bias(rows: int) -> None:
    one = nn.Linear(4, 3, bias=False).bfloat16()
    assert through(one, drawn(rows, 4)).equal(one(drawn(rows, 4)))
    assert through(linear(4, 3), drawn(rows, 4)).shape == (rows, 3)
