"""Numbers that are none: found before they reach the weights, and traced to their objective."""

from collections.abc import Mapping

from maskwright.batch import Batch
from maskwright.errors import MaskwrightError
from maskwright.layers.dropout import DropoutStream
from maskwright.training.fully_sharded import own_part
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.work import Work


class NotFiniteError(MaskwrightError):
    """A loss or a gradient that is no number."""


WAY_OUT = "lower optimizer.rate, lengthen training.warmup_share, or look at the data with `maskwright show`"
BEFORE = f"the weights are those of the step before; {WAY_OUT}"


def blame(work: Work, batches: Mapping[int, Batch], seed: int, step: int, ranks: Ranks = ALONE) -> str:
    """Which objective's gradient is not finite: each is computed alone once more, on the same draws.

    batches   by their places in the step, of this rank
    ranks     those that do the same with theirs
    """
    names: list[str] = []
    device = next(work.module.parameters()).device
    of_rank = [*work.counts(next(iter(batches.values())))] if batches else []  # one may have nothing to do
    for name in dict.fromkeys(name for told in ranks.gather(of_rank) for name in told):
        for place, batch in batches.items():
            work.module.zero_grad()
            stream = DropoutStream(seed, "dropout", step, place, device=device)
            work.tallies(batch.to(device), stream)[name].loss_sum.backward()  # pyright: ignore[reportUnknownMemberType]
            grads = [own_part(p.grad) for p in work.module.parameters() if p.grad is not None]
            if not all(bool(grad.isfinite().all()) for grad in grads) and name not in names:
                names.append(name)
    work.module.zero_grad()
    names = list(dict.fromkeys(name for of_rank in ranks.gather(names) for name in of_rank))
    culprits = " and ".join(names) or "all objectives together"
    return f"step {step + 1}: the gradient of {culprits} is not finite; {BEFORE}"
