"""What the loop trains: the few methods that every objective and every task has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.micro_batches import InParts
from maskwright.objectives.tally import Tally
from maskwright.training.best import Best
from maskwright.training.metrics import HeldOut
from maskwright.training.ranks import ALONE, Ranks


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

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Predictions in the batch by objective, or the sum of their weights."""
        ...

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """Sums over those predictions."""
        ...


@runtime_checkable
class Carries(Protocol):
    """A work with a state that goes from step to step beside the weights: XLNet's memories, ELMo's LSTM states.

    It changes while gradients are computed, and only then. A tensor once given out is never changed in place: a step
    that is left in its middle counts for nothing, and the state before it is what is saved.
    """

    def carried(self) -> dict[str, Tensor]:
        """The state after the last step."""
        ...

    def take_up(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a state that `carried` gave."""
        ...


@runtime_checkable
class Visits(Protocol):
    """A work whose examples have to be counted to find those of a late step. What was counted is arithmetic like all
    else: a checkpoint keeps it so that no process counts again."""

    def visit_sizes(self, step: int) -> dict[str, list[int]]:
        """What was counted for the steps before `step`, by stream."""
        ...

    def know(self, sizes: Mapping[str, list[int]]) -> None:
        """Take up what an earlier process counted."""
        ...


@runtime_checkable
class Joined(Protocol):
    """A work that compares all examples of a step with each other, whatever micro-batches they are in."""

    def look_over(self, batches: Sequence[Batch], stream: Callable[[int], DropoutStream]) -> None:
        """See the whole step, before the turn of its micro-batches; `stream` gives each one's dropout by its place."""
        ...


class Share(NamedTuple):
    """What this process computes of a step.

    groups   places of micro-batches, group by group, see `Ranks.mine`
    made     the micro-batch of each of these places
    ready    the same as a pass wants it, where it is there
    """

    groups: list[range]
    made: Mapping[int, Batch]
    ready: Mapping[int, Batch] = {}

    @property
    def sequences(self) -> int:
        """Of its largest micro-batch."""
        return max((batch.num_sequences for batch in self.own.values()), default=0)

    @property
    def own(self) -> dict[int, Batch]:
        """The micro-batches of its groups by their places."""
        return {place: self.made[place] for group in self.groups for place in group}

    def readied(self, ready: Callable[[Batch], Batch]) -> "Share":
        """The same with its own micro-batches as a pass wants them, see `Pass.ready`."""
        return self._replace(ready={place: ready(batch) for place, batch in self.own.items()})


def whole(batches: Sequence[Batch]) -> Share:
    """Micro-batches that one process computes as all of a step."""
    return Share([range(len(batches))], dict(enumerate(batches)))


def numbers_from(work: Work, step: int) -> list[int]:
    """Micro-batches of a step, and of the first one of each later phase where that is arithmetic."""
    if not isinstance(work, InParts):
        return [len(work.batches(step))]
    return [work.number(at) for at in (step, *(begin for begin in work.begins if begin > step))]


def share_of(work: Work, step: int, ranks: Ranks = ALONE, groups: int | None = None) -> Share:
    """What this process computes of a step; of several, each makes its own micro-batches where the data can."""
    if ranks.size > 1 and isinstance(work, InParts):
        mine = ranks.mine(work.number(step), groups)
        places = range(mine[0].start, mine[-1].stop)
        return Share(mine, dict(zip(places, work.part(step, places), strict=True)))
    batches = work.batches(step)
    return Share(ranks.mine(len(batches), groups), dict(enumerate(batches)))


class Judge(Protocol):
    """What weights are worth beside their loss, wherever the loop looks at the held-out examples."""

    best: Best
    """What was best so far: kept in every checkpoint, and asked whether to go on."""

    def judged(self) -> HeldOut:
        """Mean loss and accuracy on what is held out, and the measures, of which the first decides. Changes nothing."""
        ...


@runtime_checkable
class Judged(Protocol):
    """A work whose weights are judged."""

    judge: Judge | None


def judge_of(work: Work) -> Judge | None:
    """Who judges a work, if anybody does."""
    return work.judge if isinstance(work, Judged) else None
