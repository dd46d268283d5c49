"""An encoder, what a task reads of it, and the task's head: what fine-tuning trains, saves and loads."""

from typing import Any

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import OF_TOKENS, TaskPart
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.features import Features, FeaturesConfig
from maskwright.layers.initial import start
from maskwright.layers.network import Network
from maskwright.layers.weight_names import WeightName, prefixed
from maskwright.models import ModelConfig, network_of, published
from maskwright.objectives.crf_scores import CrfScores
from maskwright.objectives.mean_scores import MeanScores
from maskwright.objectives.option_scores import OptionScores
from maskwright.objectives.sequence_scores import SequenceScores
from maskwright.objectives.span_scores import SpanScores
from maskwright.objectives.tag_scores import TagScores
from maskwright.objectives.tally import Tally
from maskwright.objectives.text_vectors import TextVectors
from maskwright.objectives.word_means import WordMeanScores

OfTexts = SequenceScores | MeanScores | WordMeanScores | TextVectors
TaskHead = OfTexts | TagScores | CrfScores | SpanScores | OptionScores
AS_IS = FeaturesConfig()
"""The last layer, of an encoder that learns too."""
TASK = "task"
"""What the one objective is called in metrics.jsonl."""


class Finetuning(nn.Module):
    """One pass through the encoder, then the head on the rows that it reads.

    A frozen encoder keeps all weights but those of a pooler that the head reads through: other networks' heads have a
    map of their own there, and many encoders come without one. A pooler that nobody reads through stays as it came.
    """

    def __init__(self, encoder: Network, head: TaskHead, features: Features | None = None) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.features = features or Features(AS_IS, encoder.config.hidden_size, encoder.config.num_hidden_layers)
        for name, parameter in encoder.named_parameters():
            stays = not head.pools if name.startswith("pooler.") else self.features.frozen
            if stays:
                parameter.requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def initialise_head(self, deviation: float, seed: int, *, pooler: bool = False, cut: bool = True) -> None:
        """Start what stands above the encoder, and the pooler where it came without; the encoder keeps its own.

        cut   see `start`
        """
        start(self.head, deviation, seed, cut=cut)
        self.features.start(seed)
        if pooler and self.encoder.pooler is not None:
            start(self.encoder.pooler, deviation, seed, cut=cut)

    def scores(self, batch: Batch, stream: DropoutStream | None = None) -> Tensor:
        """(N, C), (M, C), (T, 2), (N,) or (N, H), see the head. Without a `stream` nothing is dropped."""
        rows, places = self._rows(batch)
        seen = self.features(self.encoder, batch, stream, rows)
        seen = seen if places is None else seen.index_select(0, places)
        below: Any = self.encoder  # each head asks something else of it
        return self.head.scores(seen, batch, below, stream)

    def read(self, batch: Batch) -> Tensor:
        """(R, W) what comes of the encoder before anything that is learned above it; nothing is dropped."""
        return self.features.read(self.encoder, batch, None, self._rows(batch)[0])

    def rows_read(self, batch: Batch) -> Tensor:
        """(N,) how many of these R rows are each sequence's."""
        rows = self._rows(batch)[0]
        if rows is None or self.features.lstm is not None:
            return batch.cu_seqlens.diff().long()
        return torch.searchsorted(rows, batch.cu_seqlens.long()).diff()

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """(M,) int64: the tags of words that follow from their scores. For heads of tags."""
        assert isinstance(self.head, TagScores | CrfScores)
        return self.head.best(scores, batch)

    def _rows(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """The rows that the head reads, sorted as the encoder takes them, and where each then is; None: all rows."""
        wanted = self.head.reads(batch)
        return (None, None) if wanted is None else torch.unique(wanted, return_inverse=True)

    def forward(self, batch: Batch, stream: DropoutStream | None = None) -> Tensor:
        """See `scores`."""
        return self.scores(batch, stream)

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


def finetuning(
    config: ModelConfig,
    task: TaskPart,
    rate: float,
    device: torch.device | str = "cpu",
    *,
    features: FeaturesConfig = AS_IS,
    may_follow: Tensor | None = None,
) -> Finetuning:
    """An encoder of that shape with the head of a task, its weights not yet set.

    rate         what is dropped out of the head's input in training
    features     what is read of the encoder, and what stands above it
    may_follow   of a CRF, see `layers.crf`
    """
    with torch.device(device):
        read = Features(features, config.hidden_size, config.num_hidden_layers, rate)
        if features.above:
            head = head_above(features, task, read.width, rate, may_follow)
        else:
            head = _published_head(config, task, rate)
        return Finetuning(network_of(config), head, read)


def head_above(
    features: FeaturesConfig, task: TaskPart, width: int, rate: float, may_follow: Tensor | None = None
) -> MeanScores | TagScores | CrfScores:
    """What answers a task from features of any encoder. BadInput for a task that cannot be asked of them.

    width   W, of the features
    """
    if features.has_crf and task.asks not in OF_TOKENS:
        raise BadInput(f"features.top {features.top} joins the tags of words, and this task has none: take bilstm")
    if task.asks in ("span", "option"):
        raise BadInput("questions and choices are read of the last layer: leave features.layers and features.top off")
    if features.has_crf:
        decoding, training = features.legal != "never", features.legal == "always"
        return CrfScores(width, len(task.labels), rate, may_follow, decoding=decoding, training=training)
    if task.asks in OF_TOKENS:
        return TagScores(width, len(task.labels), rate)
    return MeanScores(width, len(task.labels), task.asks, rate)


def _published_head(
    config: ModelConfig, task: TaskPart, rate: float
) -> TagScores | SpanScores | OptionScores | SequenceScores:
    """The head that `transformers` has a class for, on the last layer."""
    hidden, outputs, summary = config.hidden_size, len(task.labels), published(config.model_type).summary
    if task.asks in OF_TOKENS:
        return TagScores(hidden, outputs, rate)
    if task.asks == "span":
        return SpanScores(hidden)
    if task.asks == "option":
        return OptionScores(summary, hidden, rate)
    return SequenceScores(summary, hidden, outputs, task.asks, rate)


def bi_encoder(config: ModelConfig, head: TextVectors, device: torch.device | str = "cpu") -> Finetuning:
    """An encoder of that shape that makes vectors of texts, its weights not yet set; its pooler stays as it comes."""
    with torch.device(device):
        return Finetuning(network_of(config), head)
