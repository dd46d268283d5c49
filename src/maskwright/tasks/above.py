"""What stands above an encoder in a fine-tuning: whether it can, which tags it allows, and the folder of both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskwright.checkpoints.folder import POOLER, write_folder
from maskwright.checkpoints.task_folder import TaskFile, write_composite
from maskwright.checkpoints.task_part import OF_TOKENS, TaskPart
from maskwright.errors import BadInput
from maskwright.layers.features import FeaturesConfig
from maskwright.models import ModelConfig
from maskwright.tasks.data import DataConfig
from maskwright.tasks.examples import Tagged
from maskwright.tasks.schemes import likeliest, may_follow
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning

SHAPES = ("classification", "regression", "tagging", "segmentation")
"""Shapes of tasks that can be asked of any features; of questions and choices the encoder can be frozen."""


def refuse_features(features: FeaturesConfig, data: DataConfig) -> None:
    """BadInput for features that cannot answer that shape of task."""
    if data.shape == "similarity" and features != FeaturesConfig():
        raise BadInput("vectors of texts are those of the encoder itself: leave features off for similarity")
    if features.above and data.shape not in SHAPES:
        raise BadInput(f"features.layers and features.top go with {', '.join(SHAPES)}: leave them off for {data.shape}")


def legal_tags(labels: Sequence[str], examples: Sequence[Tagged], where: str) -> Tensor | None:
    """Which tags may stand beside each other in the examples' own scheme: (C + 1, C + 1) bool as `layers.crf` has it.

    None where tags mark no spans, as parts of speech do.

    >>> bob = Tagged(("Bob", "left"), ("B-PER", "O"), "line 1")
    >>> legal_tags(("O", "B-PER", "I-PER"), [bob], "train.txt").int().tolist()  # rows: O, B, I and the edge
    [[1, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1]]
    """
    scheme = likeliest([one.tags or () for one in examples], where)
    if scheme is None:
        return None
    places = [*labels, None]
    return torch.tensor([[may_follow(before, after, scheme) for after in places] for before in places])


def write_finished(
    path: Path,
    module: Finetuning,
    part: TaskPart,
    features: FeaturesConfig,
    parameters: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    facts: Mapping[str, Any],
    *,
    pooler: bool,
) -> Path:
    """Write the folder of a fine-tuned model in place of what is at `path`: as a class of `transformers`, or composite.

    parameters   by the module's names
    pooler       whether the encoder came with one
    """
    config: Any = module.encoder.config
    if not is_composite(config, part, features):
        return write_folder(
            path,
            names=module.weight_names(),
            parameters=parameters,
            config=config,
            tokenizer=tokenizer,
            task=part,
            facts=facts,
            replace=True,
        )
    return write_composite(
        path,
        TaskFile(asks=part.asks, labels=part.labels, features=features),
        module,
        names=[name for name in module.encoder.weight_names() if pooler or not name.ours.startswith(POOLER)],
        parameters=parameters,
        config=config,
        tokenizer=tokenizer,
        facts=facts,
        replace=True,
    )


def is_composite(config: ModelConfig, part: TaskPart, features: FeaturesConfig) -> bool:
    """Whether no class of `transformers` has what stands above the encoder; it has none of GPT that tags words."""
    return features.above or (config.model_type == "openai-gpt" and part.asks in OF_TOKENS)
