"""The first step of BERT, RoBERTa and ALBERT: token + position + segment, norm, dropout."""

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.lookup import lookup
from maskwright.layers.norm import Norm


class Embeddings(nn.Module):
    """Three tables of the same width, and a norm.

    position         gives each place its vector
    first_position   the row of `position` that a sequence's first token reads
    """

    def __init__(
        self,
        vocab_size: int,
        width: int,
        segments: int,
        position: nn.Module,
        *,
        first_position: int = 0,
        eps: float,
        rate: float,
    ) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(vocab_size, width))
        self.position = position
        self.token_type = nn.Parameter(torch.empty(segments, width))
        self.norm = Norm(width, eps)
        self.first_position = first_position
        self.dropout = rate

    def forward(self, batch: Batch, stream: DropoutStream | None) -> Tensor:
        """-> (T, width)."""
        types = torch.zeros_like(batch.token_ids) if batch.token_type_ids is None else batch.token_type_ids
        places = batch.position_ids + self.first_position if self.first_position else batch.position_ids
        # the order of the sum is that of the references, so that float32 results agree to the last bits
        x = lookup(self.token, batch.token_ids) + lookup(self.token_type, types)
        x = x + self.position(places)
        return dropout(self.norm(x), self.dropout, stream)
