"""Published names beside ours: a reversible table, one per network and per head."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeightName:
    """One of our parameters, and the published tensors that it holds stacked along the first axis."""

    ours: str
    published: tuple[str, ...]


def weight_and_bias(ours: str, *published: str) -> list[WeightName]:
    """The two entries of a linear map or a norm."""
    return [WeightName(f"{ours}.{kind}", tuple(f"{name}.{kind}" for name in published)) for kind in ("weight", "bias")]


def prefixed(names: Sequence[WeightName], ours: str, published: str) -> list[WeightName]:
    """The table of a part, as it stands inside a larger model."""
    return [WeightName(ours + name.ours, tuple(published + there for there in name.published)) for name in names]
