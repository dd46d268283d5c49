"""How a stretch of weights is moved: one class for each of the optimizers of `optimizers`, over parts of a flat row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from maskwright.training.flat import FlatParameters, Part, check_same, long_norm
from maskwright.training.ranks import ALONE, Ranks


class AdamNumbers(NamedTuple):
    """Peak rate, decays of the two means, and what is added to the root of the second."""

    rate: float
    beta1: float
    beta2: float
    epsilon: float


class Google:
    """Adam as google-research/bert has it, on one flat row.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  w -= rate (m / (sqrt(v) + epsilon) + decay w)
    """

    def __init__(self, parts: list[Part], numbers: AdamNumbers) -> None:
        self.parts = parts
        self.numbers = numbers
        self.state = [(torch.zeros_like(part.weights), torch.zeros_like(part.weights)) for part in parts]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        peak, beta1, beta2, epsilon = self.numbers
        for (weights, decay, own, _), (mean, square) in zip(self.parts, self.state, strict=True):
            rate, gradient = factor * peak * own, weights.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            weights.mul_(1 - rate * decay)
            weights.addcdiv_(mean, square.sqrt().add_(epsilon), value=-rate)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""
        return _moments(self.parts, self.state)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        _take_up(self.tensors(), tensors)


class Lamb:
    """Adam, the update of each matrix scaled to the matrix's own length, on one flat row.

    u = m / (sqrt(v) + epsilon) + decay w;  w -= rate |w| / |u| u, the ratio being 1 where one of the two is 0

    blocks      for each part the sizes of the matrices that it is made of; none: it is moved by Adam alone
    corrected   whether m and v are corrected for their start at 0
    sharers     the ranks among which each matrix is cut, of which a block is this one's piece
    """

    def __init__(
        self,
        parts: list[Part],
        blocks: list[list[int]],
        numbers: AdamNumbers,
        *,
        corrected: bool,
        sharers: Ranks = ALONE,
    ) -> None:
        self.parts, self.blocks, self.numbers, self.corrected, self.sharers = parts, blocks, numbers, corrected, sharers
        self.state = [(torch.zeros_like(part.weights), torch.zeros_like(part.weights)) for part in parts]
        self.steps = torch.zeros((), dtype=torch.int64)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        peak, beta1, beta2, epsilon = self.numbers
        self.steps += 1
        missing = [1 - beta ** int(self.steps) if self.corrected else 1.0 for beta in (beta1, beta2)]
        for (weights, decay, own, _), (mean, square), blocks in zip(self.parts, self.state, self.blocks, strict=True):
            rate, gradient = factor * peak * own, weights.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            update = (square / missing[1]).sqrt_().add_(epsilon).reciprocal_().mul_(mean).mul_(1 / missing[0])
            update.add_(weights, alpha=decay)
            if blocks:
                matrices = update.split(blocks)
                wanted, lengths = self._lengths(weights.split(blocks)), self._lengths(matrices)
                ratios = torch.where((wanted > 0) & (lengths > 0), wanted / lengths, 1.0)
                for matrix, ratio in zip(matrices, ratios.unbind(), strict=True):
                    matrix.mul_(ratio)
            weights.sub_(update, alpha=rate)

    def _lengths(self, blocks: Sequence[Tensor]) -> Tensor:
        own = norms(blocks)
        if self.sharers.size == 1:
            return own
        squares = own.square()
        self.sharers.add_up(squares)
        return squares.sqrt()

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""
        return {"steps": self.steps, **_moments(self.parts, self.state)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        _take_up(self.tensors(), tensors)


def norms(matrices: Sequence[Tensor]) -> Tensor:
    """Their Euclidean norms, (K,) float64. A GPU makes them in few kernels, and nobody waits for them."""
    if matrices[0].is_cuda:
        return torch.stack(torch.ops.aten._foreach_norm.Scalar(list(matrices), 2, torch.float64))
    return torch.stack([long_norm(matrix) for matrix in matrices])


class AdamW:
    """Torch's own AdamW (`torch.optim.AdamW(fused=True)`), of whole parts or of a stretch at a time.

    places   where each part lies in the row
    """

    def __init__(self, parts: list[Part], places: Sequence[slice], numbers: AdamNumbers) -> None:
        self.parts, self.places, self.numbers = parts, places, numbers
        self.state = [(torch.zeros_like(part.weights), torch.zeros_like(part.weights)) for part in parts]
        self.steps = [torch.zeros((), device=part.weights.device) for part in parts]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        for number, part in enumerate(self.parts):
            self.steps[number] += 1
            assert part.weights.grad is not None
            self._move(factor, number, slice(None), part.weights.grad)

    @torch.no_grad()
    def step_in(self, flat: FlatParameters, factor: float) -> None:
        """The same of a row that is whole, which it publishes: a stretch at a time, that stays in the cache."""
        for number, place in enumerate(self.places):
            self.steps[number] += 1
            for stretch, gradient in flat.stretches(place):
                inside = slice(stretch.start - place.start, stretch.stop - place.start)
                self._move(factor, number, inside, gradient)
                flat.publish_stretch(stretch)
        flat.spend()

    def _move(self, factor: float, number: int, stretch: slice, gradient: Tensor) -> None:
        peak, beta1, beta2, epsilon = self.numbers
        weights, decay, own, _ = self.parts[number]
        mean, square = self.state[number]
        torch.ops.aten._fused_adamw_(
            [weights[stretch]],
            [gradient],
            [mean[stretch]],
            [square[stretch]],
            [],
            [self.steps[number]],
            lr=factor * peak * own,
            beta1=beta1,
            beta2=beta2,
            weight_decay=decay,
            eps=epsilon,
            amsgrad=False,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, as torch's optimizer has it."""
        found = zip(self.parts, self.steps, self.state, strict=True)
        names = ("step", "exp_avg", "exp_avg_sq")
        return {
            f"{part.place}.{name}": tensor
            for part, steps, pair in found
            for name, tensor in zip(names, (steps, *pair), strict=True)
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        _take_up(self.tensors(), tensors)


def _moments(parts: list[Part], state: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    return {
        f"{part.place}.{name}": tensor
        for part, pair in zip(parts, state, strict=True)
        for name, tensor in zip(("mean", "square"), pair, strict=True)
    }


def _take_up(ours: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    check_same(ours, saved)
    for name, tensor in ours.items():
        tensor.copy_(saved[name])
