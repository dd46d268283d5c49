"""A fine-tuned network with the names of its answers: what it says of examples of any shape."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, device

from maskwright.batch import Batch
from maskwright.checkpoints.task_folder import TaskFile
from maskwright.checkpoints.task_part import TaskPart
from maskwright.progress import Stage
from maskwright.tasks.data import Scorer, Shape, SplitData
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.shapes import names, shape
from maskwright.training.adapted import Adapted
from maskwright.training.finetuning import Finetuning


class Task(NamedTuple):
    """A fine-tuned model and what it answers.

    above   what stands above its encoder, where no class of `transformers` has it
    """

    part: TaskPart
    model: Finetuning | Adapted
    above: TaskFile | None = None

    def encoded(self, examples: Sequence[Any], inputs: Inputs, *, length: int) -> SplitData:
        """Examples of its shape as it reads them; its answers are `encoded(...).answers(model)`."""
        return shape_of(self.part).encoded(examples, inputs, self.part, length=length)


def shape_of(part: TaskPart) -> Shape:
    """The shape of task that asks this."""
    return next(made for name in names() if part.asks in (made := shape(name)).CHIEF)


class Watched:
    """A network that tells a stage how many sequences it has answered; for the rest it is the network."""

    def __init__(self, network: Scorer, stage: Stage) -> None:
        self._network, self._stage = network, stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    @property
    def device(self) -> device:
        """Where it computes."""
        return self._network.device

    def scores(self, batch: Batch) -> Tensor:
        """What its head makes of a batch."""
        found = self._network.scores(batch)
        self._stage.advance(batch.num_sequences)
        return found

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """What it answers for each word."""
        return self._network.best(scores, batch)
