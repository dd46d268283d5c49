"""The optimizer shared among the ranks of a run: each moves a piece of the weights, and keeps what that takes.

    gradient        whole on every rank while micro-batches add to it; its sum then lies in pieces
    master, state   each rank's own piece
    working copy    whole on every rank, as the network computes with it: each tells the others its piece

That is stage 1 of ZeRO (Rajbhandari et al. 2020, 1910.02054): of 18 bytes a parameter in bf16, 12 are divided by the
number of ranks, and no more bytes go from rank to rank than without. A piece is a stretch of the flat row. Where
numbers are moved one by one it may end almost anywhere; where a matrix is moved as one, before it or behind it.
"""

from bisect import bisect_right
from collections.abc import Sequence

import torch
from torch import Tensor

from maskwright.training.ranks import ALONE, Ranks

GRAIN = 64
"""Numbers that stay together: as many as a processor takes at once, so that each is rounded as in an uncut row."""
WIDTH = 1024
"""Numbers whose squares are added up in float32."""


class Shards:
    """Which rank keeps which stretch of a row.

    pieces   in the order of the ranks, one after the other; a single one is the whole row
    own      this rank's
    """

    def __init__(self, pieces: Sequence[slice], ranks: Ranks = ALONE) -> None:
        self.pieces, self.ranks = pieces, ranks
        self.own = pieces[ranks.rank]

    @property
    def whole(self) -> bool:
        """Whether there is one piece only."""
        return len(self.pieces) == 1

    def stretch(self, where: slice) -> slice | None:
        """What of `where` is this rank's, counted from where it begins; None for nothing.

        >>> Shards([slice(0, 6), slice(6, 10)], Ranks(1, 2)).stretch(slice(4, 9))
        slice(2, 5, None)
        """
        start, stop = max(where.start, self.own.start), min(where.stop, self.own.stop)
        return slice(start - where.start, stop - where.start) if start < stop else None

    def norms(self, row: Tensor) -> Tensor:
        """`stretch_norms` of a row of which each rank has its own piece: on every rank all of them.

        A stretch that lies on several ranks is computed by the first of them, whom the others tell what they have of
        it; so it is added up in the same order as in a row that is whole.
        """
        rank, total = self.ranks.rank, row.numel()
        heads = row.new_zeros(len(self.pieces), WIDTH)
        begun = [row[piece][:WIDTH] for piece in self.pieces]
        heads[rank, : len(begun[rank])] = begun[rank]
        self.ranks.add_up(heads)  # exact: all but one have 0
        for other in range(rank + 1, len(self.pieces)):
            begun[other].copy_(heads[other, : len(begun[other])])
        found = row.new_zeros(total // WIDTH + 1)
        first, end = -(-self.own.start // WIDTH), -(-self.own.stop // WIDTH)
        if first < end:
            ours = stretch_norms(row[first * WIDTH : min(end * WIDTH, total)])
            found[first : first + len(ours)] = ours
        self.ranks.add_up(found)
        return found


def stretch_norms(row: Tensor) -> Tensor:
    """The Euclidean norms of stretches of WIDTH numbers, and of what is left: (P // WIDTH + 1,)."""
    count = row.numel() // WIDTH
    whole = count * WIDTH
    stretches = torch.linalg.vector_norm(row[:whole].view(count, WIDTH), dim=1)
    return torch.cat([stretches, torch.linalg.vector_norm(row[whole:])[None]])


def pieces(cuts: Sequence[range], count: int) -> list[slice]:
    """A row in so many stretches, as equal as the places where it may be cut allow.

    cuts   the row, as ranges that follow one another: each may be cut at its members

    >>> pieces([range(0, 80, 64), range(80, 200, 120)], 2)
    [slice(0, 80, None), slice(80, 200, None)]
    """
    total = cuts[-1].stop
    starts = [part.start for part in cuts]
    ends = [0]
    for number in range(1, count):
        wanted = total * number // count
        part = cuts[bisect_right(starts, wanted) - 1]
        before = part[(wanted - part.start) // part.step]
        after = min(before + part.step, part.stop)
        ends.append(before if wanted - before <= after - wanted else after)
    return [slice(*pair) for pair in zip(ends, [*ends[1:], total], strict=True)]


class Cut:
    """A saved tensor that lies in stretches of its flat row, one after the other, which may be cut themselves."""

    def __init__(self, stretches: "Sequence[Saved]") -> None:
        self._stretches = stretches

    def numel(self) -> int:
        """Its numbers."""
        return sum(stretch.numel() for stretch in self._stretches)

    def taken(self, where: slice) -> Tensor:
        """Some of its row."""
        found: list[Tensor] = []
        start = 0
        for stretch in self._stretches:
            inside = slice(max(where.start - start, 0), max(where.stop - start, 0))
            found.append(stretch.taken(inside) if isinstance(stretch, Cut) else stretch.reshape(-1)[inside])
            start += stretch.numel()
        return torch.cat(found)


Saved = Tensor | Cut
"""What a checkpoint has of a tensor."""


def joined(files: Sequence[dict[str, Tensor]]) -> dict[str, Saved]:
    """The tensors of a checkpoint from the files of its ranks, in their order; nothing is read yet.

    A number that all ranks count alike is the first's.
    """
    found: dict[str, list[Tensor]] = {}
    for tensors in files:
        for name, tensor in tensors.items():
            found.setdefault(name, []).append(tensor)
    return {name: each[0] if len(each) == 1 or each[0].ndim == 0 else Cut(each) for name, each in found.items()}


def taken(saved: Saved, where: slice, shape: torch.Size) -> Tensor:
    """The stretch `where` of a saved tensor; in its shape where it is all of it.

    shape   that it should have; one that has another number of numbers is given as it is, for its reader to refuse
    """
    if saved.numel() != shape.numel():
        return saved if isinstance(saved, Tensor) else saved.taken(slice(0, saved.numel()))
    if isinstance(saved, Tensor) and where.stop - where.start == shape.numel():
        return saved.view(shape) if saved.ndim == 1 else saved  # a rank that has all of it saved it flat
    row = saved.taken(where) if isinstance(saved, Cut) else saved.reshape(-1)[where]
    return row.view(shape) if len(row) == shape.numel() else row
