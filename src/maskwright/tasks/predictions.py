"""What a fine-tuned model says of a text: a class, some classes, or a number, with probabilities."""

from typing import NamedTuple

from torch import Tensor

from maskwright.checkpoints.task_part import TaskPart


class Prediction(NamedTuple):
    """What a fine-tuned model says of a text.

    label    the likeliest class; all classes that are likelier than not; or a number
    shares   the probability of each class; empty for a number
    """

    label: str | tuple[str, ...] | float
    shares: dict[str, float]


def read(scores: Tensor, part: TaskPart) -> list[Prediction]:
    """(N, C) scores as answers.

    >>> import torch
    >>> read(torch.tensor([[0.0, 2.0]]), TaskPart("class", ("no", "yes")))[0].label
    'yes'
    >>> read(torch.tensor([[-3.0, 3.0, 1.0]]), TaskPart("classes", ("a", "b", "c")))[0].label
    ('b', 'c')
    """
    if part.asks == "number":
        return [Prediction(value, {}) for value in scores.squeeze(-1).tolist()]
    shares = scores.softmax(-1) if part.asks == "class" else scores.sigmoid()
    rows = [dict(zip(part.labels, row, strict=True)) for row in shares.tolist()]
    if part.asks == "class":
        return [Prediction(part.labels[best], row) for best, row in zip(scores.argmax(-1).tolist(), rows, strict=True)]
    return [Prediction(tuple(label for label, share in row.items() if share > 0.5), row) for row in rows]
