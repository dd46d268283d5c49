"""Positions: a vector for each place in a sequence, trained or fixed."""

import torch
from torch import Tensor, nn

from maskwright.layers.lookup import lookup


class LearnedPositions(nn.Module):
    """A trained vector for each position, as in BERT."""

    def __init__(self, positions: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(positions, hidden_size))

    def forward(self, position_ids: Tensor) -> Tensor:
        """(T,) -> (T, H)."""
        return lookup(self.weight, position_ids)


def sinusoids(positions: int, hidden_size: int) -> Tensor:
    """(positions, H) of *Attention is all you need*, section 3.5: sines in even columns, cosines in odd ones."""
    angles = torch.arange(positions, dtype=torch.float64)[:, None] / 10000 ** (
        torch.arange(0, hidden_size, 2, dtype=torch.float64) / hidden_size
    )
    table = torch.empty(positions, hidden_size, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : hidden_size // 2]
    return table.float()


class SinusoidalPositions(nn.Module):
    """Fixed sinusoids, scaled; not trained, but saved, so that others can load the model."""

    def __init__(self, positions: int, hidden_size: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * sinusoids(positions, hidden_size), requires_grad=False)

    def forward(self, position_ids: Tensor) -> Tensor:
        """(T,) -> (T, H)."""
        return self.weight.index_select(0, position_ids)
