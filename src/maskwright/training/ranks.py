"""Several processes on one run: each computes some of a step's micro-batches, and all move the same weights.

    torchrun --nproc-per-node 2 -m maskwright pretrain bert --corpus corpora/en --out runs/bert

What a step trains on is arithmetic, so every rank knows all of it and nothing but sums goes from one to the other: the
gradient, and the losses of the log. Weights are not sent: from the same sums every rank makes the same update. (Ranks
that share the optimizer make each a piece of it, see `shards`.) Any number of ranks goes on from a checkpoint.

How floats are added decides their last bits. Without `training.groups` the ranks' gradients are summed as the library
likes best. With it a step's micro-batches are summed in so many groups, and the groups in pairs, and the pairs in
pairs: a tree that is the same whether 1, 2, 4 or so many ranks work on it, and so are the weights, bit for bit.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from maskwright.errors import BadInput, MaskwrightError
from maskwright.training.signs_of_life import SignsOfLife

AT_ONCE = 2**22
"""Numbers of a piece that are summed at once in a tree: each rank holds as many of every other."""

Told = TypeVar("Told")


class Ranks:
    """The processes of a run, and which of them this is.

    rank, size   from 0, and how many
    signs        of life, if they are to wait for a slow one, see `each`
    """

    def __init__(self, rank: int = 0, size: int = 1, signs: SignsOfLife | None = None) -> None:
        self.rank, self.size = rank, size
        self._signs = signs

    @property
    def first(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def mine(self, count: int, groups: int | None) -> list[range]:
        """The micro-batches of a step that this rank computes, group by group; none where there are too few.

        >>> Ranks(1, 2).mine(6, 4), Ranks(0, 1).mine(3, None)
        ([range(4, 5), range(5, 6)], [range(0, 3)])
        """
        share = (groups or self.size) // self.size
        own = range(self.rank * share, (self.rank + 1) * share)
        sizes = _sizes(count, groups or self.size)
        return [range(sum(sizes[:group]), sum(sizes[: group + 1])) for group in own]

    def check(self, groups: int | None, counts: Sequence[int]) -> None:
        """BadInput for groups that these ranks cannot share, or that are no tree of pairs, and for idle ranks.

        counts   micro-batches of a step, in this phase and in later ones if they are known
        """
        for place, count in enumerate(counts):
            phase = "second_phase" if 0 < place == len(counts) - 1 else "training"
            if count < self.size:
                raise BadInput(
                    f"{self.size} processes share the micro-batches of a step, and there are {count}: lower "
                    f"{phase}.micro_sequences, or raise {phase}.batch_sequences; of packed rows training.micro_tokens "
                    "and training.batch_tokens"
                )
        if groups is not None and groups & (groups - 1):
            raise BadInput(f"training.groups {groups} cannot be summed in pairs of pairs: take 1, 2, 4, 8 ...")
        if groups is not None and groups % self.size:
            raise BadInput(
                f"{self.size} processes cannot share training.groups {groups}: take 1, 2, 4 ... processes, up to so "
                "many, or more groups"
            )

    def uneven(self, groups: int | None, counts: Sequence[int]) -> str | None:
        """What to say where in such steps some processes have more to compute than others; None where all have as much.

        >>> Ranks(0, 3).uneven(None, [6, 5])
        '5 micro-batches of a step on 3 processes: some compute 2, others 1 and wait; a multiple of 3 would keep all \
busy (batch_sequences / micro_sequences)'
        """
        parts = groups or self.size
        share = parts // self.size
        for count in counts:
            sizes = _sizes(count, parts)
            each = [sum(sizes[first : first + share]) for first in range(0, parts, share)]
            if min(each) < max(each):
                return (
                    f"{count} micro-batches of a step on {self.size} processes: some compute {max(each)}, others "
                    f"{min(each)} and wait; a multiple of {parts} would keep all busy (batch_sequences / "
                    "micro_sequences)"
                )
        return None

    def sum_gradient(self, gradient: Tensor, *, as_tree: bool) -> None:
        """Put the sum over all ranks in the place of each one's own."""
        if self.size == 1:
            return
        total = gradient.numel()
        if not as_tree:
            self.wait_for(self.begin_sum(gradient, slice(0, total), [slice(0, total)]))
            return
        ends = [total * rank // self.size for rank in range(self.size + 1)]
        pieces = [slice(*pair) for pair in pairwise(ends)]  # each adds up one
        self.sum_pieces(gradient, pieces, as_tree=True)
        self.tell_pieces(gradient, pieces)

    def sum_pieces(self, row: Tensor, pieces: Sequence[slice], *, as_tree: bool) -> None:
        """Put the sum over all ranks into each one's own piece of the row; the rest of it is not to be used then."""
        if not as_tree:
            self.wait_for(self.begin_sum(row, slice(0, len(row)), pieces))
            return
        own = pieces[self.rank]
        for start in range(0, max(piece.stop - piece.start for piece in pieces), AT_ONCE):
            parts = [row[piece][start : start + AT_ONCE] for piece in pieces]
            mine = row[own][start : start + AT_ONCE]
            theirs = [torch.empty_like(mine) for _ in pieces]
            others = [rank for rank in range(self.size) if rank != self.rank]
            swaps = [dist.P2POp(dist.isend, parts[rank], rank) for rank in others if len(parts[rank])]
            swaps += [dist.P2POp(dist.irecv, theirs[rank], rank) for rank in others if len(mine)]
            self._together(lambda swaps=swaps: _wait_for(dist.batch_isend_irecv(swaps)))
            theirs[self.rank] = mine
            while len(theirs) > 1:  # in pairs, and pairs of pairs: as `Tree` goes on from each rank's groups
                theirs = [left + right for left, right in zip(theirs[::2], theirs[1::2], strict=True)]
            mine.copy_(theirs[0])

    def begin_sum(self, row: Tensor, where: slice, pieces: Sequence[slice]) -> list[Any]:
        """Begin to sum a stretch of the row over all ranks, each part of it to the rank whose piece it is in.

        pieces   one alone: all ranks need it

        What is to be given to `wait_for`; all ranks do so in the same order.
        """
        begun: list[Any] = []

        def exchange() -> None:
            if len(pieces) == 1:
                begun.append(dist.all_reduce(row[where], async_op=True))
                return
            for rank, piece in enumerate(pieces):
                start, stop = max(where.start, piece.start), min(where.stop, piece.stop)
                if start < stop:
                    begun.append(dist.reduce(row[start:stop], rank, async_op=True))

        self._together(exchange)
        return begun

    def wait_for(self, begun: Iterable[Any]) -> None:
        """Until these are done."""
        self._together(lambda: _wait_for(begun))

    def tell_pieces(self, row: Tensor, pieces: Sequence[slice]) -> None:
        """Make the row whole on every rank, from each one's own piece."""
        rooted = [(row[piece], rank) for rank, piece in enumerate(pieces) if piece.start < piece.stop]
        self._together(lambda: _wait_for(dist.broadcast(part, rank, async_op=True) for part, rank in rooted))

    def bring(self, part: Tensor, sizes: Sequence[int]) -> Tensor | None:
        """Every rank's part of a row, of these sizes, one after the other: on the first rank; on the others None."""
        others = [part.new_empty(size) for size in sizes[1:]] if self.first else []
        swaps = [dist.P2POp(dist.irecv, other, rank) for rank, other in enumerate(others, 1) if len(other)]
        if not self.first and len(part):
            swaps = [dist.P2POp(dist.isend, part, 0)]
        if swaps:
            self._together(lambda: _wait_for(dist.batch_isend_irecv(swaps)))
        return torch.cat([part, *others]) if self.first else None

    def add_up(self, row: Tensor) -> None:
        """Put the sum over all ranks in the place of each one's own, however it is added."""
        if self.size > 1:
            self._together(lambda: dist.all_reduce(row))

    def sum_numbers(self, numbers: Sequence[float], device: torch.device) -> list[float]:
        """The sums over all ranks, place by place. Exact where all but one rank have 0."""
        if self.size == 1:
            return list(numbers)
        row = torch.tensor(numbers, dtype=torch.float64, device=device)
        self._together(lambda: dist.all_reduce(row))
        return row.tolist()

    def gather(self, told: Any) -> list[Any]:
        """What each rank tells, in their order."""
        if self.size == 1:
            return [told]
        found: list[Any] = [None] * self.size
        self._together(lambda: dist.all_gather_object(found, told))
        return found

    def each(self, do: Callable[[], Told]) -> list[Told]:
        """What `do` comes to on each rank, in their order; what one refuses, all of them raise.

        It may take any time on some of them: a rank is given up when it has not said for `PATIENCE` that it is alive.
        """
        if self.size == 1:
            return [do()]
        come: Any = None
        refused: MaskwrightError | OSError | None = None
        with contextlib.nullcontext() if self._signs is None else self._signs.given():
            try:
                come = do()
            except (MaskwrightError, OSError) as error:
                refused = error
            if self._signs is not None:
                self._together(self._signs.await_all)
        found = self.gather((come, refused))
        for _, refused in found:
            if refused is not None:
                raise refused
        return [come for come, _ in found]

    @contextlib.contextmanager
    def noticing(self) -> Generator[None]:
        """Say in one line that another rank is lost, where the library found it out in an exchange of its own."""
        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, dist.DistError) and "gloo" not in str(error):
                raise
            raise self._lost(error) from error

    def _together(self, exchange: Any) -> None:
        try:
            exchange()
        except RuntimeError as error:
            raise self._lost(error) from error

    def _lost(self, error: RuntimeError) -> MaskwrightError:
        return MaskwrightError(
            f"rank {self.rank} lost another of the run's {self.size} processes ({str(error).splitlines()[0]}): go "
            "on from the last checkpoint by the same line; torchrun --max-restarts 3 does so by itself"
        )


def _sizes(count: int, groups: int) -> list[int]:
    """Micro-batches of each group."""
    return [count // groups + (group < count % groups) for group in range(groups)]


def _wait_for(works: Iterable[Any]) -> None:
    for work in list(works):  # all are begun before one is waited for
        work.wait()


class Tree:
    """The sum of rows that come one after the other: of pairs, of pairs of pairs, and so on."""

    def __init__(self) -> None:
        self._levels = list[tuple[int, Tensor]]()

    def add(self, row: Tensor) -> None:
        """Take in what stands in the row."""
        self._levels.append((0, row.clone()))
        while len(self._levels) > 1 and self._levels[-1][0] == self._levels[-2][0]:
            (level, left), (_, right) = self._levels[-2:]
            self._levels[-2:] = [(level + 1, left.add_(right))]

    def finish(self, row: Tensor) -> None:
        """Leave the sum of all in the row; they were a power of two."""
        ((_, whole),) = self._levels
        row.copy_(whole)


ALONE = Ranks()
