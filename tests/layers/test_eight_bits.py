"""Products of 8-bit integers beside exact ones, and beside the same integers multiplied by numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers import eight_bits
from maskwright.layers.eight_bits import AfterNorm, ByRow, can_eight_bits, in_eight_bits
from maskwright.layers.norm import Norm
from maskwright.models import network_of
from tests.models.networks import draw_weights, small
from tests.parity import draw_batch

needs_vnni = pytest.mark.skipif(not can_eight_bits(), reason="this processor has no instructions for int8")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def linear(inner: int, outer: int) -> nn.Linear:
    made = nn.Linear(inner, outer).requires_grad_(False)
    made.weight.copy_(0.1 * drawn(outer, inner, seed=1))
    made.bias.copy_(drawn(outer, seed=2))
    return made


def rounded(weight: Tensor) -> Tensor:
    """What a weight of 8 bits stands for, by brute force."""
    steps = weight.abs().amax(1, keepdim=True) / 127
    return (weight.double() / steps.double()).round() * steps.double()


@needs_vnni
@pytest.mark.parametrize("lowest", [None, -0.17], ids=str)
def test_rows_are_multiplied_as_numpy_multiplies_their_integers(lowest: float | None) -> None:
    of, x, beside = linear(32, 48), drawn(20, 32), drawn(20, 48, seed=3)
    if lowest is not None:
        x = torch.nn.functional.gelu(x)
    got = ByRow(of, lowest)(x, beside)
    low = 0.0 if lowest is None else lowest
    steps = ((x.abs().amax(1) if lowest is None else x.amax(1) - low) / (126 if lowest is None else 252))[:, None]
    whole = ((x - low) / steps).round().double()
    exact = (whole * steps + low) @ rounded(of.weight).t() + of.bias + beside
    assert float((got - exact).abs().max()) < 2e-2  # a tie may be rounded the other way
    assert float((got - exact).abs().mean()) < 1e-4


@needs_vnni
@pytest.mark.parametrize("shift", [0.0, 3.0, -3.0])
def test_what_comes_of_a_norm_has_one_range(shift: float) -> None:
    of, norm, x = linear(32, 48), Norm(32, 1e-12).requires_grad_(False), drawn(200, 32)
    norm.weight.copy_(torch.logspace(-1, 1, 32))
    norm.bias.fill_(shift)
    seen = norm(x)
    exact = of(seen)
    got = AfterNorm(of, norm)(seen.clone(), torch.float32)

    def error(found: Tensor) -> float:
        return float((found - exact).square().mean().sqrt() / exact.std())

    step = (max(float(seen.max()), 0) - min(float(seen.min()), 0)) / 254
    uneven = ((seen / step).round() * step).double() @ rounded(of.weight).t() + of.bias
    assert error(got) < 0.02 and error(got) < error(uneven)  # evened columns are what it is for


@needs_vnni
@pytest.mark.parametrize(
    ("model_type", "act"), [("bert", "gelu"), ("bert", "relu"), ("roberta", "gelu_new"), ("xlm", "gelu")]
)
def test_a_network_s_vectors_are_near(model_type: str, act: str) -> None:
    changes = {"n_langs": 1} if model_type == "xlm" else {"intermediate_size": 256}
    config: Any = small(model_type, hidden_size=64, hidden_act=act, **changes)
    model = network_of(config)
    model.initialise(0)
    for parameter in model.parameters():  # so large that layers change what comes in, as trained ones do
        if parameter.ndim == 2:
            parameter.data *= 6
    segments = getattr(config, "type_vocab_size", 0)
    batch = draw_batch(generator(0, "eight"), [9, 30, 3, 17], 50, segments)
    with torch.no_grad():
        exact = model(batch)
        assert in_eight_bits(model) == 2
        near = model(batch)
    cosines = torch.nn.functional.cosine_similarity(exact, near)
    assert 0.98 < float(cosines.min()) < 0.999999  # near, and by other numbers


@needs_vnni
def test_gradients_and_chosen_rows_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network_of(small(hidden_size=64))
    draw_weights(model, 0)
    batch = draw_batch(generator(0, "eight"), [9, 30], 50)
    wanted = model(batch)
    in_eight_bits(model)
    assert torch.equal(model(batch), wanted)
    model(batch).sum().backward()
    assert all(one.output.weight.grad is not None for one in model.layers)


@needs_vnni
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("lowest", [None, -0.17], ids=str)
def test_the_largest_number_of_a_row_is_never_taken_for_the_least(lowest: float | None, dtype: torch.dtype) -> None:
    """Whatever rounding does: 256 would come out as 0."""
    of = linear(8, 8)
    of.weight.copy_(torch.eye(8))
    of.bias.zero_()
    x = (torch.rand(20_000, 8, generator=torch.Generator().manual_seed(0)) * 3).to(dtype)
    if lowest is None:
        x[::2] *= -1
    got = ByRow(of, lowest)(x, torch.zeros(len(x), 8))
    assert float((got - x.float()).abs().max()) < 0.06


@needs_vnni
def test_networks_without_such_layers_are_refused() -> None:
    with pytest.raises(BadInput, match="ALBERT has no layers that begin behind a norm: take bfloat16"):
        in_eight_bits(network_of(small("albert")))
    with pytest.raises(BadInput, match="int8: GPT-2 has no layers"):
        in_eight_bits(network_of(small("gpt2")))


def test_a_processor_without_the_instructions_is_told_what_else_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "can_eight_bits", lambda: False)
    with pytest.raises(BadInput, match=r"no instructions for it \(VNNI\): take bfloat16 or float32"):
        in_eight_bits(network_of(small()))


@needs_vnni
def test_weights_round_to_the_nearest_step() -> None:
    weight = drawn(6, 40)
    made = eight_bits.weight_of(weight)
    assert np.allclose(made.steps, weight.abs().amax(1) / 127)
    assert float((rounded(weight) - weight).abs().max()) <= float(made.steps.max()) / 2 + 1e-6
