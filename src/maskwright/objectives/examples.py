"""A layout, and the examples that one makes of a step before they are laid out."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from maskwright.batch import Integers, Sequences, side_by_side, take
from maskwright.corpus.read import Split
from maskwright.draws import Words

Plan = TypeVar("Plan", bound=tuple[Any, ...])


class Layout(Protocol[Plan]):
    """How documents become examples. A plan is a NamedTuple of arrays, one row an example."""

    name: str
    """Of the streams its draws come from."""
    max_length: int
    """The most tokens a sequence has, special ones included."""

    def check(self, split: Split) -> None:
        """BadInput where the split cannot be laid out so."""
        ...

    def plan(self, split: Split, documents: Integers, generator: np.random.Generator) -> Plan:
        """The examples of these documents (numbers, ascending), in the order they are made. Reads bounds, no tokens."""
        ...

    def lengths(self, plan: Plan, split: Split) -> Integers:
        """(N,) tokens of each example of a plan, special ones included."""
        ...

    def lay_out(self, split: Split, plan: Plan) -> Sequences:
        """The examples of a plan, one after the other."""
        ...


class Examples(Generic[Plan]):
    """The examples of a step before they are laid out.

    parts  the splits they are of, in order, with the plans of those of each: one, but where visits meet
    keys   (N,) uint64 their names, equal whenever one comes again; static masks are drawn from them
    rows   (R+1,) where the examples of each packed row begin and end; None where nothing is packed
    """

    def __init__(
        self,
        layout: Layout[Plan],
        parts: Sequence[tuple[Split, Plan]],
        keys: Words,
        rows: Integers | None = None,
    ) -> None:
        self._layout, self.parts, self.keys, self.rows = layout, parts, keys, rows

    @cached_property
    def lengths(self) -> Integers:
        """(N,) tokens of each, special ones included."""
        return np.concatenate([self._layout.lengths(plan, split) for split, plan in self.parts])

    def lay_out(self, which: Integers) -> Sequences:
        """Some of them, in this order."""
        if len(self.parts) == 1:
            ((split, plan),) = self.parts
            return self._layout.lay_out(split, rows_of(plan, which))
        ends = np.cumsum([len(plan[0]) for _, plan in self.parts])
        of = np.searchsorted(ends, which, side="right")
        laid, begin = list[Sequences](), 0
        for place, (split, plan) in enumerate(self.parts):
            laid.append(self._layout.lay_out(split, rows_of(plan, which[of == place] - begin)))
            begin = int(ends[place])
        return take(side_by_side(laid), np.argsort(np.argsort(of, kind="stable")))


def rows_of(plan: Plan, which: Integers) -> Plan:
    """These rows of a plan, as a plan of the same kind."""
    return _made(plan, (field[which] for field in plan))


def joined(plans: Sequence[Plan]) -> Plan:
    """Plans of one kind, one after the other."""
    return plans[0] if len(plans) == 1 else _made(plans[0], map(np.concatenate, zip(*plans, strict=True)))


def _made(like: Plan, fields: Iterable[Any]) -> Plan:
    """A plan of the same kind with these arrays."""
    return type(like)(*fields)
