"""An endless stream of examples over a corpus: what step k sees is a function of the seed and k.

A `Layout` says how documents become examples. The stream forms every example of an epoch once, in random order. A
corpus of more than about 16 M tokens is taken in visits: random groups of blocks of neighbouring documents, each read
into memory as a split of its own, laid out and shuffled, so that neither memory nor the wait for the first batch grows
with the corpus. How many examples a visit has is known only after planning it: the first call for a late step plans
the visits before it once, and remembers their sizes; a checkpoint keeps them for the processes that come after.

With `row_tokens` the examples of a visit are packed into rows of so many tokens (`objectives.packing`), and what a step
has is rows instead of examples.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Generic, NamedTuple

import numpy as np

from maskwright.batch import Integers, Sequences
from maskwright.corpus.read import Split
from maskwright.draws import Words, generator, key
from maskwright.errors import BadInput
from maskwright.objectives.examples import Examples, Layout, Plan, joined, rows_of
from maskwright.objectives.packing import pack
from maskwright.objectives.visits import BLOCK_TOKENS, VISIT_TOKENS, Visits, remember

PASSES = 64
"""Epochs until examples come again (in another order, under other masks), so that a late step is found soon."""


class _Stretch(NamedTuple):
    """Consecutive units of one visit of one epoch, rows or examples: `first` to `end` of its order."""

    epoch: int
    visit: int
    first: int
    end: int


class Stream(Generic[Plan]):
    """Examples by step, the same in every process.

    split         the documents
    layout        how they become examples
    seed          of every draw
    dupe_factor   passes that are drawn before they are repeated; None: 64, each epoch's order being new
    row_tokens    of the rows that examples are packed into; None: they are not

    Raises BadInput for a split without documents, for a dupe_factor below 1 and for rows shorter than an example.
    """

    def __init__(
        self,
        split: Split,
        layout: Layout[Plan],
        *,
        seed: int,
        dupe_factor: int | None = None,
        row_tokens: int | None = None,
        visit_tokens: int = VISIT_TOKENS,
        block_tokens: int = BLOCK_TOKENS,
    ) -> None:
        if dupe_factor is not None and dupe_factor < 1:
            raise BadInput(
                f"dupe_factor {dupe_factor} leaves no pass over the text: give 1 or more, or none for new "
                "examples each epoch"
            )
        if split.num_documents == 0:
            raise BadInput("the split has no documents: build the corpus from more text")
        if row_tokens is not None and row_tokens < layout.max_length:
            raise BadInput(
                f"training.micro_tokens {row_tokens} holds no sequence of {layout.max_length} tokens: raise it, or "
                "shorten layout.max_length, or second_phase.max_length where that is so long"
            )
        layout.check(split)
        self.split, self.layout, self.seed, self.passes = split, layout, seed, dupe_factor or PASSES
        self.row_tokens = row_tokens
        self._visits = Visits(split, seed=seed, visit_tokens=visit_tokens, block_tokens=block_tokens)
        self.visits = self._visits.number
        self._ends = [0]  # of each visit in the stream of examples, or of rows, as far as they are known
        self._plans: OrderedDict[tuple[int, int], Plan] = OrderedDict()
        self._orders: OrderedDict[tuple[int, int], _Order] = OrderedDict()

    def examples(self, step: int, batch: int) -> Examples[Plan]:
        """Examples [step * batch, (step + 1) * batch) of the stream; where they are packed, so many rows of them."""
        parts: list[tuple[Split, list[Plan]]] = []
        keys: list[Words] = []
        sizes: list[Integers] = []
        for stretch in self._stretches(step, batch):
            base = key(self.seed, "masks", self._pass(stretch.epoch), stretch.visit) & 0xFFFF_FFFF_FFFF_FFFF
            order = self._order(stretch.epoch, stretch.visit)
            chosen, split = order.of(stretch.first, stretch.end), self.part(stretch.epoch, stretch.visit)
            if not parts or parts[-1][0] is not split:
                parts.append((split, []))
            parts[-1][1].append(rows_of(self.plan(stretch.epoch, stretch.visit), chosen))
            keys.append(np.uint64(base) ^ chosen.astype(np.uint64))
            if order.rows is not None:
                sizes.append(np.diff(order.rows[stretch.first : stretch.end + 1]))
        rows = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))]) if sizes else None
        return Examples(self.layout, [(split, joined(plans)) for split, plans in parts], np.concatenate(keys), rows)

    def sequences(self, step: int, batch: int) -> Sequences:
        """The examples of a step, laid out in their order."""
        examples = self.examples(step, batch)
        return examples.lay_out(np.arange(len(examples.keys)))

    def part(self, epoch: int, visit: int = 0) -> Split:
        """The documents of a visit of an epoch: what its plan has the addresses of."""
        return self._visits.part(self._pass(epoch), visit)

    def plan(self, epoch: int, visit: int = 0) -> Plan:
        """The examples of a visit of an epoch, in the order they were made (before the shuffle)."""
        address = (self._pass(epoch), visit)
        if address not in self._plans:
            draws = generator(self.seed, self.layout.name, *address)
            bounds = self._visits.bounds(*address)
            remember(self._plans, address, self.layout.plan(bounds, np.arange(bounds.num_documents), draws))
        return self._plans[address]

    def epoch_sequences(self, epoch: int) -> int:
        """How many examples, or rows, an epoch has. They differ a little from epoch to epoch."""
        self._grow(visits=(epoch + 1) * self.visits)
        return self._ends[(epoch + 1) * self.visits] - self._ends[epoch * self.visits]

    def first_sequences(self, most: int | None) -> int:
        """How many examples the first epoch has, at most so many; no more of it is planned than that takes."""
        if most is None:
            return self.epoch_sequences(0)
        while self._ends[-1] < most and len(self._ends) <= self.visits:
            self._grow(visits=len(self._ends))
        return min(most, self._ends[min(self.visits, len(self._ends) - 1)])

    def visit_sizes(self, sequences: int) -> list[int]:
        """How many examples, or rows, each visit has that so many reach into: for `know`, in a later process."""
        self._grow(sequences=sequences)
        reached = bisect_left(self._ends, sequences)
        if self.row_tokens is None:  # after all passes the same sizes come again
            reached = min(reached, self.visits * self.passes)
        return [end - begin for begin, end in pairwise(self._ends[: reached + 1])]

    def know(self, sizes: Iterable[int]) -> None:
        """Take up what `visit_sizes` told of the same stream. Each visit that is read is compared with it."""
        self._ends = [0, *accumulate(sizes)]

    def _pass(self, epoch: int) -> int:
        return epoch % self.passes

    def _order(self, epoch: int, visit: int) -> "_Order":
        """The order in which a visit's examples are shown; new in each epoch even if they are not."""
        address = (epoch, visit)
        if address not in self._orders:
            draws, plan = generator(self.seed, "shuffle", epoch, visit), self.plan(epoch, visit)
            if self.row_tokens is None:
                order = _Order(draws.permutation(len(plan[0])), None)
            else:
                lengths = self.layout.lengths(plan, self._visits.bounds(self._pass(epoch), visit))
                order = _Order(*pack(lengths, self.row_tokens, draws))
            remember(self._orders, address, order)
        return self._orders[address]

    def _grow(self, *, visits: int = 0, sequences: int = 0) -> None:
        """Know the ends of that many visits, and of as many as hold that many examples."""
        repeats = self.visits * self.passes
        while (number := len(self._ends) - 1) < visits or self._ends[-1] < sequences:
            address = divmod(number, self.visits)
            if self.row_tokens is not None:
                size = self._order(*address).units
            elif number >= repeats:
                size = self._ends[number - repeats + 1] - self._ends[number - repeats]
            else:
                size = len(self.plan(*address)[0])
            self._ends.append(self._ends[-1] + size)

    def _stretches(self, step: int, batch: int) -> list[_Stretch]:
        """Where the examples or rows of a step lie; a step may reach over visits and epochs."""
        if step < 0 or batch < 1:
            raise ValueError(f"no step {step} of {batch} sequences")
        first, end = step * batch, (step + 1) * batch
        self._grow(sequences=end)
        found: list[_Stretch] = []
        while first < end:
            number = bisect_right(self._ends, first) - 1
            begin, behind = self._ends[number], self._ends[number + 1]
            epoch, visit = divmod(number, self.visits)
            if self._order(epoch, visit).units != behind - begin:  # what another version told
                self._ends = [0]
                return self._stretches(step, batch)
            found.append(_Stretch(epoch, visit, first - begin, min(end, behind) - begin))
            first = min(end, behind)
        return found


class _Order(NamedTuple):
    """The order in which a visit's examples are shown, and where packed rows of them begin and end."""

    examples: Integers
    rows: Integers | None

    @property
    def units(self) -> int:
        """How many rows, or examples."""
        return len(self.examples) if self.rows is None else len(self.rows) - 1

    def of(self, first: int, end: int) -> Integers:
        """The examples of these units."""
        return self.examples[first:end] if self.rows is None else self.examples[self.rows[first] : self.rows[end]]
