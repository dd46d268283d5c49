"""Scores of tags that know each other: a linear map for each word, and a CRF over the words of a sequence.

Lample et al. (arXiv 1603.01360), section 2.2. As `TagScores`, but words of a sequence are judged and answered together.
A sentence in several windows is several sequences here (`tasks.windows`).
"""

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.batch import Batch, Integers
from maskwright.layers.crf import Crf
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.head import Encoder
from maskwright.objectives.tag_scores import TagScores
from maskwright.objectives.tally import Tally


class CrfScores(nn.Module):
    """(M, H) at the rows asked about -> (M, C) scores of each word by itself, which the CRF reads together."""

    pools = False

    def __init__(
        self, hidden: int, tags: int, rate: float, may_follow: Tensor | None = None, *, decoding: bool, training: bool
    ) -> None:
        """tags        C
        rate        of what goes into the map, in training
        may_follow  see `Crf`; None: every tag may stand everywhere
        decoding    whether answers are held to it
        training    whether the paths are that the right one is compared with
        """
        super().__init__()
        self.words = TagScores(hidden, tags, rate)
        self.crf = Crf(tags, may_follow)
        self.decoding, self.held = decoding, training
        self.weight_names = list(self.words.weight_names[:0])  # no class of transformers has a place for any

    def reads(self, batch: Batch) -> Tensor:
        """(M,) `predict_rows`: the first piece of each word."""
        return self.words.reads(batch)

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(M, C), float32 or better. Without a `stream` nothing is dropped."""
        found = self.words.scores(seen, batch, encoder, stream)
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """(M,) int64: the tags of each sequence's best path."""
        return self.crf.best(scores, _bounds(batch), legal=self.decoding)

    def count(self, batch: Batch) -> float:
        """M, words: so a rate means what it means without a CRF, whatever the length of sentences."""
        return self.words.count(batch)

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed negative log-likelihood of the sequences' tags, in nats; hits are words of best paths."""
        assert batch.labels is not None
        bounds = _bounds(batch)
        likelihood = self.crf.log_likelihood(scores, batch.labels, bounds, legal=self.held)
        hits = self.crf.best(scores.detach(), bounds, legal=self.decoding) == batch.labels
        return Tally(-likelihood.sum(), self.count(batch), hits.sum())


def _bounds(batch: Batch) -> Integers:
    """(N+1,) where the words of each sequence begin and end among all."""
    assert batch.predict_rows is not None
    ends = batch.cu_seqlens.cpu().numpy()
    return np.searchsorted(batch.predict_rows.cpu().numpy(), ends).astype(np.int64)
