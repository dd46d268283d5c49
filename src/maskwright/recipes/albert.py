"""ALBERT: one layer used again and again, narrow tables, the order of sentences instead of the next one.

Lan et al. (arXiv 1909.11942), sections 3 and 4.1. Differs from `bert` in the network (`models/albert.py`); in the
second task, sentence order; in the masks, n-grams of up to 3 words with p(n) in proportion to 1/n; in sequences of 512
tokens from the first step; in the regime, 125,000 steps of 4,096 sequences by LAMB at 1.76e-3 with 3,125 of warm-up.
xxlarge has no dropout. The paper's tokenizer is SentencePiece of 30,000 (`--kind unigram`); any kind will do.
"""

from maskwright.models.albert import SIZES, AlbertConfig
from maskwright.objectives.layouts import LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import SAMPLE, Recipe, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """ALBERT of a published size, version 1; tiny has a regime for sample texts."""
    published = TrainingConfig(
        steps=125_000, batch_sequences=4096, micro_sequences=8, warmup_share=3_125 / 125_000, schedule="google"
    )
    return Recipe(
        recipe="albert",
        size=size,
        corpus=corpus,
        model=AlbertConfig(vocab_size=vocab_size, **SIZES[size]),
        layout=LayoutConfig(task="sentence_order", max_length=128 if size == "tiny" else 512),
        masks=MasksConfig(unit="ngram", ngram=3),
        optimizer=OptimizerConfig(name="google_lamb", rate=1.76e-3),
        training=SAMPLE if size == "tiny" else published,
    )
