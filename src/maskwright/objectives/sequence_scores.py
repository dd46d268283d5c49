"""Scores of a whole sequence: of each class, or one number.

BERT (arXiv 1810.04805), section 4.1: a linear map from the first token's pooled vector. Published networks differ in
how a sequence becomes one vector (`Summary`), and that is part of their weights: `transformers` `*ForSequence-
Classification`.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.summary import Summary
from maskwright.layers.weight_names import WeightName, weight_and_bias
from maskwright.objectives.class_weights import class_count, class_tally
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally

Asks = Literal["class", "classes", "number", "tags", "words", "span", "option", "near", "nearness"]
"""One class of several, any number of several, or a number; a tag for each word (`tag_scores`), or for each character,
which makes words of them; where an answer begins and ends (`span_scores`); which option is right (`option_scores`);
which text belongs to another, or how near two are (`text_vectors`)."""


class SequenceScores(nn.Module):
    """(N, H) at the rows it reads -> (N, C) scores."""

    def __init__(self, summary: Summary, hidden: int, outputs: int, asks: Asks, rate: float) -> None:
        """outputs   C, classes; 1 for a number
        rate      of what goes into its maps, in training
        """
        super().__init__()
        self.summary, self.rate = summary, rate
        self.asks: Asks = asks
        self.class_weights: Tensor | None = None
        self.dense = nn.Linear(hidden, hidden) if summary.dense else None
        self.classifier = nn.Linear(hidden, outputs, bias=summary.bias)
        self.weight_names = _names(summary)

    @property
    def pools(self) -> bool:
        """Whether it reads through the network's own pooler."""
        return self.summary.kind == "pooled"

    def reads(self, batch: Batch) -> Tensor:
        """(N,) each sequence's first token, or its last."""
        if self.summary.kind in ("last", "last_dense"):
            return (batch.cu_seqlens[1:].long() - 1).clamp(min=0)
        return batch.first_rows

    def scores(self, seen: Tensor, batch: Batch, encoder: Encoder, stream: DropoutStream | None = None) -> Tensor:
        """(N, C). Without a `stream` nothing is dropped."""
        match self.summary.kind:
            case "pooled":
                seen = encoder.pool(seen, batch)
            case "dense":
                seen = torch.tanh(self._dense(dropout(seen, self.rate, stream)))
            case "last_dense":
                seen = torch.tanh(self._dense(seen))
            case "first" | "last":
                pass
        return self.classifier(dropout(seen, self.rate, stream))

    def count(self, batch: Batch) -> float:
        """Answers asked for: N, or where there may be several classes N C; see `class_weights` for others."""
        if self.asks == "class":
            return class_count(batch, self.class_weights)
        return 0 if batch.labels is None else batch.labels.numel()

    def tally(self, scores: Tensor, batch: Batch) -> Tally:
        """Summed loss of the batch's labels, see `judged`."""
        assert batch.labels is not None
        if self.asks == "class":
            return class_tally(scores, batch, self.class_weights)
        return judged(scores, batch.labels, self.asks)

    def _dense(self, x: Tensor) -> Tensor:
        assert self.dense is not None
        return self.dense(x)


def judged(scores: Tensor, labels: Tensor, asks: Asks) -> Tally:
    """Summed loss of scores (N, C): cross-entropy in nats, or squared differences.

    labels   (N,) classes or numbers, (N, C) ones and zeros where there may be several classes
    """
    precise = scores.to(torch.promote_types(scores.dtype, torch.float32))
    match asks:
        case "class":
            loss, hits = cross_entropy(precise, labels, reduction="sum"), scores.argmax(-1) == labels
        case "classes":
            loss = binary_cross_entropy_with_logits(precise, labels.to(precise.dtype), reduction="sum")
            hits = (scores > 0) == (labels > 0.5)
        case "number":
            loss = mse_loss(precise.squeeze(-1), labels.to(precise.dtype), reduction="sum")
            hits = torch.zeros((), device=scores.device)
        case _:
            raise ValueError(f"these are scores of sequences, which are not asked for {asks}")
    return Tally(loss, labels.numel(), hits.sum())


def _names(summary: Summary) -> list[WeightName]:
    own = weight_and_bias("dense", summary.dense) if summary.dense else []
    scores = weight_and_bias("classifier", summary.scores)
    return [*own, *(scores if summary.bias else scores[:1])]
