"""Scores of where an answer begins and of where it ends.

BERT (arXiv 1810.04805), section 4.2: a linear map from the last layer at every token, softmax over the tokens of each
sequence. `transformers` `*ForQuestionAnswering`, of XLM and XLNet `*ForQuestionAnsweringSimple`; the other classes of
these two search for ends from each start, which is another head. Nothing is dropped out of the map's input.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.weight_names import weight_and_bias
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally

UNKNOWN = -1
"""The label of a sequence of which nobody knows where its answer is."""


class SpanScores(nn.Module):
    """(T, H) -> (T, 2) scores: of a beginning, of an end."""

    pools = False

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.ends = nn.Linear(hidden, 2)
        self.weight_names = weight_and_bias("ends", "qa_outputs")

    def reads(self, batch: Batch) -> Tensor | None:
        """None: every token."""
        return

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(T, 2)."""
        return self.ends(seen)

    def count(self, batch: Batch) -> int:
        """Sequences whose answer is known; where it is [CLS], it is that there is none."""
        return 0 if batch.labels is None else int((batch.labels[:, 0] != UNKNOWN).sum())

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed cross-entropy in nats, for each sequence the mean of its beginning's and its end's; hits have both."""
        assert batch.labels is not None
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        lengths = batch.cu_seqlens.diff().long()
        sequence = torch.repeat_interleave(
            torch.arange(len(lengths), device=scores.device), lengths, output_size=batch.num_tokens
        )
        place = torch.arange(batch.num_tokens, device=scores.device) - batch.cu_seqlens[:-1].long()[sequence]
        filled = scores.new_full((len(lengths), batch.max_seqlen, 2), -torch.inf)  # (N, S, 2)
        filled = filled.index_put((sequence, place), scores)
        loss = cross_entropy(filled, batch.labels, reduction="sum", ignore_index=UNKNOWN) / 2
        hits = (filled.argmax(1) == batch.labels).all(1)
        return Tally(loss, self.count(batch), hits.sum())
