"""BERT as published: masked language modelling and next sentence prediction.

Devlin et al. (arXiv 1810.04805), section 3.1 and appendix A.2: 256 sequences a step, a million steps,
Adam at 1e-4 with 10,000 steps of warm-up, weight decay 0.01, dropout 0.1, 15 % masks of which 80 % become
[MASK], 10 % a random token and 10 % stay; 90 % of the steps on 128 tokens and the rest on 512. Masks are drawn
anew each epoch; `--masks.dupe_factor 10` gives Google's static ones.
"""

from maskwright.models.bert import SIZES, BertConfig
from maskwright.training.masked_recipe import Recipe, SecondPhaseConfig, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """BERT of a published size, with the paper's numbers."""
    return Recipe(
        recipe="bert",
        size=size,
        corpus=corpus,
        model=BertConfig(vocab_size=vocab_size, **SIZES[size]),
        second_phase=SecondPhaseConfig(share=0.1),
        optimizer=OptimizerConfig(name="google", rate=1e-4),
        training=TrainingConfig(schedule="google"),
    )
