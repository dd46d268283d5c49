"""Chinese RoBERTa that hides whole words: RoBERTa-wwm-ext, whose network is BERT's.

Cui et al. (arXiv 1906.08101), section 3, and the README of ymcui/Chinese-BERT-wwm. Differs from `bert_wwm_zh` in
having no next sentences: sequences of 512 tokens from the first step, one million of 384 sequences (base) or two
million of 512 (large), by AdamW. It has RoBERTa's training and BERT's vocabulary, segments and positions, so a
`BertModel` loads it. The papers began with the weights of other models; this begins anew.
"""

from maskwright.models.bert import SIZES, BertConfig
from maskwright.objectives.layouts import LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import SAMPLE, Recipe, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"
STEPS = {"base": 1_000_000, "large": 2_000_000}
BATCH = {"base": 384, "large": 512}


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """RoBERTa-wwm-ext of a size; published are base and large. Others have a regime for sample texts."""
    published = size in STEPS
    return Recipe(
        recipe="roberta_wwm_zh",
        size=size,
        corpus=corpus,
        model=BertConfig(vocab_size=vocab_size, **SIZES[size]),
        layout=LayoutConfig(kind="full_sentences", task="none", max_length=512 if published else 128),
        masks=MasksConfig(unit="word"),
        optimizer=OptimizerConfig(name="adamw", rate=1e-4 if published else 1e-3),
        training=TrainingConfig(steps=STEPS[size], batch_sequences=BATCH[size], micro_sequences=8, warmup_share=0.1)
        if published
        else SAMPLE,
    )
