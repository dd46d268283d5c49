"""The tanh form of GELU beside PyTorch's in float64, for every number that bf16 has."""

import torch
import torch.nn.functional as F

from maskwright.layers.gelu_tanh import PIECE, gelu_tanh


def test_every_number_of_bf16_is_rounded_as_well_as_pytorch_does() -> None:
    """Values and derivatives: nowhere more than one last bit from the exact one."""
    bits = torch.arange(-(1 << 15), 1 << 15).to(torch.int16).view(torch.bfloat16)
    numbers = bits[bits.abs() < 1e12]
    assert len(numbers) > 40_000
    half, exact = numbers.clone().requires_grad_(), numbers.double().requires_grad_()
    made, wanted = gelu_tanh(half), F.gelu(exact, approximate="tanh")
    made.sum().backward()
    wanted.sum().backward()
    assert half.grad is not None and exact.grad is not None
    for ours, true in ((made, wanted), (half.grad, exact.grad)):
        last_bit = torch.finfo(torch.bfloat16).eps * true.abs().clamp(min=1e-6)
        assert ((ours.double() - true).abs() <= last_bit).all()


def test_shapes_and_pieces_do_not_matter() -> None:
    numbers = torch.randn(3, PIECE // 2 + 1, generator=torch.Generator().manual_seed(0)).bfloat16()
    whole = gelu_tanh(numbers)
    assert whole.shape == numbers.shape
    assert torch.equal(whole[:, ::2], gelu_tanh(numbers[:, ::2]))
    assert torch.equal(whole, gelu_tanh(numbers.clone().requires_grad_()))


def test_in_float32_it_is_pytorchs() -> None:
    numbers = torch.linspace(-5, 5, 101)
    assert torch.equal(gelu_tanh(numbers), F.gelu(numbers, approximate="tanh"))
