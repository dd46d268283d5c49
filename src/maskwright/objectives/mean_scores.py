"""Scores of a whole sequence from the mean of its tokens: how features of an encoder, or an LSTM's, are judged.

No first token was trained to stand for the text where layers are mixed or an LSTM reads on; the mean of all tokens,
special ones included, is what sentence-transformers takes of an encoder (Sentence-BERT, arXiv 1908.10084, section 3):
of a BERT that was not fine-tuned it says far more about a sentence than the first token (table 1 there).
"""

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.summary import Summary
from maskwright.layers.weight_names import prefixed
from maskwright.objectives.head import Encoder
from maskwright.objectives.sequence_scores import Asks, SequenceScores
from maskwright.objectives.tally import Tally


class MeanScores(nn.Module):
    """(T, W) -> (N, C) scores."""

    pools = False

    def __init__(self, hidden: int, outputs: int, asks: Asks, rate: float) -> None:
        """As `SequenceScores`."""
        super().__init__()
        self.scored = SequenceScores(Summary("first", "classifier"), hidden, outputs, asks, rate)
        self.weight_names = prefixed(self.scored.weight_names, "scored.", "")

    @property
    def class_weights(self) -> Tensor | None:
        """As `SequenceScores`."""
        return self.scored.class_weights

    @class_weights.setter
    def class_weights(self, weights: Tensor | None) -> None:
        self.scored.class_weights = weights

    def reads(self, batch: Batch) -> None:
        """None: all tokens."""
        return

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(N, C); of a sequence without a token those of zeros. Without a `stream` nothing is dropped."""
        return self.scored.scores(means(seen, batch), batch, encoder, stream)

    def count(self, batch: Batch) -> float:
        """As `SequenceScores`."""
        return self.scored.count(batch)

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """As `SequenceScores`."""
        return self.scored.tally(scores, batch)


def means(seen: Tensor, batch: Batch) -> Tensor:
    """(T, W) -> (N, W), of each sequence's tokens; summed in float32 or better."""
    lengths = batch.cu_seqlens.diff().long()
    which = torch.repeat_interleave(torch.arange(len(lengths), device=seen.device), lengths, output_size=len(seen))
    precise = seen.to(torch.promote_types(seen.dtype, torch.float32))
    sums = precise.new_zeros(len(lengths), seen.shape[1]).index_add(0, which, precise)
    return (sums / lengths.clamp(min=1)[:, None]).to(seen.dtype)
