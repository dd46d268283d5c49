"""A network judged by the examples put aside: its loss and its measures from one pass over them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.objectives.tally import Tally
from maskwright.tasks.data import SplitData
from maskwright.tasks.thresholds import settled
from maskwright.training.adapted import Adapted
from maskwright.training.best import Best, StoppingConfig
from maskwright.training.evaluation import Window, totals
from maskwright.training.finetuning import Finetuning
from maskwright.training.metrics import HeldOut


class Overheard:
    """A network that answers while its losses are summed."""

    def __init__(self, network: Finetuning | Adapted) -> None:
        self.network, self.sums = network, Window()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.device

    def scores(self, batch: Batch) -> Tensor:
        """What its head makes of a batch."""
        found = self.network.scores(batch)
        if batch.labels is not None:
            self.add(self.network.tallied(found, batch))
        return found

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """See `Scorer.best`."""
        return self.network.best(scores, batch)

    def add(self, tallies: Mapping[str, Tally]) -> None:
        """Take in the losses of a batch."""
        for name, total in totals(tallies).items():
            self.sums.add(name, *total)


class Seen(NamedTuple):
    """What a network was found to be worth, the answers that this is of, and the task with what was chosen by them."""

    worth: HeldOut
    answers: Sequence[Any]
    part: TaskPart


class DevJudge:
    """Judges a network by the examples put aside; see `training.work.Judge`."""

    def __init__(
        self,
        network: Finetuning | Adapted,
        dev: SplitData,
        chief_first: Callable[[Mapping[str, float]], Mapping[str, float]],
        stopping: StoppingConfig,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """chief_first   puts the measure in front that decides
        ready         is done before each look
        """
        self.network, self.dev, self.chief_first, self.ready = network, dev, chief_first, ready
        self.best = Best(stopping)

    def judged(self) -> HeldOut:
        """See `Judge.judged`."""
        return self.seen().worth

    @torch.no_grad()
    def seen(self) -> Seen:
        """Loss, accuracy and measures, and what they are of."""
        self.ready()
        heard = Overheard(self.network)
        answers = self.dev.answers(heard)
        if not heard.sums.sums:  # what is answered has other batches than what is learned from: pairs of texts
            for batch in self.dev.batches():
                heard.add(self.network.tallies(batch.to(heard.device)))
        part, answers = settled(self.dev, answers)
        measures = self.chief_first(self.dev.measures(answers))
        return Seen(heard.sums.means()._replace(measures=measures), answers, part)
