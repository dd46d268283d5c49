"""A task that was learned by an adapter, on an encoder that is there already."""

from pathlib import Path
from typing import cast

from maskwright.checkpoints.adapter_folder import fill_adapter, fingerprint, read_adapter
from maskwright.errors import BadInput
from maskwright.layers.network import Network
from maskwright.models import ModelConfig, published
from maskwright.tasks.answering import Task
from maskwright.training.adapted import Adapted
from maskwright.training.finetuning import finetuning


def task_of(folder: str | Path, encoder: Network) -> Task:
    """The task of an adapter's folder on `encoder`, whose weights it shares with whoever else has them.

    BadInput for another encoder than it was trained on.
    """
    found = read_adapter(folder)
    if fingerprint(encoder) != found.fingerprint:
        raise BadInput(f"{folder} was trained on {found.base}, and this is another encoder: load that one")
    config = cast("ModelConfig", encoder.config)
    inner = finetuning(config, found.part, 0, "meta")
    inner.encoder = encoder
    inner.head = inner.head.to_empty(device=encoder.token_table.device).to(encoder.token_table.dtype)
    made = Adapted(inner, found.lora)
    fill_adapter(found, made.adapter, *made.kept(), published(config.model_type).prefix)
    return Task(found.part, made)
