"""Which parameters are moved alike: with one decay, one share of the rate, as matrices or number by number."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import nn


def decay_lists(module: nn.Module) -> tuple[list[str], list[str]]:
    """(decayed, exempt) names of the trainable parameters: matrices and tables; biases and norms.

    XLNet's `biases` of queries have a row for each head, and are biases all the same (google's rule goes by the name).
    """
    decayed, exempt = list[str](), list[str]()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim >= 2 and ".biases." not in name else exempt).append(name)
    return decayed, exempt


def layer_matrices(module: nn.Module) -> list[str]:
    """The matrices inside the layers: what muon moves. Embeddings, pooler and heads are not among them.

    Nor are the three-dimensional weights of XLNet's attention, which are a matrix for each head.
    """
    return [
        name for name in decay_lists(module)[0] if ".layers." in f".{name}" and module.get_parameter(name).ndim == 2
    ]


class Way(NamedTuple):
    """Parameters that are moved alike, by name; `shaped` are matrices and tables."""

    names: list[str]
    decay: float
    factor: float
    shaped: bool


def ways(shaped: Sequence[str], others: Sequence[str], decay: float, factors: Mapping[str, float]) -> list[Way]:
    """Parameters with one decay and one factor of the rate together.

    >>> [way.names for way in ways(["a", "b", "c"], ["d"], 0.01, {"b": 0.5})]
    [['a', 'c'], ['b'], ['d']]
    """
    found: list[Way] = []
    for names, own, is_shaped in ((shaped, decay, True), (others, 0.0, False)):
        of = {name: factors.get(name, 1.0) for name in names}
        found += [
            Way([name for name in names if of[name] == factor], own, factor, is_shaped)
            for factor in dict.fromkeys(of.values())
        ]
    return found
