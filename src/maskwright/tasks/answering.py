"""A fine-tuned network with the names of its answers: what it says of examples of any shape."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.data import Shape, SplitData
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.shapes import names, shape
from maskwright.training.finetuning import Finetuning


class Task(NamedTuple):
    """A fine-tuned model and what it answers."""

    part: TaskPart
    model: Finetuning

    def encoded(self, examples: Sequence[Any], inputs: Inputs, *, length: int) -> SplitData:
        """Examples of its shape as it reads them; its answers are `encoded(...).answers(model)`."""
        return shape_of(self.part).encoded(examples, inputs, self.part, length=length)


def shape_of(part: TaskPart) -> Shape:
    """The shape of task that asks this."""
    return next(made for name in names() if part.asks in (made := shape(name)).CHIEF)
