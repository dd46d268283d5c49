"""Chinese BERT that hides whole words, as found by a segmenter: BERT-wwm.

Cui et al. (arXiv 1906.08101), section 3. Differs from `bert` in the masks, which hide words of several characters
whole (each character 80/10/10 by itself), and in the regime: 100,000 steps of 2,560 sequences of 128 tokens, then
100,000 of 384 sequences of 512 in the same run, by LAMB at 1e-4 with a tenth of warm-up. The paper began with the
weights of Google's Chinese BERT; this begins anew. A corpus without a segmenter's words is refused.
"""

from maskwright.models.bert import SIZES, BertConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import SAMPLE, Recipe, SecondPhaseConfig, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """BERT-wwm of a size; published is base. The size tiny has a regime for sample texts."""
    published = TrainingConfig(steps=200_000, batch_sequences=2560, warmup_share=0.1)
    return Recipe(
        recipe="bert_wwm_zh",
        size=size,
        corpus=corpus,
        model=BertConfig(vocab_size=vocab_size, **SIZES[size]),
        masks=MasksConfig(unit="word"),
        second_phase=SecondPhaseConfig() if size == "tiny" else SecondPhaseConfig(share=0.5, batch_sequences=384),
        optimizer=OptimizerConfig(name="lamb", rate=1e-3 if size == "tiny" else 1e-4),
        training=SAMPLE if size == "tiny" else published,
    )
