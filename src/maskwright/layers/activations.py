"""Activations by the names that configurations use."""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from maskwright.layers.gelu_tanh import gelu_tanh

ActivationName = Literal["gelu", "gelu_tanh", "gelu_new", "gelu_pytorch_tanh", "relu"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,  # exact, by erf: what Hugging Face's BERT computes
    "gelu_tanh": gelu_tanh,  # google-research/bert, modeling.py `gelu`; differs by up to 4.7e-4
    "gelu_new": gelu_tanh,  # the tanh form under the names that other configurations use for it
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": F.relu,
}


def published_activation(name: ActivationName) -> str:
    """What others call it in a `config.json`; `gelu_tanh` is our name for the tanh form.

    >>> published_activation("gelu_tanh"), published_activation("relu")
    ('gelu_new', 'relu')
    """
    return "gelu_new" if name == "gelu_tanh" else name
