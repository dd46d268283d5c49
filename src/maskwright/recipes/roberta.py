"""RoBERTa: BERT without next sentences, on full sequences, in large batches.

Liu et al. (arXiv 1907.11692), section 4 and table 9. Differs from `bert` in the layout (sentences fill 512 tokens,
across documents), in having no pairs and one segment; in the masks, new each time, of which fairseq draws the number,
lets <s> and </s> be hidden and takes no special token as a random one; in the regime, 500,000 steps of 8,192
sequences at 6e-4 (base, 24,000 steps of warm-up) or 4e-4 (large, 30,000), Adam's beta2 0.98, no clipping. The paper's
tokenizer is byte-level BPE of 50,000 (`maskwright corpus --kind byte_bpe`); any kind will do.
"""

from maskwright.models.roberta import SIZES, RobertaConfig
from maskwright.objectives.layouts import LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import SAMPLE, Recipe, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"
MASKS = MasksConfig(rounding="drawn", hide_specials=True, random_specials=False)
"""As fairseq's `MaskTokensDataset`."""
WARM_UP = {"base": 24_000, "large": 30_000}
RATE = {"base": 6e-4, "large": 4e-4}


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """RoBERTa of a published size; tiny has a regime for sample texts."""
    published = size in WARM_UP
    steps = 500_000
    return Recipe(
        recipe="roberta",
        size=size,
        corpus=corpus,
        model=RobertaConfig(vocab_size=vocab_size, **SIZES[size]),
        layout=LayoutConfig(kind="full_sentences", task="none", max_length=512 if published else 128),
        masks=MASKS,
        optimizer=OptimizerConfig(name="adamw", rate=RATE.get(size, 1e-3), beta2=0.98, epsilon=1e-6),
        training=TrainingConfig(
            steps=steps, batch_sequences=8192, warmup_share=WARM_UP[size] / steps, micro_sequences=8, clip=None
        )
        if published
        else SAMPLE.with_changes(clip=None),
    )
