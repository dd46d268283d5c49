"""The gradient of a step: that of all its micro-batches joined, on however many processes.

Each micro-batch adds its sums divided by the counts of the whole step, so how a step is divided changes nothing but the
order of sums.
"""

import math
from collections.abc import Iterable, Mapping
from functools import partial

import torch

from maskwright.layers.dropout import DropoutStream
from maskwright.training.buckets import Buckets
from maskwright.training.evaluation import Window
from maskwright.training.finite import BEFORE, NotFiniteError, blame
from maskwright.training.optimizers import Optimizer
from maskwright.training.passes import AsWritten, Pass, Sums
from maskwright.training.ranks import ALONE, Ranks, Tree
from maskwright.training.signals import Stop
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Joined, Share, Work


def gradients(
    work: Work,
    optimizer: Optimizer,
    share: Share,
    config: TrainingConfig,
    step: int,
    stop: Stop,
    ranks: Ranks = ALONE,
    one_pass: Pass | None = None,
    buckets: Buckets | None = None,
) -> tuple[Window, int, float]:
    """Leave the clipped gradient of the joined micro-batches in `optimizer.flat.gradient`.

    Their sums, their tokens, and the gradient's norm: of the whole step, of which this process computes its share.

    buckets   sum the gradient over the ranks while it is computed; None: it is summed in the end
    """
    of_batches, tokens = counted(work, share, ranks)
    counts = {name: count or 1 for name, count in joined(of_batches.values()).items()}
    flat, device = optimizer.flat, optimizer.flat.master.device
    one_pass = one_pass or AsWritten(work, device)
    ready = share.ready or share.readied(one_pass.ready).ready
    summed: dict[int, Sums] = {}

    def stream(place: int) -> DropoutStream:
        return DropoutStream(config.seed, "dropout", step, place, device=device)

    if isinstance(work, Joined):
        work.look_over([ready.get(place, batch) for place, batch in share.made.items()], stream)
    tree = Tree() if len(share.groups) > 1 else None
    for group in share.groups:
        if not group:
            flat.gradient.zero_()
            if buckets is not None:
                buckets.begin(first=False)
        for place in group:
            if ranks.size == 1:
                stop.hurry()
            first, last = place == group.start, place == group[-1]
            if buckets is not None and last:
                buckets.begin(first=first)
            summed[place] = one_pass(ready[place], partial(stream, place), counts)
            if buckets is None or not last:
                flat.collect(first=first)
        if tree is not None:
            tree.add(flat.gradient)
    if tree is not None:
        tree.finish(flat.gradient)
    if buckets is not None:
        buckets.finish()  # before anything else is exchanged: on another rank all of them may have begun by now
    else:
        flat.sum_gradient(ranks, as_tree=config.groups is not None)
    length = flat.length()  # begun before the losses are asked for: a GPU is waited for once
    sums, found = Window(), brought(summed)
    names = [(place, name) for place, its in of_batches.items() for name in its]
    told = iter(ranks.sum_numbers([number for at in names for number in found.get(at, (0.0, 0.0))], device))
    for place, name in names:
        loss, correct = next(told), next(told)
        if not math.isfinite(loss):
            raise NotFiniteError(f"step {step + 1}: the loss of {name} is {loss}; {BEFORE}")
        sums.add(name, loss, of_batches[place][name], correct)
    norm = float(length)
    flat.shorten(norm, config.clip)
    if not math.isfinite(norm):
        raise NotFiniteError(blame(work, share.own, config.seed, step, ranks))
    return sums, tokens, norm


def counted(work: Work, share: Share, ranks: Ranks) -> tuple[dict[int, Mapping[str, float]], int]:
    """Predictions of each micro-batch of the step, by its place and by objective; and the tokens of all."""
    own = share.own
    counts = {place: work.counts(batch) for place, batch in own.items()}
    told = ranks.gather((counts, sum(batch.num_tokens for batch in own.values())))
    of_all = {place: its for counts, _ in told for place, its in counts.items()}
    return dict(sorted(of_all.items())), sum(tokens for _, tokens in told)


def joined(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The counts of a step from those of its micro-batches.

    >>> joined([{"mlm": 3, "nsp": 1}, {"mlm": 4, "nsp": 0}])
    {'mlm': 7, 'nsp': 1}
    """
    whole: dict[str, float] = {}
    for of_batch in counts:
        for name, count in of_batch.items():
            whole[name] = whole.get(name, 0) + count
    return whole


def brought(summed: Mapping[int, Sums]) -> dict[tuple[int, str], tuple[float, float]]:
    """Loss and hits by micro-batch and objective, from the device in one piece: it is waited for once a step."""
    names = [(place, name) for place, its in summed.items() for name in its]
    if not names:
        return {}
    rows: list[list[float]] = torch.stack([summed[place][name] for place, name in names]).tolist()
    return {name: (loss, correct) for name, (loss, correct) in zip(names, rows, strict=True)}
