"""A step's examples in micro-batches, of which each process makes and computes its own."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from maskwright.batch import Batch, Integers
from maskwright.objectives.examples import Examples


class MicroBatches(NamedTuple):
    """Micro-batch k has the examples `order[ends[k]:ends[k + 1]]` of the step, in that order."""

    order: Integers
    ends: Integers

    def groups(self, places: range, sequences: int) -> Iterator[tuple[Integers, Integers]]:
        """The micro-batches at these places, several at a time up to about so many sequences: examples, and ends."""
        together = max(1, sequences * (len(self.ends) - 1) // max(1, len(self.order)))
        for first in range(places.start, places.stop, together):
            ends = self.ends[first : min(first + together, places.stop) + 1]
            yield self.order[ends[0] : ends[-1]], ends - ends[0]


def micro_batches(examples: Examples[Any], micro_sequences: int) -> MicroBatches:
    """Packed rows as they are; else so many examples each, those of like length together, long ones first."""
    number = len(examples.lengths)
    if examples.rows is not None:
        return MicroBatches(np.arange(number), examples.rows)
    order = np.argsort(-examples.lengths, kind="stable")
    return MicroBatches(order, np.append(np.arange(0, number, micro_sequences), number))


@runtime_checkable
class InParts(Protocol):
    """Data of which some micro-batches can be made without the others."""

    @property
    def begins(self) -> Sequence[int]:
        """The first step of each phase, within which every step has as many micro-batches."""
        ...

    def number(self, step: int) -> int:
        """Micro-batches of a step."""
        ...

    def part(self, step: int, places: range) -> list[Batch]:
        """Those at these places, equal to those of the whole step."""
        ...
