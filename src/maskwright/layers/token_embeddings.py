"""The first step of GPT: token + position, dropout. There is no norm, and there are no segments."""

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.lookup import lookup


class TokenEmbeddings(nn.Module):
    """Two tables of the same width.

    position   gives each place its vector
    """

    def __init__(self, vocab_size: int, width: int, position: nn.Module, *, rate: float) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(vocab_size, width))
        self.position = position
        self.dropout = rate

    def forward(self, batch: Batch, stream: DropoutStream | None) -> Tensor:
        """-> (T, width)."""
        x = lookup(self.token, batch.token_ids) + self.position(batch.position_ids)
        return dropout(x, self.dropout, stream)
