"""An encoder with its prediction heads: what pretraining trains, saves and loads."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

from torch import nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.initial import start
from maskwright.layers.weight_names import WeightName, prefixed
from maskwright.models.bert import Bert
from maskwright.objectives.head import Head
from maskwright.objectives.show import Example
from maskwright.objectives.tally import Tally


class Pretraining(nn.Module):
    """One pass through the encoder, then each head's share; heads are called as in `metrics.jsonl`: mlm, nsp."""

    def __init__(self, encoder: Bert, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)

    def initialise(self, deviation: float, seed: int) -> None:
        """Start all weights, see `layers.initial.start`."""
        start(self, deviation, seed)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Predictions of each head in the batch."""
        return {name: cast("Head", head).count(batch) for name, head in self.heads.items()}

    def tallies(self, batch: Batch, stream: DropoutStream | None = None) -> dict[str, Tally]:
        """Sums and counts by objective. Without a `stream` nothing is dropped."""
        last = self.encoder(batch, stream)
        return {name: cast("Head", head).tally(last, batch, self.encoder) for name, head in self.heads.items()}

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside its name in a Hugging Face `BertForPreTraining`."""
        names = prefixed(self.encoder.weight_names(), "encoder.", "bert.")
        for name, head in self.heads.items():
            names += prefixed(cast("Head", head).weight_names, f"heads.{name}.", "")
        return names


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


class PretrainingWork:
    """Network and data of a pretraining run, as the loop takes them (`training.work.Work`)."""

    def __init__(self, network: Pretraining, data: Data) -> None:
        self.module, self.data = network, data
        self.batches, self.held_out = data.batches, data.held_out
        self.counts, self.tallies = network.counts, network.tallies
