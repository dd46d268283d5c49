"""What the loop trains: the few methods that every objective and every task has."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from torch import nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally


class Work(Protocol):
    """What the loop trains: a network, and the same few methods for every objective and every task."""

    @property
    def module(self) -> nn.Module:
        """The network with its heads."""
        ...

    def batches(self, step: int) -> Sequence[Batch]:
        """The micro-batches of a step, a pure function of it."""
        ...

    def held_out(self) -> Iterator[Batch]:
        """What to evaluate on, the same every time."""
        ...

    def counts(self, batch: Batch) -> dict[str, int]:
        """Predictions in the batch, by objective."""
        ...

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """Sums over those predictions."""
        ...
