"""The sum over ranks of a step's gradient, begun while its last micro-batch is still on the way back.

The row is cut in buckets of some megabytes. Each is summed as soon as all gradients in it are there, while the layers
below are computed; what is waited for in the end is what came last, the embeddings. So torch's DDP does it (Li et al.
2020, 2006.15704). Buckets are begun in an order that is the same on all ranks, whatever order their gradients have.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from maskwright.training.flat import FlatParameters
from maskwright.training.fully_sharded import FullySharded
from maskwright.training.ranks import Ranks

SIZE = 1 << 22
"""Numbers of a bucket: 16 MB of float32; a larger parameter has one of its own."""


class Bucket(NamedTuple):
    """A stretch of the row, and the parameters that it is made of."""

    where: slice
    names: list[str]


class Buckets:
    """Sums the gradient of a row that is whole on every rank, or of which each moves a piece."""

    def __init__(self, flat: FlatParameters, ranks: Ranks, size: int = SIZE) -> None:
        self.flat, self.ranks = flat, ranks
        self.buckets = in_turn(in_stretches(flat.places, size), [*flat.parameters])
        self._of = {name: place for place, bucket in enumerate(self.buckets) for name in bucket.names}
        self._missing: list[set[str]] = []
        self._works: list[Any] = []
        self._next, self._first, self._begun = 0, True, False
        for name, parameter in flat.parameters.items():
            parameter.register_post_accumulate_grad_hook(partial(self._there, name))

    def begin(self, *, first: bool) -> None:
        """The next backward pass is the step's last on this rank; its gradients take the place of what is there, if it
        is the `first` too, or are added to it. A rank without one begins as well."""
        self.flat.settle()
        self._missing = [set(bucket.names) for bucket in self.buckets]
        self._next, self._first, self._begun = 0, first, True

    def finish(self) -> None:
        """Wait until all is summed."""
        for names in self._missing:
            names.clear()  # what has no gradient by now has none
        self._go_on()
        self.ranks.wait_for(self._works)
        self._works, self._begun = [], False

    def _there(self, name: str, parameter: Tensor) -> None:
        if self._begun:
            self._missing[self._of[name]].discard(name)
            self._go_on()

    def _go_on(self) -> None:
        """Begin with every bucket that is there and whose turn it is."""
        while self._next < len(self.buckets) and not self._missing[self._next]:
            bucket = self.buckets[self._next]
            self.flat.take_up(bucket.names, first=self._first)
            self._works += self.ranks.begin_sum(self.flat.gradient, bucket.where, self.flat.shards.pieces)
            self._next += 1


def in_stretches(places: Mapping[str, slice], size: int) -> Iterator[Bucket]:
    """A row in stretches of that many numbers or some more; no parameter is cut.

    >>> places = {"a": slice(0, 5), "b": slice(5, 7), "c": slice(7, 9), "d": slice(9, 10)}
    >>> [bucket.names for bucket in in_stretches(places, 4)]
    [['a'], ['b', 'c'], ['d']]
    """
    names: list[str] = []
    start = 0
    for name, place in places.items():
        names.append(name)
        if place.stop - start >= size:
            yield Bucket(slice(start, place.stop), names)
            names, start = [], place.stop
    if names:
        yield Bucket(slice(start, places[names[-1]].stop), names)


def in_turn(buckets: Iterator[Bucket], order: list[str]) -> list[Bucket]:
    """As they are likely to be there on the way back: first what is made of the network's last parameters alone.

    order   the parameters as the network uses them
    """
    place = {name: number for number, name in enumerate(order)}
    return sorted(buckets, key=lambda bucket: min(place[name] for name in bucket.names), reverse=True)


def summing(flat: FlatParameters | FullySharded, ranks: Ranks, groups: int | None) -> Buckets | None:
    """How the gradient of a run is summed ahead; None where one process does all, as a tree, or the network is cut."""
    if ranks.size == 1 or groups is not None or not isinstance(flat, FlatParameters):
        return None
    return Buckets(flat, ranks)
