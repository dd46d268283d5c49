"""Muon (Jordan et al. 2024): the update of a matrix is its momentum made orthogonal, by products alone.

`torch.optim.Muon` takes one matrix after another. Here those of one shape are stacked, so that a step is a few products
of many matrices: a GPU is not left waiting between small ones, and a CPU is no slower.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from maskwright.training.flat import Part, check_same

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a X + b (X X') X + c (X X')² X: the steepest at 0 that stays near 1, see the authors' post."""
ITERATIONS = 5
TINY = 1e-7
"""The least norm that a matrix is divided by."""
AT_ONCE = 1 << 20
"""Numbers that are stacked, at most: 2 MB in half precision, which stay in the cache from product to product."""
AT_ONCE_ON_GPU = 1 << 24
"""The same on GPUs: some 200 MB of scratch. Matrices that large gain nothing from more."""


class Muon:
    """parts    matrices, each with its gradient in place; those of one shape that are moved alike go together"""

    def __init__(self, parts: Sequence[Part], *, rate: float, momentum: float) -> None:
        self.rate, self.momentum = rate, momentum
        self.stacks = list(_stacked(parts))
        self.state = [torch.zeros_like(torch.stack([part.weights for part in stack])) for stack in self.stacks]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        for stack, momentum in zip(self.stacks, self.state, strict=True):
            matrices = [part.weights for part in stack]
            update = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
            momentum.lerp_(update, 1 - self.momentum)
            update.lerp_(momentum, self.momentum)  # Nesterov's
            made = orthogonal(update).to(update.dtype)
            rate = factor * self.rate * stack[0].factor
            torch.ops.aten._foreach_mul_.Scalar(matrices, 1 - rate * stack[0].decay)
            length = rate * math.sqrt(max(1, made.shape[1] / made.shape[2]))
            torch.ops.aten._foreach_add_.List(matrices, made.unbind(), alpha=-length)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name: the momentum of each matrix, named by its place as torch's own optimizer does."""
        of = {
            part.place: own
            for stack, momentum in zip(self.stacks, self.state, strict=True)
            for part, own in zip(stack, momentum, strict=True)
        }
        return {f"{place}.momentum_buffer": of[place] for place in sorted(of)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        ours = self.tensors()
        check_same(ours, tensors)
        for name, tensor in ours.items():
            tensor.copy_(tensors[name])


def orthogonal(matrices: Tensor) -> Tensor:
    """(n, r, c) -> (n, r, c) bfloat16: each with its singular values brought near 1 (Newton and Schulz's iteration).

    As `torch.optim._muon._zeropower_via_newtonschulz` for each by itself.
    """
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=TINY)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _stacked(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Those of one shape that are moved alike, so many together as there is room for."""
    of: dict[tuple[torch.Size, float, float], list[Part]] = {}
    for part in parts:
        of.setdefault((part.weights.shape, part.decay, part.factor), []).append(part)
    for (shape, *_), alike in of.items():
        room = AT_ONCE if alike[0].weights.device.type == "cpu" else AT_ONCE_ON_GPU
        most = max(1, room // shape.numel())
        yield from (alike[start : start + most] for start in range(0, len(alike), most))
