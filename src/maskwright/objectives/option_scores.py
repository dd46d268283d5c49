"""Scores of options, of which one is right.

BERT (arXiv 1810.04805), section 4.4: each option is a sequence with what comes before it, one number is made of its
vector, and softmax runs over the options of an example, which may be more or fewer in another. `transformers`
`*ForMultipleChoice`.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.summary import Summary
from maskwright.layers.weight_names import prefixed, weight_and_bias
from maskwright.objectives.head import Encoder
from maskwright.objectives.sequence_scores import SequenceScores
from maskwright.objectives.tally import Tally

_NARROW = 2
"""XLM's class makes as many numbers of a sequence as `transformers` takes labels where nothing is said, and one of
these."""


class OptionScores(nn.Module):
    """(N, H) at the rows it reads -> (N,) scores, one an option."""

    def __init__(self, summary: Summary, hidden: int, rate: float) -> None:
        """summary   how the network's sequences become one vector where classes are asked
        rate      of what goes into its maps, in training
        """
        super().__init__()
        narrow = summary.kind == "first"
        if summary.kind == "dense":  # RoBERTa's class reads through the network's own pooler here
            summary = Summary("pooled", "classifier")
        self.scored = SequenceScores(summary, hidden, _NARROW if narrow else 1, "class", rate)
        self.last = nn.Linear(_NARROW, 1) if narrow else None
        last = weight_and_bias("last", "logits_proj") if narrow else []
        self.weight_names = [*prefixed(self.scored.weight_names, "scored.", ""), *last]

    @property
    def pools(self) -> bool:
        """Whether it reads through the network's own pooler."""
        return self.scored.pools

    def reads(self, batch: Batch) -> Tensor:
        """(N,) each sequence's first token, or its last."""
        return self.scored.reads(batch)

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(N,). Without a `stream` nothing is dropped."""
        found = self.scored.scores(seen, batch, encoder, stream)
        return (found if self.last is None else self.last(found)).squeeze(-1)

    def count(self, batch: Batch) -> int:
        """E, examples."""
        return 0 if batch.labels is None else batch.labels.shape[0]

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed cross-entropy of the right options, in nats."""
        assert batch.labels is not None and batch.groups is not None
        table = by_example(scores.to(torch.promote_types(scores.dtype, torch.float32)), batch.groups)
        loss = cross_entropy(table, batch.labels, reduction="sum")
        return Tally(loss, self.count(batch), (table.argmax(-1) == batch.labels).sum())


def by_example(scores: Tensor, groups: Tensor) -> Tensor:
    """(N,) scores of options as (E, N), a row an example, minus infinity behind its last option.

    No more than N columns are ever needed, and to ask for fewer would be to wait for the device.

    >>> by_example(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([0, 1, 3]))[:, :2].tolist()
    [[3.0, -inf], [1.0, 2.0]]
    """
    count, examples = len(scores), len(groups) - 1
    example = torch.repeat_interleave(torch.arange(examples, device=scores.device), groups.diff(), output_size=count)
    place = torch.arange(count, device=scores.device) - groups[:-1][example]
    return scores.new_full((examples, count), -torch.inf).index_put((example, place), scores)
