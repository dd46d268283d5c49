"""Scores of tags, for words: entities, parts of speech, word boundaries.

BERT (arXiv 1810.04805), section 5.3: a linear map from the last layer at each word's first piece; the other pieces are
asked nothing. `transformers` `*ForTokenClassification`.
"""

from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.weight_names import weight_and_bias
from maskwright.objectives.class_weights import class_count, class_tally
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
        self.class_weights: Tensor | None = None
        self.classifier = nn.Linear(hidden, tags)
        self.weight_names = weight_and_bias("classifier", "classifier")

    def reads(self, batch: Batch) -> Tensor:
        """(M,) `predict_rows`: the first piece of each word."""
        assert batch.predict_rows is not None
        return batch.predict_rows

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(M, C). Without a `stream` nothing is dropped."""
        return self.classifier(dropout(seen, self.rate, stream))

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """(M,) int64: the tag with the highest score of each word."""
        return scores.argmax(-1)

    def count(self, batch: Batch) -> float:
        """M, words; or what their tags weigh."""
        return class_count(batch, self.class_weights)

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed cross-entropy of the batch's tags, in nats."""
        return class_tally(scores, batch, self.class_weights)
