"""An ELMo, or a table of vectors, with what a task reads of it and the task's head.

Peters et al. (arXiv 1802.05365), sections 3.2 and 3.3: the language models stay as they are, and the task learns how to
weigh their layers. What a text is asked is asked of the mean of its words; what words are asked is asked of each.
"""

from typing import Any

import torch
from torch import Tensor

from maskwright.checkpoints.task_folder import TaskFile
from maskwright.checkpoints.task_part import OF_TOKENS
from maskwright.layers.features import Features
from maskwright.models.elmo import ElmoConfig, elmo
from maskwright.objectives.word_means import WordMeanScores
from maskwright.training.finetuning import Finetuning, head_above
from maskwright.training.vector_table import VectorTable
from maskwright.training.word2vec import TableConfig

DEVIATION = 0.02
"""Of a head's first weights."""


def word_finetuning(
    config: ElmoConfig | TableConfig,
    task: TaskFile,
    rate: float,
    device: torch.device | str = "cpu",
    *,
    may_follow: Tensor | None = None,
) -> Finetuning:
    """An encoder of that shape with what stands above it, its weights not yet set.

    rate         what is dropped out of the head's input in training
    may_follow   of a CRF, see `layers.crf`
    """
    with torch.device(device):
        encoder: Any = elmo(config) if isinstance(config, ElmoConfig) else VectorTable(config)
        read = Features(task.features, config.hidden_size, config.num_hidden_layers, rate)
        if task.asks in OF_TOKENS or task.features.has_crf:
            head = head_above(task.features, task.part, read.width, rate, may_follow)
        else:
            head = WordMeanScores(read.width, len(task.labels), task.asks, rate, pairs=task.pairs)
        return Finetuning(encoder, head, read)
