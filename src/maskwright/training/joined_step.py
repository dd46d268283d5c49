"""A step whose examples are compared with each other, in micro-batches: the gradient is that of all of them joined.

Gao et al. 2021 (arXiv 2101.06983, section 3), "GradCache". First all micro-batches go through the network without a
graph, which leaves the vectors of all texts; the loss of the step and its gradient for each vector follow. Then each
micro-batch goes through once more, with a graph, and takes up the gradient of its own vectors. Dropout is drawn by
address, so both passes see the same. A step of one micro-batch is computed as it is, at two thirds of the price.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally
from maskwright.objectives.text_vectors import Compared, TextVectors
from maskwright.training.finetuning import TASK, Finetuning
from maskwright.training.work import Judge


class JoinedWork:
    """Network and data, as the loop takes them (`training.work.Work`, `training.work.Joined`)."""

    def __init__(
        self,
        network: Finetuning,
        batches: Callable[[int], Sequence[Batch]],
        held_out: Callable[[], Iterator[Batch]],
        judge: Judge | None = None,
    ) -> None:
        self.module, self.judge = network, judge
        self._batches, self.held_out, self.counts = batches, held_out, network.counts
        self._waiting: deque[tuple[Tensor, Compared]] = deque()

    def batches(self, step: int) -> Sequence[Batch]:
        """The micro-batches of a step."""
        return self._batches(step)

    def look_over(self, batches: Sequence[Batch], stream: Callable[[int], DropoutStream]) -> None:
        """Compare all pairs of a step, before the turn of its micro-batches.

        stream   the dropout of a micro-batch, by its place
        """
        self._waiting.clear()
        if len(batches) < 2:
            return
        device = self.module.device
        with torch.no_grad():
            made = [self.module.scores(batch.to(device), stream(place)) for place, batch in enumerate(batches)]
        labels = [batch.labels for batch in batches if batch.labels is not None]
        vectors = torch.cat(made).requires_grad_()
        found = _head(self.module).compare(vectors, torch.cat(labels).to(device))
        (gradient,) = torch.autograd.grad(found.losses.sum(), vectors)
        pairs = [len(of_batch) for of_batch in labels]
        parts = zip(found.losses.detach().split(pairs), found.correct.split(pairs), strict=True)
        of_vectors = gradient.split([len(of_batch) for of_batch in made])
        self._waiting.extend((part, Compared(*rest)) for part, rest in zip(of_vectors, parts, strict=True))

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """A micro-batch's share of its step's loss; that of its pairs alone where nothing was looked over."""
        if stream is None or not self._waiting:
            return self.module.tallies(batch, stream)
        gradient, found = self._waiting.popleft()
        carried = (self.module.scores(batch, stream) * gradient).sum()  # its gradient is the one of the joined step
        loss = carried + (found.losses.sum() - carried).detach()
        return {TASK: Tally(loss, len(found.losses), found.correct.sum())}


def _head(network: Finetuning) -> TextVectors:
    assert isinstance(network.head, TextVectors)
    return network.head
