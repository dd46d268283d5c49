"""The head of ELMo's language models: which word comes next, among all words or among a few that were drawn.

Jozefowicz et al. (arXiv 1602.02410, section 3.1); allenai/bilm-tf `bilm/training.py` `_build_loss`, TensorFlow's
`sampled_softmax_loss`. Both directions have the same weights. In training the right word's score stands beside those
of drawn candidates, each corrected by the logarithm of its expected count; a candidate that is the right word itself
does not count. Where no candidates are given, and whenever a model is judged, it is all words.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright import draws
from maskwright.batch import Batch
from maskwright.layers.lookup import lookup

SCORES = 2**25
"""Numbers that a piece of the full scores may have, 128 MB."""


class Judged(NamedTuple):
    """Predictions, each by itself.

    losses  (M,) float32 or wider, in nats
    hits    (M,) bool, whether no other word had a higher score
    """

    losses: Tensor
    hits: Tensor


class SampledSoftmax(nn.Module):
    """Weights (V, P) and biases (V,) of the words, begin and end of a sentence among them."""

    def __init__(self, words: int, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(words, size))
        self.bias = nn.Parameter(torch.empty(words))

    def forward(self, rows: Tensor, targets: Tensor, batch: Batch) -> Judged:
        """rows (M, P), targets (M,) int64; among the batch's candidates where it has some and gradients are wanted."""
        if batch.candidate_ids is None or batch.log_counts is None or not torch.is_grad_enabled():
            return self._among_all(rows, targets)
        return self._among(rows, targets, batch.candidate_ids, batch.log_counts)

    def log_probabilities(self, rows: Tensor) -> Tensor:
        """(M, P) -> (M, V)."""
        return torch.log_softmax(F.linear(rows, self.table, self.bias).float(), -1)

    def initialise(self, seed: int) -> None:
        """As bilm-tf: a normal of deviation P^-1/2, biases 0."""
        generator = torch.Generator().manual_seed(draws.key(seed, "start", "softmax") & (2**63 - 1))
        with torch.no_grad():
            values = torch.empty(self.table.shape).normal_(0, self.table.shape[1] ** -0.5, generator=generator)
            self.table.copy_(values)
            self.bias.zero_()

    def _among(self, rows: Tensor, targets: Tensor, candidates: Tensor, log_counts: Tensor) -> Judged:
        of_targets, of_candidates = log_counts.split([len(targets), len(candidates)])
        both = torch.cat([targets, candidates])
        table = lookup(self.table, both)
        bias = self.bias.index_select(0, both)
        right = (rows * table[: len(targets)]).sum(-1) + bias[: len(targets)]
        others = F.linear(rows, table[len(targets) :], bias[len(targets) :])
        right, others = _wide(right) - of_targets, _wide(others) - of_candidates
        others = others.masked_fill(targets[:, None] == candidates, -torch.inf)
        all_scores = torch.cat([right[:, None], others], -1)
        return Judged(torch.logsumexp(all_scores, -1) - right, right >= others.amax(-1))

    def _among_all(self, rows: Tensor, targets: Tensor) -> Judged:
        losses: list[Tensor] = []
        hits: list[Tensor] = []
        size = max(1, SCORES // len(self.bias))
        for some, wanted in zip(rows.split(size), targets.split(size), strict=True):
            scores = _wide(F.linear(some, self.table, self.bias))
            losses.append(F.cross_entropy(scores, wanted, reduction="none"))
            hits.append(scores.argmax(-1) == wanted)
        return Judged(torch.cat(losses), torch.cat(hits))


def _wide(scores: Tensor) -> Tensor:
    return scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores
