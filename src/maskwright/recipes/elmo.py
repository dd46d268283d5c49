"""ELMo as published: a forward and a backward LSTM language model over words made of characters.

Peters et al. (arXiv 1802.05365), Jozefowicz et al. (arXiv 1602.02410); allenai/bilm-tf `bin/train_elmo.py`: 128 lanes
of 20 words on each of three devices, 8,192 drawn candidates, dropout 0.1, ten passes over 769 million words, Adagrad
at 0.2 whose sums begin at 1, gradients of at most 10. There the loss is half the sum of both directions' means, times
the 20 words; here it is that sum alone, so gradients are a tenth, and a first sum of 1/100 and a limit of 1 are the
very same. Each direction reads all text, so a step counts 2 x 20 words a lane.
"""

from typing import Any

from maskwright.models.elmo import SIZES, ElmoConfig
from maskwright.training.elmo_recipe import (
    MOST_CANDIDATES,
    LanesConfig,
    Recipe,
    SoftmaxConfig,
    build,
    check,
    data,
    finish,
    rates,
)
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "original"
EPOCHS, WORDS = 10, 768_648_884


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """ELMo of a published size, with bilm-tf's numbers. A small vocabulary has fewer candidates: a quarter of it."""
    lanes, unroll = 3 * 128, 20
    regime: dict[str, Any] = {"steps": EPOCHS * WORDS // (lanes * unroll), "micro_sequences": 128}
    if size == "tiny":
        regime = {"steps": 300, "log_every": 20, "evaluate_every": 100, "save_every": 300, "micro_sequences": 32}
        lanes = 32
    return Recipe(
        size=size,
        corpus=corpus,
        model=ElmoConfig(vocab_size=vocab_size, **SIZES[size]),
        layout=LanesConfig(unroll=unroll),
        softmax=SoftmaxConfig(candidates=max(1, min(MOST_CANDIDATES, vocab_size // 4))),
        optimizer=OptimizerConfig(name="adagrad", rate=0.2, first_sum=0.01, weight_decay=0),
        training=TrainingConfig(
            batch_sequences=lanes,
            warmup_share=0,
            schedule="constant",
            clip=1.0,
            precision="float32",
            **regime,
        ),
    )
