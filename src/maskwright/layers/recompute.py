"""Recomputation: what a part of a layer keeps for the way back is dropped, and made anew when its turn has come.

Chen et al. (arXiv 1604.06174) for whole layers; Korthikanti et al. (arXiv 2205.05198, section 5) for attention alone,
whose weights are much of the memory and little of the arithmetic. Dropout begins again where it stood, so the second
time is the first, bit for bit. The last layer keeps all: its turn comes at once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.pre_norm_layer import PreNormLayer
from maskwright.layers.transformer_layer import Layer
from maskwright.layers.two_stream_layer import TwoStreamLayer

Recompute = Literal["none", "attention", "layers"]


def recompute(network: nn.Module, what: Recompute) -> int:
    """Let the network's layers compute `what` twice in training; how many layers that are.

    BadInput where it has no such layers. Weights must be the same both times: not for those of `functional_call`.
    """
    if what == "none":
        return 0
    layers = [layer for layer in network.modules() if isinstance(layer, Layer | PreNormLayer | TwoStreamLayer)]
    if not layers:
        raise BadInput(f"training.recompute {what} is for the layers of a Transformer, and here are none: take none")
    for layer in layers[:-1]:
        changed: Any = layer
        if what == "layers":
            changed.forward = partial(again, layer.forward)
        elif isinstance(layer, TwoStreamLayer):
            changed.attention.forward = partial(again, layer.attention.forward)  # with two projections
        else:
            changed.attend = partial(again, layer.attend)
    return len(layers) - 1


def again(part: Callable[..., Tensor], *given: Any) -> Tensor:
    """What `part` gives, which is asked a second time on the way back; without gradients once."""
    if not torch.is_grad_enabled():
        return part(*given)
    stream = next((one for one in given if isinstance(one, DropoutStream)), None)
    place = None if stream is None else stream.place()

    def computed(*given: Any) -> Tensor:
        if stream is not None:
            stream.go_back(place)  # the first time it stands there
        return part(*given)

    made: Any = checkpoint(computed, *given, use_reentrant=False, preserve_rng_state=False)
    return made
