"""The mix of layers, beside the formula of allennlp written out."""

import pytest
import torch

from maskwright.layers.scalar_mix import ScalarMix


@pytest.mark.parametrize("norm", [False, True])
def test_it_is_the_formula(norm: bool) -> None:
    torch.manual_seed(0)
    layers = [3 * torch.randn(11, 4, dtype=torch.float64) + k for k in range(3)]
    mix = ScalarMix(3, norm=norm).double()
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.3, -1.0, 2.0]))
        mix.gamma.fill_(0.7)
    powers = mix.weights.exp()
    wanted = torch.zeros(11, 4, dtype=torch.float64)
    for power, layer in zip(powers, layers):
        if norm:
            mean = layer.sum() / layer.numel()
            variance = ((layer - mean) ** 2).sum() / layer.numel()
            layer = (layer - mean) / (variance + 1e-12) ** 0.5
        wanted += power / powers.sum() * layer
    torch.testing.assert_close(mix(layers), 0.7 * wanted)
    assert sorted(name for name, _ in mix.named_parameters()) == ["gamma", "weights"]


def test_it_begins_as_the_mean() -> None:
    layers = list(torch.randn(3, 5, 2))
    torch.testing.assert_close(ScalarMix(3)(layers), torch.stack(layers).mean(0))
