"""GPT: every next token, from those before it.

Radford et al. 2018, section 4.1. Differs from `bert` in what a token sees (those before it), in the objective (each
token is predicted, none is hidden), in the text (running, cut every 512 tokens, `objectives/running_text.py`), and in
the regime: 64 sequences a step, Adam at 2.5e-4 with 2,000 steps of warm-up and half a cosine to 0, decay 0.01. The
paper counts 100 epochs of 800 million words, which are about 2.4 million steps. Its tokenizer is a BPE of 40,000
merges; any kind will do.
"""

from maskwright.models.openai_gpt import SIZES, OpenAIGptConfig
from maskwright.training.causal_recipe import SAMPLE, Recipe, TextConfig, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"
STEPS = 2_400_000


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """GPT of the published size; smaller ones have a regime for sample texts."""
    published = size == "base"
    return Recipe(
        recipe="gpt",
        size=size,
        corpus=corpus,
        model=OpenAIGptConfig(vocab_size=vocab_size, **SIZES[size]),
        layout=TextConfig(max_length=512 if published else 128),
        optimizer=OptimizerConfig(name="adamw", rate=2.5e-4 if published else 1e-3, epsilon=1e-8),
        training=TrainingConfig(steps=STEPS, batch_sequences=64, warmup_share=2_000 / STEPS, schedule="cosine")
        if published
        else SAMPLE,
    )
