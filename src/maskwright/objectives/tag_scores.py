"""Scores of tags, for words: entities, parts of speech, word boundaries.

BERT (arXiv 1810.04805), section 5.3: a linear map from the last layer at each word's first piece; the other pieces are
asked nothing. `transformers` `*ForTokenClassification`.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.weight_names import weight_and_bias
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally


class TagScores(nn.Module):
    """(M, H) at the rows asked about -> (M, C) scores."""

    pools = False

    def __init__(self, hidden: int, tags: int, rate: float) -> None:
        """tags   C
        rate   of what goes into its map, in training
        """
        super().__init__()
        self.rate = rate
        self.classifier = nn.Linear(hidden, tags)
        self.weight_names = weight_and_bias("classifier", "classifier")

    def reads(self, batch: Batch) -> Tensor:
        """(M,) `predict_rows`: the first piece of each word."""
        assert batch.predict_rows is not None
        return batch.predict_rows

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(M, C). Without a `stream` nothing is dropped."""
        return self.classifier(dropout(seen, self.rate, stream))

    def count(self, batch: Batch) -> int:
        """M, words."""
        return 0 if batch.labels is None else batch.labels.shape[0]

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed cross-entropy of the batch's tags, in nats."""
        assert batch.labels is not None
        precise = scores.to(torch.promote_types(scores.dtype, torch.float32))
        loss = cross_entropy(precise, batch.labels, reduction="sum")
        return Tally(loss, self.count(batch), (scores.argmax(-1) == batch.labels).sum())
