"""Next sentence prediction: does segment B follow segment A, or come from elsewhere?

BERT (Devlin et al. 2019, arXiv 1810.04805, section 3.1 and appendix A.1). `segment_pairs` makes the examples. Sentence
order prediction (ALBERT, arXiv 1909.11942, section 3.1) asks whether two segments that follow each other have changed
places, and has the same head: two scores from the pooled first token.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch
from maskwright.layers.weight_names import weight_and_bias
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally


class NextSentenceHead(nn.Module):
    """(N, H) pooled output -> (N, 2) logits: column 0 "follows", column 1 "does not" (`cls.seq_relationship`)."""

    weight_names: ClassVar = weight_and_bias("seq_relationship", "cls.seq_relationship")

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.seq_relationship = nn.Linear(hidden_size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, H) -> (N, 2)."""
        return self.seq_relationship(pooled)

    def count(self, batch: Batch) -> int:
        """N, pairs."""
        return 0 if batch.pair_labels is None else batch.pair_labels.shape[0]

    def reads(self, batch: Batch) -> Tensor:
        """(N,) each sequence's [CLS]."""
        return batch.first_rows

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Summed cross-entropy, in nats, of the pair labels of the batch."""
        assert batch.pair_labels is not None
        return next_sentence_loss(self(encoder.pool(seen, batch)), batch.pair_labels)


def next_sentence_loss(logits: Tensor, pair_labels: Tensor) -> Tally:
    """Cross-entropy of (N, 2) logits with (N,) labels, summed, in nats and at least float32."""
    precise = torch.promote_types(logits.dtype, torch.float32)
    loss_sum = cross_entropy(logits.to(precise), pair_labels, reduction="sum")
    return Tally(loss_sum, pair_labels.shape[0], (logits.detach().argmax(-1) == pair_labels).sum())
