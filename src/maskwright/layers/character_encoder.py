"""A word's vector from its characters: convolutions, the largest value over all places, highways, a projection.

Kim et al. (arXiv 1508.06615), Jozefowicz et al. (arXiv 1602.02410, section 3.3); allenai/bilm-tf `bilm/model.py`
`_build_word_char_embeddings`. Filters go over the padding too, as they did when the published weights were trained.
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.layers.word_characters import KINDS

FilterActivation = Literal["relu", "tanh"]


class Highway(nn.Module):
    """g f(x) + (1 - g) x, with f a linear map and ReLU, and g a gate (Srivastava et al., arXiv 1505.00387)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.transform_and_gate = nn.Linear(size, 2 * size)

    def forward(self, x: Tensor) -> Tensor:
        """(U, F) -> (U, F)."""
        transform, gate = self.transform_and_gate(x).chunk(2, -1)
        return torch.lerp(x, torch.relu(transform), torch.sigmoid(gate))


class CharacterEncoder(nn.Module):
    """Characters (U, W) -> vectors (U, P) of U words."""

    def __init__(
        self,
        *,
        character_size: int,
        filters: Sequence[tuple[int, int]],
        activation: FilterActivation,
        num_highways: int,
        output_size: int,
    ) -> None:
        """character_size  of a character's vector
        filters         (width, how many) of each kind
        output_size     P
        """
        super().__init__()
        total = sum(count for _, count in filters)
        self.table = nn.Parameter(torch.empty(KINDS, character_size))
        self.filters = nn.ModuleList([nn.Conv1d(character_size, count, width) for width, count in filters])
        self.activation = torch.relu if activation == "relu" else torch.tanh
        self.highways = nn.ModuleList([Highway(total) for _ in range(num_highways)])
        self.projection = nn.Linear(total, output_size)
        self.widest = max(width for width, _ in filters)

    def forward(self, characters: Tensor) -> Tensor:
        """(U, W) int64, from 1 on -> (U, P)."""
        seen = F.embedding(characters - 1, self.table).transpose(1, 2)
        filters = cast("list[nn.Conv1d]", self.filters)
        # rising functions commute with the maximum, so they come behind it: fifty times less to do
        x = self.activation(torch.cat([one(seen).amax(-1) for one in filters], -1))
        for highway in self.highways:
            x = highway(x)
        return self.projection(x)
