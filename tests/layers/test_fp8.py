"""Products of 8-bit floats beside torch's own kernel for them, and beside float64 of the same numbers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers.fp8 import BACKWARD, FORWARD, Fp8Linear, in_fp8, product, quantised
from tests.models.networks import network, small
from tests.parity import draw_batch


def drawn(*shape: int, seed: int = 0, size: float = 1.0) -> Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * size).bfloat16()


@pytest.mark.parametrize("kind", [FORWARD, BACKWARD], ids=["e4m3", "e5m2"])
@pytest.mark.parametrize("size", [1e-20, 3e-5, 1.0, 7e4, 1e20])
def test_a_tensor_of_any_size_is_kept_to_the_last_bit_of_the_format(kind: torch.dtype, size: float) -> None:
    values = drawn(40, 50, size=size)
    bits, factor = quantised(values, kind)
    back = bits.double() * factor.double()
    largest, steps = float(values.abs().max()), 2.0**-3 if kind == FORWARD else 2.0**-2
    big = values.abs() > largest / 64
    assert bits.dtype == kind and float((back - values.double())[big].abs().max()) <= largest * steps / 2
    assert float(((back - values.double()) / values.double())[big].abs().max()) <= steps / 2
    assert torch.finfo(kind).max / 2 <= float(bits.float().abs().max()) <= torch.finfo(kind).max
    assert float(torch.frexp(factor).mantissa) == 0.5, "a power of two"


@pytest.mark.parametrize("kind", [FORWARD, BACKWARD], ids=["e4m3", "e5m2"])
def test_zeros_stay_zeros_and_what_is_no_number_stays_none(kind: torch.dtype) -> None:
    bits, factor = quantised(torch.zeros(3, 4).bfloat16(), kind)
    assert not bits.float().any() and float(factor) == 1
    assert quantised(torch.zeros(0, 4).bfloat16(), kind)[0].shape == (0, 4)
    for bad in (float("nan"), float("inf")):
        values = drawn(3, 4)
        values[1, 2] = bad
        bits, factor = quantised(values, kind)
        assert not (bits.float() * factor).isfinite().any()


@pytest.mark.parametrize("kinds", [(FORWARD, FORWARD), (BACKWARD, FORWARD)], ids=["forward", "backward"])
def test_a_product_equals_torchs_own_of_8_bit_floats(kinds: tuple[torch.dtype, torch.dtype]) -> None:
    (a, of_a), (b, of_b) = quantised(drawn(32, 64, size=5), kinds[0]), quantised(drawn(48, 64, seed=1), kinds[1])
    theirs = torch.ops.aten._scaled_mm(a, b.t(), of_a, of_b, out_dtype=torch.bfloat16)
    exact = a.double() @ b.double().t() * (of_a * of_b).double()
    ours = product(a, b.t(), of_a, of_b)
    assert ours.dtype == torch.bfloat16
    for found in (ours, theirs):
        assert float((found - exact).abs().max()) <= 2**-8 * float(exact.abs().max())


def test_a_map_and_its_gradients_are_those_of_the_rounded_numbers() -> None:
    linear = nn.Linear(48, 32)
    with torch.no_grad():
        linear.weight.copy_(drawn(32, 48, seed=1, size=0.02))
        linear.bias.copy_(drawn(32, seed=2))
    linear.bfloat16()
    x, weights = drawn(37, 48, seed=3).requires_grad_(), drawn(37, 32, seed=4, size=1e-6)
    out = Fp8Linear(linear)(x)
    (out * weights).sum().backward()

    def rounded(values: Tensor, kind: torch.dtype) -> Tensor:
        bits, factor = quantised(values.detach(), kind)
        return bits.double() * factor.double()

    a, w, g = rounded(x, FORWARD), rounded(linear.weight, FORWARD), rounded(weights, BACKWARD)
    wanted = [a @ w.t() + linear.bias.double(), g @ w, g.t() @ a, weights.double().sum(0)]
    for found, exact in zip([out, x.grad, linear.weight.grad, linear.bias.grad], wanted, strict=True):
        assert found is not None and found.dtype == torch.bfloat16
        assert float((found - exact).abs().max()) <= 2**-7 * float(exact.abs().max())


def shaped(kind: str = "bert", **changes: Any) -> Any:
    return small(kind, hidden_size=32, **{"n_inner" if kind == "gpt2" else "intermediate_size": 64}, **changes)


@pytest.mark.parametrize("kind", ["bert", "albert", "gpt2"])
def test_a_network_trains_its_own_weights_near_to_bf16(kind: str) -> None:
    heads = ("lm",) if kind == "gpt2" else ("mlm",)
    models = [network(shaped(kind), heads).bfloat16() for _ in range(2)]
    names = [name for name, _ in models[1].named_parameters()]
    assert in_fp8(models[1]) == (4 if kind == "albert" else 8) and in_fp8(network(shaped(kind), heads)) > 0
    assert [name for name, _ in models[1].named_parameters()] == names
    batch = draw_batch(generator(0, "fp8"), [9, 30, 4], 50, 0 if kind == "gpt2" else 2)
    losses = [next(iter(model.tallies(batch).values())).loss_sum for model in models]
    assert float((losses[0] - losses[1]).detach().abs()) < 0.1 * float(losses[0].detach())
    assert losses[0].item() != losses[1].item()
    for loss in losses:
        loss.backward()
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        if one.grad is not None and one.ndim == 2 and "layers" in name:
            assert other.grad is not None
            cosine = torch.nn.functional.cosine_similarity(one.grad.flatten().float(), other.grad.flatten().float(), 0)
            assert float(cosine) > 0.9, name


def test_what_is_not_trained_in_bf16_is_as_it_was() -> None:
    batch = draw_batch(generator(0, "fp8"), [9, 30, 4], 50)
    plain, other = (network(shaped(), ("mlm",)) for _ in range(2))
    in_fp8(other)
    assert torch.equal(plain.encoder(batch), other.encoder(batch)), "float32"
    with torch.no_grad():
        assert torch.equal(plain.bfloat16().encoder(batch), other.bfloat16().encoder(batch)), "only looked at"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a linear map is 24 x 16, and both have to be multiples of 16"):
        in_fp8(network(small(), ("mlm",)))
    with pytest.raises(BadInput, match="take bf16 here"):
        in_fp8(nn.Linear(16, 16))
    with pytest.raises(BadInput, match="take bf16 here"):
        in_fp8(network(small("xlnet"), ("plm",)))
