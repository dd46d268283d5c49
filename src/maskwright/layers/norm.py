"""Layer normalisation (Ba et al., arXiv 1607.06450)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Norm(nn.Module):
    """Layer normalisation with gain and bias."""

    def __init__(self, hidden_size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(T, H) -> (T, H)."""
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
