"""An encoder with its prediction heads: what pretraining trains, saves and loads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import nn

from maskwright.batch import Batch
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.initial import start
from maskwright.layers.network import Network
from maskwright.layers.weight_names import WeightName, prefixed, renamed
from maskwright.models import CausalConfig, ModelConfig, network_of, published
from maskwright.models.albert import AlbertConfig
from maskwright.models.roberta import RobertaConfig
from maskwright.models.xlm import XlmConfig
from maskwright.models.xlnet import XlnetConfig
from maskwright.objectives.decoder_head import DecoderHead
from maskwright.objectives.head import Head
from maskwright.objectives.masked_lm_head import MaskedLMHead
from maskwright.objectives.micro_batches import InParts
from maskwright.objectives.next_sentence import NextSentenceHead
from maskwright.objectives.next_token import NextTokenHead
from maskwright.objectives.show import Example
from maskwright.objectives.span_boundary import SpanBoundaryHead
from maskwright.objectives.stream import Stream
from maskwright.objectives.tally import Tally
from maskwright.progress import Progress

FEW = 0.7
"""Up to this share of the rows, gathering them costs less than computing the others."""


class Pretraining(nn.Module):
    """One pass through the encoder, then each head's share; heads are called as in `metrics.jsonl`: mlm, nsp, sop."""

    def __init__(self, encoder: Network, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)

    def initialise(self, deviation: float, seed: int) -> None:
        """Start all weights, see `layers.initial.start`."""
        start(self, deviation, seed)
        self.encoder.scale_residuals()

    def counts(self, batch: Batch) -> dict[str, int]:
        """Predictions of each head in the batch."""
        return {name: cast("Head", head).count(batch) for name, head in self.heads.items()}

    def tallies(self, batch: Batch, stream: DropoutStream | None = None) -> dict[str, Tally]:
        """Sums and counts by objective. Without a `stream` nothing is dropped.

        The last layer is computed for the rows that a head reads; for all where they are nearly all.
        """
        heads = {name: cast("Head", head) for name, head in self.heads.items()}
        if not heads:
            return {}
        reads = [head.reads(batch) for head in heads.values()]
        wanted = torch.cat(reads)
        if len(wanted) < FEW * batch.num_tokens:
            rows, order = torch.sort(wanted)
            last, place = self.encoder(batch, stream, rows), torch.argsort(order)
        else:
            last, place = self.encoder(batch, stream), wanted
        if batch.num_tokens == 0:
            last = last.new_zeros(1, last.shape[1])  # what a sequence without a token is seen as
        seen = [last.index_select(0, part) for part in place.split([len(part) for part in reads])]
        return {
            name: head.tally(part, batch, self.encoder) for (name, head), part in zip(heads.items(), seen, strict=True)
        }

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside the name that others publish it under; heads that nobody publishes are left out."""
        there = published(self.encoder.config.model_type)
        names = prefixed(self.encoder.weight_names(), "encoder.", there.prefix)
        for name, head in self.heads.items():
            names += prefixed(renamed(cast("Head", head).weight_names, there.head_names), f"heads.{name}.", "")
        return names


def network(
    config: ModelConfig,
    heads: Sequence[str],
    device: torch.device | str = "cpu",
    position: nn.Module | None = None,
) -> Pretraining:
    """A network of that shape with the named heads, its weights not yet set; see `head`.

    position   another kind of positions than the network's own
    """
    with torch.device(device):
        return Pretraining(network_of(config, position), {name: head(name, config) for name in heads})


def head(name: str, config: ModelConfig) -> nn.Module:
    """The pretraining head that a network of that shape has under that name: mlm, nsp, sop, sbo, plm or lm."""
    if name == "lm":
        return NextTokenHead()
    if name not in ("mlm", "sbo", "nsp", "sop", "plm"):
        raise ValueError(f"there is no head {name!r} (there are: mlm, nsp, sop, sbo, plm, lm)")
    if isinstance(config, CausalConfig):
        raise BadInput(f"a {config.model_type} sees no token behind another, so it has no head {name!r}: take lm")
    if name in ("nsp", "sop"):
        return NextSentenceHead(config.hidden_size)
    if name == "plm" or (isinstance(config, XlmConfig) and name == "mlm"):
        return DecoderHead(config.vocab_size)
    if name not in ("mlm", "sbo") or isinstance(config, XlnetConfig):
        raise ValueError(f"a {config.model_type} has no head {name!r} (there are: mlm, nsp, sop, sbo; plm of XLNet)")
    # transformers' RobertaLMHead has gelu whatever hidden_act is, and so have the published models
    activation = "gelu" if isinstance(config, RobertaConfig) else config.hidden_act
    width = config.embedding_size if isinstance(config, AlbertConfig) else None
    made = MaskedLMHead if name == "mlm" else SpanBoundaryHead
    return made(config.hidden_size, config.vocab_size, activation, config.layer_norm_eps, width)


def published_parts(model: Pretraining, *, pooler: bool = True) -> tuple[list[WeightName], dict[str, nn.Parameter]]:
    """The table of names that a folder of the model has, and the parameters: without a prefix where there is no head.

    pooler   False: the pooler's weights are nobody's and are left out
    """
    part = model if len(model.heads) else model.encoder
    names = [name for name in part.weight_names() if pooler or not re.match(r"(encoder\.)?pooler\.", name.ours)]
    return names, dict(part.named_parameters())


class Data(Protocol):
    """What an objective's examples give: batches as arithmetic."""

    def batches(self, step: int) -> Sequence[Batch]:
        """The micro-batches of a step, a pure function of it."""
        ...

    def held_out(self) -> Iterator[Batch]:
        """What to evaluate on, the same every time."""
        ...

    def examples(self, step: int) -> Iterator[Example]:
        """The sequences of a step, decoded."""
        ...

    def visit_sizes(self, step: int) -> dict[str, list[int]]:
        """What was counted for the steps before, see `training.work.Visits`."""
        ...

    def know(self, sizes: Mapping[str, list[int]]) -> None:
        """Take up what an earlier process counted."""
        ...


class PretrainingWork:
    """Network and data of a pretraining run, as the loop takes them (`training.work.Work`)."""

    def __init__(self, network: Pretraining, data: Data) -> None:
        self.module, self.data = network, data
        self.batches, self.held_out = data.batches, data.held_out
        self.visit_sizes, self.know = data.visit_sizes, data.know
        self.counts = network.counts
        if isinstance(data, InParts):
            self.begins, self.number, self.part = data.begins, data.number, data.part

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """See `Pretraining.tallies`, which may have been put among others since."""
        return self.module.tallies(batch, stream)


def tell_of_few(streams: Sequence[Stream[Any]], batch: int, progress: Progress) -> None:
    """Say so where a step is more than an epoch, so that it has an example several times."""
    for stream in streams:
        if (there := stream.first_sequences(batch)) < batch:
            packed = stream.row_tokens is not None
            what, key = ("packed rows", "batch_tokens") if packed else ("sequences", "batch_sequences")
            progress.say(
                f"warning: a step has {batch:,} {what} and the corpus {there:,}: each comes {batch / there:.1f} times "
                f"in every step; lower training.{key}, or give more text"
            )
