"""Activations by the names that configurations use."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

ActivationName = Literal["gelu", "gelu_tanh", "gelu_new", "gelu_pytorch_tanh", "relu"]

_tanh = partial(F.gelu, approximate="tanh")

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,  # exact, by erf: what Hugging Face's BERT computes
    "gelu_tanh": _tanh,  # google-research/bert, modeling.py `gelu`; differs by up to 4.7e-4
    "gelu_new": _tanh,  # the tanh form under the names that other configurations use for it
    "gelu_pytorch_tanh": _tanh,
    "relu": F.relu,
}


def published_activation(name: ActivationName) -> str:
    """What others call it in a `config.json`; `gelu_tanh` is our name for the tanh form.

    >>> published_activation("gelu_tanh"), published_activation("relu")
    ('gelu_new', 'relu')
    """
    return "gelu_new" if name == "gelu_tanh" else name
