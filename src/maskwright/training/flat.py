"""All parameters of a network as one row: a float32 master, a working copy, a gradient.

The network reads the working copy, whose type sets the precision of the arithmetic; the optimizer
moves the master. So there is one conversion of all weights a step, where autocast converts each weight
at each use (140 of 1,010 ms at 12 x 768), and clipping, the check for finite numbers and AdamW each are
one operation. In float32 the working copy is the master itself. Ranks may share the master, see `shards`.

On a CPU a step is limited by memory here, not by arithmetic. So what one backward pass alone found is not brought into
the row: the update reads it where it is, a stretch at a time that stays in the cache from its conversion to the
working copy.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskwright.errors import MaskwrightError
from maskwright.training.ranks import Ranks
from maskwright.training.shards import Saved, Shards, stretch_norms, taken

STRETCH = 1 << 20
"""Numbers at a time: 4 MB of each float32 row. Of fewer the calls cost more than the cache saves."""
HELD = 1 << 15
"""Numbers of the smallest gradient that stays where it is."""


class Part(NamedTuple):
    """A stretch of the master that is moved in one way.

    weights   with their gradient in place
    decay     pull towards zero, in units of the rate
    factor    what the rate is multiplied with
    place     which of all parts it is; a rank may have few of them
    """

    weights: Tensor
    decay: float
    factor: float = 1.0
    place: int = 0


class FlatParameters:
    """The trainable parameters of `module`, laid out in the order of `groups`.

    groups   lists of parameter names, together all trainable ones, each once; a group is contiguous
    dtype    of the working copy: float32, bfloat16, or float64 (then the master is float64 too)
    shards   which rank keeps which piece of the master; none: each keeps all of it

    parameters         by name, in the order of the network
    places             where each lies in the row, in its order
    gradient           (P,) float32; `gradient_of[name]` are views of it
    master             float32, this rank's piece; `master_of[name]` are views of it, flat where a parameter is cut
    working            (P,) `dtype`, what the module's parameters are views of
    """

    def __init__(
        self, module: nn.Module, groups: Sequence[Sequence[str]], dtype: torch.dtype, shards: Shards | None = None
    ) -> None:
        self.module = module
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        names = [name for group in groups for name in group]
        if sorted(names) != sorted(self.parameters):
            raise ValueError("the groups must hold every trainable parameter once")
        self._frozen = {name: p.detach().clone() for name, p in module.named_parameters() if not p.requires_grad}
        device = next(module.parameters()).device
        self.places, self.ranges = _laid_out(self.parameters, groups)
        total = self.ranges[-1].stop
        self.shards = shards or Shards([slice(0, total)])
        own = self.shards.own
        precise = torch.float64 if dtype == torch.float64 else torch.float32
        self._row = torch.empty(total, dtype=precise, device=device)
        self._held: dict[str, Tensor] = {}
        """By name, flat, in the order of the row: gradients that are not yet in it."""
        self._factor = 1.0
        """What these are still to be multiplied with."""
        self.working = torch.empty(total, dtype=dtype, device=device)
        if dtype != precise:
            self.master = torch.empty(own.stop - own.start, dtype=precise, device=device)
        else:
            self.master = self.working if self.shards.whole else self.working[own]
        self.master_of: dict[str, Tensor] = {}
        self._row_of: dict[str, Tensor] = {}
        self._working_of: dict[str, Tensor] = {}
        for name in names:
            place, values = self.places[name], self.parameters[name].detach()
            self._row_of[name] = self._row[place].view(values.shape)
            self._working_of[name] = self.working[place].view(values.shape)
            self._working_of[name].copy_(values.to(precise))  # on every rank: they begin alike
            if (stretch := self.shards.stretch(place)) is not None:
                start = place.start + stretch.start - own.start
                row = self.master[start : start + stretch.stop - stretch.start]
                self.master_of[name] = row.view(values.shape) if len(row) == values.numel() else row
                self.master_of[name].copy_(taken(values, stretch, values.shape))
        self._precise_of = self.master_of if self.shards.whole else self._working_of if dtype == precise else None
        self._point_to(self._working_of, dtype)

    def _point_to(self, views: dict[str, Tensor], dtype: torch.dtype) -> None:
        for name, parameter in self.parameters.items():
            parameter.grad = None
            parameter.data = views[name]
        for name, parameter in self.module.named_parameters():
            if name in self._frozen:
                parameter.data = self._frozen[name].to(dtype)

    together = False
    """Whether ranks have to compute the same number of passes, each time."""

    @property
    def row(self) -> "FlatParameters":
        """What the optimizer moves: this."""
        return self

    @property
    def sharers(self) -> Ranks:
        """The ranks that share the master."""
        return self.shards.ranks

    @property
    def gradient(self) -> Tensor:
        """(P,) float32: what was collected and clipped; what was spent is not in it."""
        self.settle()
        return self._row

    @property
    def gradient_of(self) -> Mapping[str, Tensor]:
        """Views of it by name."""
        self.settle()
        return self._row_of

    def publish(self) -> None:
        """Bring the working copy up to the master, of all ranks."""
        if self.working.dtype != self.master.dtype:
            self.working[self.shards.own].copy_(self.master)
        if not self.shards.whole:
            self.shards.ranks.tell_pieces(self.working, self.shards.pieces)

    def publish_stretch(self, stretch: slice) -> None:
        """The same of a stretch, of a row that is whole."""
        if self.working.dtype != self.master.dtype:
            self.working[stretch].copy_(self.master[stretch])

    def collect(self, *, first: bool) -> None:
        """Take up the gradients of one backward pass: in place of what is there, or onto it."""
        if first:
            found = {name: self.parameters[name].grad for name in self.places}
            on_cpu = self._row.device.type == "cpu"
            stay = {n: grad for n, grad in found.items() if on_cpu and grad is not None and grad.numel() >= HELD}
            self._held, self._factor = {name: grad.reshape(-1) for name, grad in stay.items()}, 1.0
            names = [name for name in self.parameters if name not in stay]
        else:
            self.settle()
            names = [*self.parameters]
        self.take_up(names, first=first)
        for parameter in self.parameters.values():
            parameter.grad = None

    def take_up(self, names: Sequence[str], *, first: bool) -> None:
        """The same of these alone, into the row."""
        there = {name: p.grad for name in names if (p := self.parameters[name]).grad is not None}
        if there:  # on a GPU all of them in a few kernels
            together = torch.ops.aten._foreach_copy_ if first else torch.ops.aten._foreach_add_.List
            together([self._row_of[name] for name in there], list(there.values()))
        for name in names:
            self.parameters[name].grad = None
            if first and name not in there:
                self._row_of[name].zero_()

    def settle(self) -> None:
        """Bring into the row what is held beside it: for whoever has views of it."""
        for name, held in self._held.items():
            row = self._row[self.places[name]].copy_(held)
            if self._factor != 1:
                row.mul_(self._factor)
        self._held = {}

    def stretches(self, where: slice) -> Iterator[tuple[slice, Tensor]]:
        """Of `where`, which cuts no parameter, stretch after stretch: where it lies, and its gradient in float32.

        Each gradient is there until the next is asked for.
        """
        scratch = self._row.new_empty(STRETCH) if self._held else self._row
        for run, held in self._runs(where):
            for start in range(run.start, run.stop, STRETCH):
                stretch = slice(start, min(start + STRETCH, run.stop))
                if held is None:
                    yield stretch, self._row[stretch]
                    continue
                gradient = scratch[: stretch.stop - start].copy_(held[start - run.start : stretch.stop - run.start])
                yield stretch, gradient if self._factor == 1 else gradient.mul_(self._factor)

    def _runs(self, where: slice) -> Iterator[tuple[slice, Tensor | None]]:
        """Of `where` what is in the row, and each gradient that is not."""
        start = where.start
        for name, held in self._held.items():
            place = self.places[name]
            if where.start <= place.start and place.stop <= where.stop:
                if start < place.start:
                    yield slice(start, place.start), None
                yield place, held
                start = place.stop
        if start < where.stop:
            yield slice(start, where.stop), None

    def spend(self) -> None:
        """Let go of the gradient, which has moved the weights."""
        self._held = {}

    def sum_gradient(self, ranks: Ranks, *, as_tree: bool) -> None:
        """Put the sum over all ranks in the place of each one's own: of the row, or of what this rank moves of it."""
        if ranks.size == 1:
            return
        if self.shards.whole:
            ranks.sum_gradient(self.gradient, as_tree=as_tree)
        else:
            ranks.sum_pieces(self.gradient, self.shards.pieces, as_tree=as_tree)

    def length(self) -> Tensor:
        """The gradient's norm, () float64, of all ranks that share it."""
        if not self.shards.whole:
            norms = self.shards.norms(self.gradient)
        elif self._held:
            norms = torch.cat([stretch_norms(gradient) for _, gradient in self.stretches(slice(0, len(self._row)))])
        else:
            norms = stretch_norms(self._row)
        return torch.linalg.vector_norm(norms, dtype=torch.float64)

    def shorten(self, norm: float, limit: float | None) -> None:
        """Scale a gradient of that length down to `limit`, if it is finite and above it."""
        if limit is not None and limit < norm < float("inf"):
            self._factor = limit / norm
            for run, held in self._runs(self.shards.own):
                if held is None:
                    self._row[run].mul_(self._factor)

    @contextmanager
    def full_precision(self) -> Generator[None, None, None]:
        """Let the network read the master for a while: for evaluation, and for saving.

        Ranks that share it do so together, and make it whole where the gradient was, of which nothing is needed then.
        """
        working, before = self.working.dtype, self._precise_of
        if before is None:
            self.gradient[self.shards.own].copy_(self.master)
            self.shards.ranks.tell_pieces(self._row, self.shards.pieces)
            self._precise_of = self._row_of
        assert self._precise_of is not None
        self._point_to(self._precise_of, self.master.dtype)
        try:
            yield
        finally:
            self._precise_of = before
            self._point_to(self._working_of, working)

    def gathered(self) -> AbstractContextManager[None]:
        """Have all parameters in full precision, on the first rank: for what a finished run leaves."""
        return self.full_precision()

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter in full precision by name, fixed ones too; within `gathered` where ranks share it."""
        assert self._precise_of is not None
        return {**self._precise_of, **self._frozen}

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs: all but those that the module calls `given`, which come from elsewhere again.

        Of what ranks share, this one's piece.
        """
        given: frozenset[str] = getattr(self.module, "given", frozenset[str]())
        return {name: tensor for name, tensor in {**self.master_of, **self._frozen}.items() if name not in given}

    def own(self, saved: Mapping[str, Saved]) -> dict[str, Tensor]:
        """Of the weights that any number of ranks saved, what `state()` is here."""
        found: dict[str, Tensor] = {}
        for name, tensor in saved.items():
            place = self.places.get(name)
            stretch = slice(0, tensor.numel()) if place is None else self.shards.stretch(place)
            if stretch is not None:
                shape = self._row_of[name].shape if place is not None else torch.Size([tensor.numel()])
                found[name] = taken(tensor, stretch, shape)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `state()` gave: the same names and shapes, or MaskwrightError and nothing is changed."""
        ours = self.state()
        self.shards.ranks.each(lambda: check_same(ours, tensors))
        for name, tensor in ours.items():
            tensor.copy_(tensors[name])
        for name, frozen in self._frozen.items():
            self.module.get_parameter(name).data.copy_(frozen)  # the network may read a copy of another type
        self.publish()


def _laid_out(
    parameters: Mapping[str, Tensor], groups: Sequence[Sequence[str]]
) -> tuple[dict[str, slice], list[slice]]:
    """Where each parameter lies, and each group."""
    places: dict[str, slice] = {}
    ranges: list[slice] = []
    start = 0
    for group in groups:
        first = start
        for name in group:
            places[name] = slice(start, start + parameters[name].numel())
            start = places[name].stop
        ranges.append(slice(first, start))
    return places, ranges


def check_same(ours: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """MaskwrightError unless `saved` has the names and shapes of `ours`: copying would fit what does not belong."""
    for name in sorted(ours.keys() | saved.keys()):
        here, there = (tuple(tensors[name].shape) if name in tensors else None for tensors in (ours, saved))
        if here != there:
            raise MaskwrightError(
                f"the checkpoint's {name} has the shape {there}, this run's {here}: another version of maskwright "
                "wrote it; go on with that one, or begin again in another folder"
            )


def long_norm(row: Tensor) -> Tensor:
    """The Euclidean norm of a long float32 row, (): float64, from the norms of short stretches.

    One float32 sum over 110 million squares is wrong by 1 to 2 %, since its last terms are below the sum's
    last bits; this takes no longer and is right to 1e-8.
    """
    return torch.linalg.vector_norm(stretch_norms(row), dtype=torch.float64)
