"""The head of masked language modelling: projection, activation, norm, then the token embeddings as decoder.

BERT section 3.1; google-research/bert `run_pretraining.py` `get_masked_lm_output`. The decoder's matrix is the
token table itself, with a bias of its own for each token. Only the M predicted rows are ever projected.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.activations import ACTIVATIONS, ActivationName
from maskwright.layers.cross_entropy import plain, projected_cross_entropy
from maskwright.layers.filler import fill, lacking, tokens_of
from maskwright.layers.norm import Norm
from maskwright.layers.onednn import through
from maskwright.layers.weight_names import WeightName, weight_and_bias
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally


class MaskedLMHead(nn.Module):
    """dense, activation, norm; then scores over the vocabulary by the token table (V, E) of the encoder.

    embedding_size   E, the width of that table where it is not H (ALBERT)
    """

    weight_names: ClassVar = [
        WeightName("bias", ("cls.predictions.bias",)),
        *weight_and_bias("dense", "cls.predictions.transform.dense"),
        *weight_and_bias("norm", "cls.predictions.transform.LayerNorm"),
    ]

    def __init__(
        self,
        hidden_size: int,
        vocab_size: int,
        activation: ActivationName,
        layer_norm_eps: float,
        embedding_size: int | None = None,
    ) -> None:
        super().__init__()
        width = hidden_size if embedding_size is None else embedding_size
        self.dense = nn.Linear(hidden_size, width)
        self.activation = ACTIVATIONS[activation]
        self.norm = Norm(width, layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, rows: Tensor) -> Tensor:
        """(M, H) -> (M, E), what is multiplied with the token table."""
        filled = fill(rows, lacking(len(rows), rows))
        return tokens_of(self.norm(self.activation(through(self.dense, filled))), len(rows))

    def scores(self, rows: Tensor, table: Tensor) -> Tensor:
        """(M, H) -> (M, V) logits."""
        return F.linear(self(rows), table, self.bias)

    def count(self, batch: Batch) -> int:
        """M, hidden tokens."""
        return num_masked(batch)

    def reads(self, batch: Batch) -> Tensor:
        """(M,) the hidden tokens."""
        return masked_rows(batch)

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Summed cross-entropy, in nats, of the hidden tokens of the batch."""
        return masked_tally(self(seen), encoder.token_table, self.bias, batch)


def num_masked(batch: Batch) -> int:
    """M, hidden tokens."""
    return 0 if batch.predict_ids is None else batch.predict_ids.shape[0]


def masked_rows(batch: Batch) -> Tensor:
    """(M,) the hidden tokens."""
    assert batch.predict_rows is not None
    return batch.predict_rows


def masked_tally(rows: Tensor, table: Tensor, bias: Tensor, batch: Batch) -> Tally:
    """Summed cross-entropy of the hidden tokens, from what is multiplied with the token table, (M, E)."""
    assert batch.predict_ids is not None
    project = projected_cross_entropy if torch.is_grad_enabled() else plain
    loss_sum, correct = project(rows, table, bias, batch.predict_ids)
    return Tally(loss_sum, batch.predict_ids.shape[0], correct)
