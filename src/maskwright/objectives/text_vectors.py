"""Vectors of texts that are near where texts belong together: a bi-encoder, with the losses of sentence-transformers.

Both texts of a pair go through the encoder as sequences of their own (Sentence-BERT, arXiv 1908.10084, section 3), so
that a text's vector can be kept and compared with millions. It is the mean of the last layer over all tokens of the
text, or the first token's, scaled to length 1; `cos` of two texts is the product of theirs. There are no weights.

    infonce   pairs without a score. Each first text must find its own second among all that are at hand:
              l_i = -log( exp(s cos(a_i, b_i)) / sum_j exp(s cos(a_i, b_j)) ), the mean over i being
              `MultipleNegativesRankingLoss` (Henderson et al., arXiv 1705.00652, section 4; InfoNCE, 1807.03748).
              symmetric: the mean of this and of each second text finding its first (`partition_mode="per_direction"`)
    cosine    pairs with a score of -1 to 1. l_i = (cos(a_i, b_i) - score_i)², the mean being `CosineSimilarityLoss`
    cosent    pairs with a score in any measure, of which only the order counts: `CoSENTLoss` (Huang et al. 2024)
              l = log( 1 + sum over score_i > score_j of exp(s (cos(a_j, b_j) - cos(a_i, b_i))) ), one number for all

What is at hand are the pairs of a whole step, however many micro-batches it is computed in (`training.joined_step`).
A text is no negative of its own: where two pairs have the same first or the same second text, or one's second is the
other's first, neither is told that the other's partner is wrong. sentence-transformers asks for batches without
duplicates instead (`NO_DUPLICATES`).
"""

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from maskwright.batch import Batch
from maskwright.config import Config
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.weight_names import WeightName
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally

PoolingName = Literal["mean", "cls"]
LossName = Literal["infonce", "cosine", "cosent"]


class SimilarityConfig(Config):
    """How texts become vectors, and what is asked of two of them."""

    pooling: PoolingName = "mean"
    """Of a text's tokens: the mean of all, or cls, the first one's vector."""
    loss: LossName | None = None
    """infonce for pairs; cosent or cosine for pairs with a score. none: infonce without scores, cosent with them."""
    scale: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """What cosines are multiplied with in infonce and cosent, the inverse of a temperature."""
    symmetric: bool = False
    """infonce asks in both directions."""


class Compared(NamedTuple):
    """What pairs are worth, each compared with all others at hand.

    losses   (E,), whose sum over E is the loss
    correct  (E,) bool, whose second text is nearer than every other
    """

    losses: Tensor
    correct: Tensor


class TextVectors(nn.Module):
    """(T, H) -> (N, H), each of length 1."""

    pools = False

    def __init__(self, pooling: PoolingName, loss: LossName, scale: float = 20.0, *, symmetric: bool = False) -> None:
        super().__init__()
        self.weight_names = list[WeightName]()
        self.pooling: PoolingName = pooling
        self.loss: LossName = loss
        self.scale, self.symmetric = scale, symmetric

    def reads(self, batch: Batch) -> Tensor | None:
        """(N,) each sequence's first token; None: all tokens."""
        return batch.first_rows if self.pooling == "cls" else None

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(N, H), float32 or better; zeros for a sequence without a token. Nothing is dropped."""
        precise = seen.to(torch.promote_types(seen.dtype, torch.float32))
        lengths = batch.cu_seqlens.diff().long()
        if self.pooling == "cls":
            return normalize(precise * (lengths > 0)[:, None], dim=-1)
        of_sequence = torch.repeat_interleave(lengths, output_size=batch.num_tokens)
        sums = precise.new_zeros(batch.num_sequences, precise.shape[1]).index_add(0, of_sequence, precise)
        return normalize(sums / lengths.clamp(min=1)[:, None], dim=-1)

    def count(self, batch: Batch) -> int:
        """E, pairs."""
        return 0 if batch.labels is None else batch.labels.shape[0]

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed loss of the batch's pairs, compared with each other."""
        assert batch.labels is not None
        found = self.compare(scores, batch.labels)
        return Tally(found.losses.sum(), self.count(batch), found.correct.sum())

    def compare(self, vectors: Tensor, labels: Tensor) -> Compared:
        """The losses of pairs.

        vectors  (2E, H) of length 1: first, second, first, second ...
        labels   infonce: (E, 2) int64, numbers of the texts, equal for equal ones; else (E,) scores
        """
        first, second = vectors[0::2], vectors[1::2]
        if self.loss == "infonce":
            return self._find(first, second, labels)
        cosines, given = (first * second).sum(-1), labels.to(vectors.dtype)
        wrong = torch.zeros(len(cosines), dtype=torch.bool, device=cosines.device)
        if self.loss == "cosine":
            return Compared((cosines - given).square(), wrong)
        # [i, j]: how much too near pair j is, where pair i has the higher score
        excess = self.scale * (cosines[None, :] - cosines[:, None])
        excess = excess.masked_fill(given[:, None] <= given[None, :], -torch.inf)
        whole = torch.logsumexp(torch.cat([excess.new_zeros(1), excess.flatten()]), 0)
        return Compared(whole.expand(len(cosines)), wrong)

    def _find(self, first: Tensor, second: Tensor, texts: Tensor) -> Compared:
        own = torch.arange(len(first), device=first.device)
        cosines = (self.scale * first @ second.t()).masked_fill(no_negatives(texts), -torch.inf)
        losses = cross_entropy(cosines, own, reduction="none")
        if self.symmetric:
            losses = (losses + cross_entropy(cosines.t(), own, reduction="none")) / 2
        return Compared(losses, cosines.argmax(-1) == own)


def no_negatives(texts: Tensor) -> Tensor:
    """(E, E) bool, whether the second text of pair j must not be called wrong for the first one of another pair i.

    texts  (E, 2) int64, numbers of the texts

    >>> no_negatives(torch.tensor([[0, 1], [2, 1], [3, 0]])).int().tolist()
    [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    """
    first, second = texts.unbind(1)
    same = (first[:, None] == first) | (second[:, None] == second) | (first[:, None] == second)
    return same & ~torch.eye(len(texts), dtype=torch.bool, device=texts.device)
