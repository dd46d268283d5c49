"""Linear maps whose input channels are brought to like ranges before int8, which has one step for all of them.

Xiao et al., *SmoothQuant* (arXiv 2211.10438), section 4, equation 4. A few channels of a Transformer's activations are
ten times as large as the others, and one step for all leaves those others few of its 255 values. y = (x / s)(W s), with
s_j = max|x_j|^a / max|W_j|^(1-a), is the same map; a decides how much of the difference the weights take over.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.layers.network import Network

SHARE = 0.75
"""The paper's a, which it has between 0.5 and 0.9. At 0.75 MiniLM's worst cosine is best (docs/decisions.md)."""
SMALLEST = 1e-5
MAPS = ("query_key_value", "attention_output", "intermediate", "output")
"""The maps of a layer: nearly all of a network's products."""


class Equalised(nn.Module):
    """A linear map of what is divided by `scale` first."""

    def __init__(self, linear: nn.Linear, scale: Tensor) -> None:
        super().__init__()
        self.inverse = nn.Parameter(1 / scale, requires_grad=False)
        self.weight = nn.Parameter(linear.weight.detach() * scale, requires_grad=False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(T, in) -> (T, out)."""
        return F.linear(x * self.inverse, self.weight, self.bias)


def maps_of(network: Network) -> list[nn.Linear]:
    """The maps of all layers, once each where layers share them."""
    found = [getattr(layer, name) for layer in cast("Iterable[Any]", network.layers) for name in MAPS]
    return list({id(one): one for one in found}.values())


def largest_inputs(network: Network, run: Callable[[], object]) -> list[Tensor]:
    """For each of `maps_of`, (in,) the largest size of each channel of its input while something runs."""
    maps = maps_of(network)
    largest = [torch.zeros(one.in_features) for one in maps]

    def watch(place: int) -> Any:
        def look(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            torch.maximum(largest[place], given[0].detach().abs().amax(0).float().cpu(), out=largest[place])

        return look

    hooks = [one.register_forward_pre_hook(watch(place)) for place, one in enumerate(maps)]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def scale_of(linear: nn.Linear, largest: Tensor, share: float = SHARE) -> Tensor:
    """(in,) what its input is divided by; of mean 1."""
    inputs = largest.clamp(min=SMALLEST) ** share
    scale = inputs / linear.weight.detach().abs().amax(0).clamp(min=SMALLEST) ** (1 - share)
    return scale / scale.mean()


def equalised(network: Network, largest: list[Tensor]) -> Network:
    """A copy of a network with its maps equalised; what layers share they share still.

    largest   see `largest_inputs`
    """
    made = deepcopy(network)
    maps = maps_of(made)
    new = {id(one): Equalised(one, scale_of(one, most)) for one, most in zip(maps, largest, strict=True)}
    for layer in made.layers:
        for name in MAPS:
            setattr(layer, name, new[id(getattr(layer, name))])
    return made
