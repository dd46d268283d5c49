"""Scores of whole texts from the mean of their tokens' vectors: for networks without a token that stands for a text.

Of a pair the means u and v of its texts become u, v, |u - v| and u v side by side: u and v alone would leave a linear
map no way to say whether they are alike (Conneau et al., arXiv 1705.02364, figure 1; GLUE's baselines, 1804.07461).
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.weight_names import weight_and_bias
from maskwright.objectives.class_weights import class_count, class_tally
from maskwright.objectives.sequence_scores import Asks, judged
from maskwright.objectives.tally import Tally

SIDES = 4
"""Parts of a pair's vector."""


class Counts(Protocol):
    """What the head asks of the network below it."""

    def counted(self, batch: Batch) -> Tensor:
        """(T,) bool, the tokens that a text's mean is of."""
        ...


class WordMeanScores(nn.Module):
    """(T, H) -> (N, C) scores of texts, or (N / 2, C) of pairs."""

    pools = False

    def __init__(self, hidden: int, outputs: int, asks: Asks, rate: float, *, pairs: bool) -> None:
        """outputs   C, classes; 1 for a number
        rate      of what goes into its map, in training
        pairs     two sequences one behind the other are a pair
        """
        super().__init__()
        self.asks: Asks = asks
        self.rate, self.pairs = rate, pairs
        self.class_weights: Tensor | None = None
        """(C,), see `class_weights`; None: all alike."""
        self.classifier = nn.Linear(SIDES * hidden if pairs else hidden, outputs)
        self.weight_names = weight_and_bias("classifier", "classifier")

    def reads(self, batch: Batch) -> None:
        """None: every token."""

    def scores(self, seen: Tensor, batch: Batch, encoder: Counts, stream: DropoutStream | None = None) -> Tensor:
        """(N, C) or (N / 2, C). Without a `stream` nothing is dropped."""
        means = mean_vectors(seen, batch, encoder.counted(batch))
        if self.pairs:
            u, v = means.view(-1, 2, means.shape[1]).unbind(1)
            means = torch.cat([u, v, (u - v).abs(), u * v], -1)
        return self.classifier(dropout(means, self.rate, stream))

    def count(self, batch: Batch) -> float:
        """Answers asked for: one for each text or pair, or where there may be several classes C of them."""
        if self.asks == "class":
            return class_count(batch, self.class_weights)
        return 0 if batch.labels is None else batch.labels.numel()

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed loss of the batch's labels, see `sequence_scores.judged`."""
        assert batch.labels is not None
        if self.asks == "class":
            return class_tally(scores, batch, self.class_weights)
        return judged(scores, batch.labels, self.asks)


def mean_vectors(seen: Tensor, batch: Batch, counted: Tensor) -> Tensor:
    """(T, H) -> (N, H), the mean of each sequence's counted rows; zeros where there are none.

    counted   (T,) bool
    """
    before = torch.nn.functional.pad(counted.cumsum(0), (1, 0))
    lengths, rows = before[batch.cu_seqlens.long()].diff(), counted.nonzero().squeeze(-1)
    precise = seen.index_select(0, rows).to(torch.promote_types(seen.dtype, torch.float32))
    means = torch.segment_reduce(precise, "mean", lengths=lengths)
    return means.masked_fill((lengths == 0)[:, None], 0).to(seen.dtype)
