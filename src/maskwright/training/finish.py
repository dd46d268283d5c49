"""What a finished run leaves beside its checkpoints: the model, for everyone to load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from maskwright.checkpoints.folder import write_folder
from maskwright.config import Config, plain
from maskwright.corpus.read import Corpus
from maskwright.models import ModelConfig
from maskwright.training.metrics import last_metrics
from maskwright.training.pretraining import Pretraining


def write_model(
    folder: Path,
    network: Pretraining,
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    recipe: Config,
    corpus: Corpus,
) -> Path:
    """`model/` in the run's folder: the Hugging Face layout, its card telling how it was trained."""
    return write_folder(
        folder / "model",
        names=network.weight_names(),
        parameters=parameters,
        config=config,
        tokenizer=corpus.tokenizer,
        facts=told(folder, recipe, corpus),
        replace=True,
    )


def told(folder: Path, recipe: Config, corpus: Corpus) -> dict[str, Any]:
    """What a model card tells of the run in that folder: heading -> value or table."""
    last = last_metrics(folder)
    held_out = last.get("held_out") or {}
    return {
        "steps": last["step"],
        "tokens": last["tokens"],
        "corpus": corpus.fingerprint,
        **{f"held-out loss, {name}": loss for name, loss in held_out.get("losses", {}).items()},
        **{f"held-out accuracy, {name}": share for name, share in held_out.get("accuracy", {}).items()},
        "Recipe": plain(recipe),
    }
