"""What the depth of a weight decides in fine-tuning: how fast it moves, whether it moves, where it begins.

The nearer to the input, the more general what a layer has learned and the less it should change. Howard and Ruder
(arXiv 1801.06146), section 3.2, give each layer a share of the rate of the one above; so do ELECTRA (arXiv 2003.10555;
google-research/electra `_get_layer_lrs`), whose depths these are, and XLNet. Lee et al. (arXiv 1911.03090) leave lower
layers as they are. Zhang et al. (arXiv 2006.05987), section 5, begin the top layers and the pooler anew, since these
know most of what was asked in pretraining.
"""

import re

from pydantic import Field
from torch import nn

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.layers.initial import start
from maskwright.layers.network import Network
from maskwright.training.finetuning import Finetuning

EMBEDDINGS = 0
"""The depth of what goes into the first layer."""


class LayersConfig(Config):
    """How the layers of an encoder are fine-tuned."""

    decay: float = Field(default=1.0, gt=0, le=1)
    """What the rate of a layer is multiplied with from layer to layer downwards; the head moves at the full rate.
    1: all move alike."""
    frozen: int | None = Field(default=None, ge=0)
    """Embeddings and so many layers above them stay as they are; 0: embeddings alone. none: everything moves."""
    reinitialised: int = Field(default=0, ge=0)
    """So many top layers begin anew, and with them the pooler."""


def depth_of(name: str, layers: int) -> int:
    """How far above the input a parameter of a `Finetuning` is, from 0 to L + 2.

    Embeddings, their projection and what else is below the layers 0, layers 1 to L, what the encoder has above them
    (a pooler, a last norm) L + 1, the head L + 2.

    >>> names = ["encoder.embeddings.token", "encoder.layers.11.output.bias", "encoder.pooler.bias", "head.dense.bias"]
    >>> [depth_of(name, 12) for name in names]
    [0, 12, 13, 14]
    """
    if not name.startswith("encoder."):
        return layers + 2
    if found := re.match(r"encoder\.layers\.(\d+)\.", name):
        return int(found[1]) + 1
    return layers + 1 if name.startswith(("encoder.pooler.", "encoder.final.")) else EMBEDDINGS


def rate_factors(network: Finetuning, decay: float) -> dict[str, float]:
    """What the rate of each parameter is multiplied with: decay to the power of how far it is below the head.

    BadInput where layers share weights: these have no depth.
    """
    if decay == 1:
        return {}
    _refuse_sharing(network.encoder, f"layers.decay {decay}")
    layers = len(network.encoder.layers)
    return {name: decay ** (layers + 2 - depth_of(name, layers)) for name, _ in network.named_parameters()}


def freeze(network: Finetuning, layers: int | None) -> None:
    """Keep embeddings and the first `layers` as they are; with None nothing is kept.

    BadInput for more layers than there are, and for a part of those that share weights.
    """
    if layers is None:
        return
    there = _refuse_more(network.encoder, layers, "frozen")
    if 0 < layers < there:
        _refuse_sharing(network.encoder, f"layers.frozen {layers} of {there}")
    for name, parameter in network.named_parameters():
        if depth_of(name, there) <= layers:
            parameter.requires_grad_(False)


def begin_anew(network: Finetuning, layers: int, deviation: float, seed: int) -> None:
    """Start the top `layers` and the pooler as pretraining starts them.

    BadInput for more layers than there are, and for those that share weights with layers below.
    """
    there = _refuse_more(network.encoder, layers, "reinitialised")
    if not layers:
        return
    if layers < there:
        _refuse_sharing(network.encoder, f"layers.reinitialised {layers} of {there}")
    top = network.encoder.layers[there - layers :]
    start(top, deviation, seed)
    network.encoder.scale_residuals(top)
    pooler: nn.Module | None = getattr(network.encoder, "pooler", None)  # XLNet has no place for one
    if pooler is not None:
        start(pooler, deviation, seed)


def _refuse_more(encoder: Network, layers: int, key: str) -> int:
    there = len(encoder.layers)
    if layers > there:
        raise BadInput(f"layers.{key} is {layers}: this encoder has {there} layers")
    return there


def _refuse_sharing(encoder: Network, said: str) -> None:
    """BadInput where a parameter is of two layers, as in ALBERT."""
    seen = set[int]()
    for layer in encoder.layers:
        own = {id(parameter) for parameter in layer.parameters()}
        if own & seen:
            raise BadInput(
                f"{said}: the layers of {encoder.name} share their weights, so that none of them is moved or kept by "
                "itself; leave it off, or take an encoder with weights for each layer"
            )
        seen |= own
