"""The plain head of masked language modelling: the token embeddings as decoder, and nothing before it.

XLM (Lample and Conneau, arXiv 1901.07291); facebookresearch/XLM `xlm/model/transformer.py` `PredLayer`. BERT's has a
projection, an activation and a norm in front, see `masked_lm_head`.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.weight_names import WeightName
from maskwright.objectives.head import Encoder
from maskwright.objectives.masked_lm_head import masked_rows, masked_tally, num_masked
from maskwright.objectives.tally import Tally


class DecoderHead(nn.Module):
    """Scores over the vocabulary by the token table (V, H) of the encoder, with a bias for each token."""

    weight_names: ClassVar = [WeightName("bias", ("cls.predictions.bias",))]

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, rows: Tensor) -> Tensor:
        """(M, H) -> (M, H), what is multiplied with the token table: the rows as they are."""
        return rows

    def scores(self, rows: Tensor, table: Tensor) -> Tensor:
        """(M, H) -> (M, V) logits."""
        return F.linear(rows, table, self.bias)

    def count(self, batch: Batch) -> int:
        """M, hidden tokens."""
        return num_masked(batch)

    def reads(self, batch: Batch) -> Tensor:
        """(M,) the hidden tokens."""
        return masked_rows(batch)

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Summed cross-entropy, in nats, of the hidden tokens of the batch."""
        return masked_tally(seen, encoder.token_table, self.bias, batch)
