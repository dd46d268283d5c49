"""XLM: masked language modelling in two languages, and over a sentence and its translation.

Lample and Conneau (arXiv 1901.07291), sections 3.2, 3.3 and 5.1. Differs from `bert` in being told each token's
language; in the text, streams of 256 tokens of each language and, in turn, pairs of translations whose positions begin
anew (TLM); in having no pairs to judge; in the regime, 64 sequences a step, Adam's rate 1e-4 and beta2 0.98. The paper
trains until the loss no longer falls and names no number of steps. The corpus is a parallel one (`maskwright corpus
--languages en,zh`), with one vocabulary for both languages.
"""

from maskwright.models.xlm import SIZES, XlmConfig
from maskwright.objectives.layouts import LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import SAMPLE, Recipe, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """XLM of a published size, for two languages; tiny has a regime for sample texts."""
    published = TrainingConfig(steps=1_000_000, batch_sequences=64, micro_sequences=16, warmup_share=0.03)
    return Recipe(
        recipe="xlm",
        size=size,
        corpus=corpus,
        model=XlmConfig(vocab_size=vocab_size, n_langs=2, **SIZES[size]),
        layout=LayoutConfig(kind="languages", task="none", max_length=128 if size == "tiny" else 256),
        masks=MasksConfig(rounding="drawn", count_specials=False),
        optimizer=OptimizerConfig(name="adamw", rate=1e-3 if size == "tiny" else 1e-4, beta2=0.98, epsilon=1e-8),
        training=SAMPLE if size == "tiny" else published,
    )
