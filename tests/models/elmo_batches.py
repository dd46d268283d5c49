"""Small ELMos, and batches of words for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from maskwright.batch import Batch, flat_batch
from maskwright.layers.word_characters import sentence_marks, word_characters
from maskwright.models.elmo import Elmo, ElmoConfig, elmo


def config(**changes: Any) -> ElmoConfig:
    shape: dict[str, Any] = {
        "vocab_size": 12, "character_size": 3, "filters": ((1, 4), (3, 6)), "num_highways": 1, "max_characters": 12,
        "cell_size": 7, "projection_size": 5, "cell_clip": 0.6, "projection_clip": 0.5, "dropout": 0.1,
    }  # fmt: skip
    return ElmoConfig(**{**shape, **changes})


def small(seed: int = 0, **changes: Any) -> Elmo:
    """Weights so large that clips bite."""
    made = elmo(config(**changes)).double()
    torch.manual_seed(seed)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return made


def of_words(sentences: Sequence[Sequence[str]], *, marks: bool = False, width: int = 12) -> Batch:
    """Sentences side by side; with `marks`, begin and end around each. Token ids mean nothing here."""
    around = sentence_marks(width)
    rows = [word_characters(sentence, width) for sentence in sentences]
    if marks:
        rows = [np.concatenate([around[:1], row, around[1:]]) for row in rows]
    bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    characters = np.concatenate(rows).astype(np.int64)
    batch = flat_batch(np.zeros(len(characters), np.int64), bounds)
    return replace(batch, char_ids=torch.from_numpy(characters), char_rows=torch.arange(len(characters)))
