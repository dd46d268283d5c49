"""All parameters of a network as one row: a float32 master, a working copy, a gradient.

The network reads the working copy, whose type sets the precision of the arithmetic; the optimizer
moves the master. So there is one conversion of all weights a step, where autocast converts each weight
at each use (140 of 1,010 ms at 12 x 768), and clipping, the check for finite numbers and AdamW each are
one operation. In float32 the working copy is the master itself. Ranks may share the master, see `shards`.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskwright.errors import MaskwrightError
from maskwright.training.ranks import Ranks
from maskwright.training.shards import Saved, Shards, stretch_norms, taken


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

    places             where each parameter lies in the row
    gradient           (P,) float32; `gradient_of[name]` are views of it
    master             float32, this rank's piece; `master_of[name]` are views of it, flat where a parameter is cut
    working            (P,) `dtype`, what the module's parameters are views of
    """

    def __init__(
        self, module: nn.Module, groups: Sequence[Sequence[str]], dtype: torch.dtype, shards: Shards | None = None
    ) -> None:
        self.module = module
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        names = [name for group in groups for name in group]
        if sorted(names) != sorted(self._parameters):
            raise ValueError("the groups must hold every trainable parameter once")
        self._frozen = {name: p.detach().clone() for name, p in module.named_parameters() if not p.requires_grad}
        device = next(module.parameters()).device
        self.places, self.ranges = _laid_out(self._parameters, groups)
        total = self.ranges[-1].stop
        self.shards = shards or Shards([slice(0, total)])
        own = self.shards.own
        precise = torch.float64 if dtype == torch.float64 else torch.float32
        self.gradient = torch.zeros(total, dtype=precise, device=device)
        self.working = torch.empty(total, dtype=dtype, device=device)
        if dtype != precise:
            self.master = torch.empty(own.stop - own.start, dtype=precise, device=device)
        else:
            self.master = self.working if self.shards.whole else self.working[own]
        self.master_of: dict[str, Tensor] = {}
        self.gradient_of: dict[str, Tensor] = {}
        self._working_of: dict[str, Tensor] = {}
        for name in names:
            place, values = self.places[name], self._parameters[name].detach()
            self.gradient_of[name] = self.gradient[place].view(values.shape)
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
        for name, parameter in self._parameters.items():
            parameter.grad = None
            parameter.data = views[name]
        for name, parameter in self.module.named_parameters():
            if name in self._frozen:
                parameter.data = self._frozen[name].to(dtype)

    def publish(self) -> None:
        """Bring the working copy up to the master, of all ranks."""
        if self.working.dtype != self.master.dtype:
            self.working[self.shards.own].copy_(self.master)
        if not self.shards.whole:
            self.shards.ranks.tell_pieces(self.working, self.shards.pieces)

    def collect(self, *, first: bool) -> None:
        """Move the gradients of one backward pass into `gradient`: in place of what is there, or onto it."""
        there = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        targets, found = [self.gradient_of[name] for name in there], list(there.values())
        if first:
            torch.ops.aten._foreach_copy_(targets, found)  # on a GPU all of them in a few kernels
            for name in self._parameters.keys() - there.keys():
                self.gradient_of[name].zero_()
        else:
            torch.ops.aten._foreach_add_.List(targets, found)
        for parameter in self._parameters.values():
            parameter.grad = None

    def sum_gradient(self, ranks: Ranks, *, as_tree: bool) -> None:
        """Put the sum over all ranks in the place of each one's own: of the row, or of what this rank moves of it."""
        if self.shards.whole:
            ranks.sum_gradient(self.gradient, as_tree=as_tree)
        else:
            ranks.sum_pieces(self.gradient, self.shards.pieces, as_tree=as_tree)

    def clip(self, limit: float | None) -> Tensor:
        """The gradient's norm; if it is finite and above `limit`, the gradient is scaled down to it."""
        norms = stretch_norms(self.gradient) if self.shards.whole else self.shards.norms(self.gradient)
        norm = torch.linalg.vector_norm(norms, dtype=torch.float64)
        if limit is not None and limit < float(norm) < float("inf"):
            self.gradient[self.shards.own].mul_(limit / float(norm))
        return norm

    @contextmanager
    def full_precision(self) -> Generator[None, None, None]:
        """Let the network read the master for a while: for evaluation, and for saving.

        Ranks that share it do so together, and make it whole where the gradient was, of which nothing is needed then.
        """
        working, before = self.working.dtype, self._precise_of
        if before is None:
            self.gradient[self.shards.own].copy_(self.master)
            self.shards.ranks.tell_pieces(self.gradient, self.shards.pieces)
            self._precise_of = self.gradient_of
        assert self._precise_of is not None
        self._point_to(self._precise_of, self.master.dtype)
        try:
            yield
        finally:
            self._precise_of = before
            self._point_to(self._working_of, working)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter in full precision by name, fixed ones too; within `full_precision` where ranks share it."""
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
                shape = self.gradient_of[name].shape if place is not None else torch.Size([tensor.numel()])
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
