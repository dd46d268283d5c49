"""Adagrad (Duchi et al., 2011), as TensorFlow 1's `AdagradOptimizer` has it, on one flat row.

    s += g²;  w -= rate (g / sqrt(s) + decay w)

s begins at a number above 0, which is what keeps the first steps short; there is no epsilon.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from maskwright.training.flat import Part, check_same


class Adagrad:
    """parts    stretches of weights, each moved in one way"""

    def __init__(self, parts: list[Part], *, rate: float, begin: float) -> None:
        self.parts, self.rate = parts, rate
        self.sums = [torch.full_like(part.weights, begin) for part in parts]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        for (weights, decay, own, _), total in zip(self.parts, self.sums, strict=True):
            rate, gradient = factor * self.rate * own, weights.grad
            assert gradient is not None
            total.addcmul_(gradient, gradient)
            weights.mul_(1 - rate * decay)
            weights.addcdiv_(gradient, total.sqrt(), value=-rate)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""
        return {f"{part.place}.sum": total for part, total in zip(self.parts, self.sums, strict=True)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        check_same(self.tensors(), tensors)
        for name, total in self.tensors().items():
            total.copy_(tensors[name])
