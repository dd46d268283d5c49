"""Tensors under our names and under the names others publish, by a network's own table."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from maskwright.layers.weight_names import WeightName


def publish(names: Sequence[WeightName], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Ours -> published. What we hold stacked is cut along its first axis; nothing is copied.

    >>> import torch
    >>> publish([WeightName("qk", ("query", "key"))], {"qk": torch.arange(4)})
    {'query': tensor([0, 1]), 'key': tensor([2, 3])}
    """
    published: dict[str, Tensor] = {}
    for name in names:
        published.update(name.parts(tensors[name.ours].detach()))
    return published
