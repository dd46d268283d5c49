"""All parameters of a network as one row: a float32 master, a working copy, a gradient.

The network reads the working copy, whose type sets the precision of the arithmetic; the optimizer
moves the master. So there is one conversion of all weights a step, where autocast converts each weight
at each use (140 of 1,010 ms at 12 x 768), and clipping, the check for finite numbers and AdamW each are
one operation. In float32 the working copy is the master itself.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskwright.errors import MaskwrightError


class Part(NamedTuple):
    """A stretch of the master that is moved in one way.

    weights   with their gradient in place
    decay     pull towards zero, in units of the rate
    factor    what the rate is multiplied with
    """

    weights: Tensor
    decay: float
    factor: float = 1.0


class FlatParameters:
    """The trainable parameters of `module`, laid out in the order of `groups`.

    groups   lists of parameter names, together all trainable ones, each once; a group is contiguous
    dtype    of the working copy: float32, bfloat16, or float64 (then the master is float64 too)

    master, gradient   (P,) float32; `master_of[name]` and `gradient_of[name]` are views of them
    working            (P,) `dtype`, what the module's parameters are views of
    """

    def __init__(self, module: nn.Module, groups: Sequence[Sequence[str]], dtype: torch.dtype) -> None:
        self.module = module
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        names = [name for group in groups for name in group]
        if sorted(names) != sorted(self._parameters):
            raise ValueError("the groups must hold every trainable parameter once")
        self._frozen = {name: p.detach().clone() for name, p in module.named_parameters() if not p.requires_grad}
        device = next(module.parameters()).device
        total = sum(p.numel() for p in self._parameters.values())
        precise = torch.float64 if dtype == torch.float64 else torch.float32
        self.master = torch.empty(total, dtype=precise, device=device)
        self.gradient = torch.zeros(total, dtype=precise, device=device)
        self.working = self.master if dtype == precise else torch.empty(total, dtype=dtype, device=device)
        self.master_of: dict[str, Tensor] = {}
        self.gradient_of: dict[str, Tensor] = {}
        self._working_of: dict[str, Tensor] = {}
        self.ranges: list[slice] = []
        start = 0
        for group in groups:
            first = start
            for name in group:
                parameter = self._parameters[name]
                stop = start + parameter.numel()
                for views, row in (
                    (self.master_of, self.master),
                    (self.gradient_of, self.gradient),
                    (self._working_of, self.working),
                ):
                    views[name] = row[start:stop].view(parameter.shape)
                self.master_of[name].copy_(parameter.detach())
                start = stop
            self.ranges.append(slice(first, start))
        self._point_to(self._working_of, dtype)
        self.publish()

    def _point_to(self, views: dict[str, Tensor], dtype: torch.dtype) -> None:
        for name, parameter in self._parameters.items():
            parameter.grad = None
            parameter.data = views[name]
        for name, parameter in self.module.named_parameters():
            if name in self._frozen:
                parameter.data = self._frozen[name].to(dtype)

    def publish(self) -> None:
        """Bring the working copy up to the master."""
        if self.working is not self.master:
            self.working.copy_(self.master)

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

    def clip(self, limit: float | None) -> Tensor:
        """The gradient's norm; if it is finite and above `limit`, the gradient is scaled down to it."""
        norm = long_norm(self.gradient)
        if limit is not None and limit < float(norm) < float("inf"):
            self.gradient.mul_(limit / float(norm))
        return norm

    @contextmanager
    def full_precision(self) -> Generator[None, None, None]:
        """Let the network read the master for a while: for evaluation, and for saving."""
        working = self.working.dtype
        self._point_to(self.master_of, self.master.dtype)
        try:
            yield
        finally:
            self._point_to(self._working_of, working)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter in full precision by name, fixed ones too."""
        return {**self.master_of, **self._frozen}

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs: all but those that the module calls `given`, which come from elsewhere again."""
        given: frozenset[str] = getattr(self.module, "given", frozenset[str]())
        return {name: tensor for name, tensor in self.tensors().items() if name not in given}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `state()` gave: the same names and shapes, or MaskwrightError and nothing is changed."""
        ours = self.state()
        check_same(ours, tensors)
        for name, tensor in ours.items():
            tensor.copy_(tensors[name])
        for name, frozen in self._frozen.items():
            self.module.get_parameter(name).data.copy_(frozen)  # the network may read a copy of another type
        self.publish()


def check_same(ours: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    """MaskwrightError unless `saved` has the names and shapes of `ours`: copying would fit what does not belong."""
    for name in sorted(ours.keys() | saved.keys()):
        here, there = (tuple(tensors[name].shape) if name in tensors else None for tensors in (ours, saved))
        if here != there:
            raise MaskwrightError(
                f"the checkpoint's {name} has the shape {there}, this run's {here}: another version of maskwright "
                "wrote it; go on with that one, or begin again in another folder"
            )


def long_norm(row: Tensor, width: int = 1024) -> Tensor:
    """The Euclidean norm of a long float32 row, (): float64, from the norms of short stretches.

    One float32 sum over 110 million squares is wrong by 1 to 2 %, since its last terms are below the sum's
    last bits; this takes no longer and is right to 1e-8.
    """
    whole = row.numel() // width * width
    stretches = torch.linalg.vector_norm(row[:whole].view(-1, width), dim=1)
    rest = torch.linalg.vector_norm(row[whole:])
    return torch.linalg.vector_norm(torch.cat([stretches, rest[None]]), dtype=torch.float64)
