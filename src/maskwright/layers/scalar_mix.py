"""A weighted sum of a network's layers, learned for each task: gamma times the sum of softmax(w)_k h_k.

Peters et al. (arXiv 1802.05365), equation 1; allennlp 0.9 `modules/scalar_mix.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScalarMix(nn.Module):
    """L + 1 layers (T, H) -> (T, H). With weights of 0 and gamma 1 it is their mean."""

    def __init__(self, layers: int, *, norm: bool = False) -> None:
        """norm    bring each layer to mean 0 and variance 1 before, over all T tokens and H numbers together"""
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))
        self.gamma = nn.Parameter(torch.ones(1))
        self.norm = norm

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """As many layers as there are weights."""
        stacked = torch.stack(list(layers))
        if self.norm:
            means = stacked.mean((1, 2), keepdim=True)
            variances = (stacked - means).square().mean((1, 2), keepdim=True)
            stacked = (stacked - means) * torch.rsqrt(variances + 1e-12)
        shares = torch.softmax(self.weights, 0)
        return self.gamma * torch.einsum("k,kth->th", shares, stacked)
