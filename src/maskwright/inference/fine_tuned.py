"""A model that was fine-tuned, from its folder."""

from pathlib import Path

from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.loading import load
from maskwright.tasks.answering import Task


def load_fine_tuned(folder: str | Path) -> tuple[Encoder, Task]:
    """An encoder and its task. BadInput for a model that has none."""
    encoder = load(folder)
    if not isinstance(encoder, Encoder):
        raise BadInput(f"{folder} is {encoder.config.model_type}, which was not fine-tuned: it predicts nothing")
    if encoder.task is None:
        raise BadInput(
            f"{folder} was not fine-tuned, so it predicts nothing: `maskwright finetune` makes a model that does"
        )
    return encoder, encoder.task
