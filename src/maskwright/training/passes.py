"""A micro-batch's pass forward and back: as it is written here, or played back, see `replays`."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally
from maskwright.training.work import Work

Sums = Mapping[str, Tensor]
"""(2,) float64 by objective, on the device: the loss and the hits, both summed."""


class Pass(Protocol):
    """Leaves the gradient of a micro-batch's share of its step's loss in each parameter's `grad`. Waits for nothing."""

    def __call__(self, batch: Batch, stream: Callable[[], DropoutStream], counts: Mapping[str, float]) -> Sums:
        """What it found.

        batch    as `ready` made it
        stream   gives the dropout of this micro-batch, anew each time
        counts   predictions of the whole step by objective
        """
        ...

    def ready(self, batch: Batch) -> Batch:
        """The batch as the pass wants it: made in the thread that makes batches, while the one before is computed."""
        ...


class AsWritten:
    """The network's own code, operation after operation: the oracle of the other."""

    def __init__(self, work: Work, device: torch.device) -> None:
        self.work, self.device = work, device

    def __call__(self, batch: Batch, stream: Callable[[], DropoutStream], counts: Mapping[str, float]) -> Sums:
        """See `Pass`."""
        tallies = self.work.tallies(batch.to(self.device), stream())
        mean_loss(tallies, counts).backward()  # pyright: ignore[reportUnknownMemberType]
        return sums_of(tallies)

    def ready(self, batch: Batch) -> Batch:
        """See `Pass`: as it is, in memory from which a GPU copies."""
        return batch.ready_for(self.device)


def mean_loss(tallies: Mapping[str, Tally], counts: Mapping[str, float | Tensor]) -> Tensor:
    """The micro-batch's share of the step's loss: each objective's sum over the count of the whole step."""
    return torch.stack([tally.loss_sum / counts[name] for name, tally in tallies.items()]).sum()


def sums_of(tallies: Mapping[str, Tally]) -> dict[str, Tensor]:
    """Loss and hits of each objective, where they were computed."""
    return {
        name: torch.stack([tally.loss_sum.detach().double(), tally.correct.detach().double()])
        for name, tally in tallies.items()
    }
