"""Sums over predictions, and what they say: of the steps since the last logged one, and of held-out documents."""

from collections.abc import Mapping
from itertools import chain, islice, zip_longest
from typing import Any

import torch

from maskwright.batch import Batch, cut
from maskwright.objectives.tally import Tally
from maskwright.training.memory import let_go, ran_out
from maskwright.training.metrics import HeldOut
from maskwright.training.optimizers import Optimizer
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.signals import Stop
from maskwright.training.work import Carries, Joined, Work, judge_of


class Window:
    """Sums since the last logged step; saved with a checkpoint, so that a restart changes no logged line."""

    def __init__(self, sums: dict[str, list[float]] | None = None) -> None:
        self.sums = sums or {}

    def add(self, name: str, loss_sum: float, count: float, correct: float) -> None:
        """Take in one tally."""
        before = self.sums.get(name, [0.0, 0, 0])
        self.sums[name] = [before[0] + loss_sum, before[1] + count, before[2] + correct]

    def join(self, other: "Window") -> None:
        """Take in all of another."""
        for name, (loss_sum, count, correct) in other.sums.items():
            self.add(name, loss_sum, count, correct)

    def means(self) -> HeldOut:
        """Mean loss and accuracy by objective; the total is the sum of the means, as in the gradient."""
        means = {name: (loss / (n or 1), correct / (n or 1)) for name, (loss, n, correct) in self.sums.items()}
        losses = {name: loss for name, (loss, _) in means.items()}
        return HeldOut(sum(losses.values()), losses, {name: accuracy for name, (_, accuracy) in means.items()})


def totals(tallies: Mapping[str, Tally]) -> dict[str, tuple[float, float, float]]:
    """(loss sum, count, hits) by objective as Python numbers, brought from the device in one piece."""
    sums = torch.stack(
        [part.detach().double() for tally in tallies.values() for part in (tally.loss_sum, tally.correct)]
    )
    numbers = iter(sums.tolist())
    return {name: (next(numbers), tally.count, next(numbers)) for name, tally in tallies.items()}


@torch.no_grad()
def evaluate(work: Work, optimizer: Optimizer, stop: Stop | None = None, ranks: Ranks = ALONE) -> HeldOut | None:
    """Mean loss and accuracy on the held-out documents, without dropout and in full precision. Changes nothing.

    None where there is nothing to evaluate on. Each rank looks at some batches, and all add up the same. Where all must
    compute as many (`FullySharded`, in the precision of training), one that has none left looks at another's in vain.
    """
    found: list[dict[str, tuple[float, float, float]]] = []
    flat, device = optimizer.flat, optimizer.flat.master.device
    with flat.full_precision():
        if (judge := judge_of(work)) is not None:
            return judge.judged()
        batches = work.held_out()
        while turn := list(islice(batches, ranks.size)):
            if stop is not None and ranks.size == 1:
                stop.hurry()
            if ranks.rank < len(turn):
                found.append(_looked_at(work, turn[ranks.rank], device, in_halves=not flat.together))
            elif flat.together:
                _looked_at(work, turn[0], device, in_halves=False)
    sums = Window()
    for of_batch in chain.from_iterable(zip_longest(*ranks.gather(found), fillvalue={})):
        for name, total in of_batch.items():
            sums.add(name, *total)
    return sums.means() if sums.sums else None


def _looked_at(
    work: Work, batch: Batch, device: torch.device, *, in_halves: bool = True
) -> dict[str, tuple[float, float, float]]:
    """The sums of a batch; of halves of it, and halves of these, where there is no memory for the whole."""
    try:
        return totals(work.tallies(batch.to(device), None))
    except (RuntimeError, MemoryError) as error:
        whole = isinstance(work, Carries | Joined)  # of what belongs together no half is the same
        if not ran_out(error) or whole or batch.num_sequences < 2 or not in_halves:
            raise
    let_go()
    first, second = (_looked_at(work, half, device) for half in cut(batch, -(-batch.num_sequences // 2)))
    joined: dict[str, tuple[float, float, float]] = {}
    for name, (loss, count, correct) in first.items():
        of_second = second[name]
        joined[name] = loss + of_second[0], count + of_second[1], correct + of_second[2]
    return joined


def told(means: HeldOut, held_out: HeldOut | None, speed: float) -> str:
    """The note behind the bar."""
    parts: list[Any] = [f"{name} {loss:.2f}" for name, loss in means.losses.items()]
    if held_out:
        parts += [f"held out {name} {loss:.2f} {held_out.accuracy[name]:.1%}" for name, loss in held_out.losses.items()]
        parts += [f"{name} {value:.3f}" for name, value in list((held_out.measures or {}).items())[:1]]
    return " · ".join([*parts, f"{speed / 1000:.1f} k tokens/s"])
