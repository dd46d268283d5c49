"""An encoder with the head of one task: what fine-tuning trains, saves and loads."""

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import OF_TOKENS, TaskPart
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.initial import start
from maskwright.layers.network import Network
from maskwright.layers.weight_names import WeightName, prefixed
from maskwright.models import ModelConfig, network_of, published
from maskwright.objectives.option_scores import OptionScores
from maskwright.objectives.sequence_scores import SequenceScores
from maskwright.objectives.span_scores import SpanScores
from maskwright.objectives.tag_scores import TagScores
from maskwright.objectives.tally import Tally
from maskwright.objectives.text_vectors import TextVectors

TaskHead = SequenceScores | TagScores | SpanScores | OptionScores | TextVectors
TASK = "task"
"""What the one objective is called in metrics.jsonl."""


class Finetuning(nn.Module):
    """One pass through the encoder, then the head on the rows that it reads."""

    def __init__(self, encoder: Network, head: TaskHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def initialise_head(self, deviation: float, seed: int, *, pooler: bool = False) -> None:
        """Start the head's weights, and the pooler's where the encoder came without; the encoder keeps its own."""
        start(self.head, deviation, seed)
        if pooler and self.encoder.pooler is not None:
            start(self.encoder.pooler, deviation, seed)

    def scores(self, batch: Batch, stream: DropoutStream | None = None) -> Tensor:
        """(N, C), (M, C), (T, 2), (N,) or (N, H), see the head. Without a `stream` nothing is dropped."""
        if (wanted := self.head.reads(batch)) is None:
            return self.head.scores(self.encoder(batch, stream), batch, self.encoder, stream)
        rows, places = torch.unique(wanted, return_inverse=True)  # sorted: what the encoder takes
        seen = self.encoder(batch, stream, rows)
        return self.head.scores(seen.index_select(0, places), batch, self.encoder, stream)

    def counts(self, batch: Batch) -> dict[str, float]:
        """Answers that the batch asks for, see the head's `count`."""
        return {TASK: self.head.count(batch)}

    def tallies(self, batch: Batch, stream: DropoutStream | None = None) -> dict[str, Tally]:
        """The loss and hits of the batch's labels."""
        return self.tallied(self.scores(batch, stream), batch)

    def tallied(self, scores: Tensor, batch: Batch) -> dict[str, Tally]:
        """The same of scores that are known already."""
        return {TASK: self.head.tally(scores, batch)}

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside the name that others publish it under; a pooler that the class lacks is left out."""
        pools = self.head.pools
        kept = [name for name in self.encoder_names() if pools or not name.ours.startswith("encoder.pooler.")]
        return [*kept, *prefixed(self.head.weight_names, "head.", "")]

    def encoder_names(self) -> list[WeightName]:
        """The encoder's part of it, pooler included."""
        return prefixed(self.encoder.weight_names(), "encoder.", published(self.encoder.config.model_type).prefix)


def finetuning(config: ModelConfig, task: TaskPart, rate: float, device: torch.device | str = "cpu") -> Finetuning:
    """An encoder of that shape with the head of a task, its weights not yet set.

    rate   what is dropped out of the head's input in training
    """
    hidden, outputs, summary = config.hidden_size, len(task.labels), published(config.model_type).summary
    with torch.device(device):
        if task.asks in OF_TOKENS:
            return Finetuning(network_of(config), TagScores(hidden, outputs, rate))
        if task.asks == "span":
            return Finetuning(network_of(config), SpanScores(hidden))
        if task.asks == "option":
            return Finetuning(network_of(config), OptionScores(summary, hidden, rate))
        return Finetuning(network_of(config), SequenceScores(summary, hidden, outputs, task.asks, rate))


def bi_encoder(config: ModelConfig, head: TextVectors, device: torch.device | str = "cpu") -> Finetuning:
    """An encoder of that shape that makes vectors of texts, its weights not yet set; its pooler stays as it comes."""
    with torch.device(device):
        made = Finetuning(network_of(config), head)
    if made.encoder.pooler is not None:
        made.encoder.pooler.requires_grad_(False)
    return made
