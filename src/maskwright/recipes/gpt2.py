"""GPT-2: a GPT with its norms in front, on 1,024 tokens.

Radford et al. 2019, sections 2.2 and 2.3. Differs from `gpt` in the network (pre-norm, a norm behind the last layer,
smaller starts of what ends a half of a layer), in sequences of 1,024 tokens, and in batches of 512. The paper tells
neither rates nor steps: they are those of GPT-3's networks of the same shapes (Brown et al., arXiv 2005.14165, table
2.1: beta2 0.95, decay 0.1, 300 billion tokens). Its tokenizer is byte-level BPE of 50,257
(`maskwright corpus --kind byte_bpe`); any kind will do.
"""

from maskwright.models.gpt2 import SIZES, Gpt2Config
from maskwright.training.causal_recipe import SAMPLE, Recipe, TextConfig, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "small"
RATE = {"small": 6e-4, "medium": 3e-4, "large": 2.5e-4, "xl": 2e-4}
STEPS, WARM_UP = 572_000, 715  # 300 billion tokens, and 375 million, in steps of 512 x 1,024


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """GPT-2 of a published size; tiny has a regime for sample texts."""
    published = size in RATE
    return Recipe(
        recipe="gpt2",
        size=size,
        corpus=corpus,
        model=Gpt2Config(vocab_size=vocab_size, **SIZES[size]),
        layout=TextConfig(max_length=1024 if published else 128),
        optimizer=OptimizerConfig(name="adamw", rate=RATE.get(size, 1e-3), beta2=0.95, epsilon=1e-8, weight_decay=0.1),
        training=TrainingConfig(
            steps=STEPS, batch_sequences=512, micro_sequences=8, warmup_share=WARM_UP / STEPS, schedule="cosine"
        )
        if published
        else SAMPLE,
    )
