"""XLNet: tokens predicted in random orders, each from those before it in the order.

Yang et al. (arXiv 1906.08237), section 2 and appendix A.4. Differs from `bert` in hiding nothing by [MASK]: one token
in 6 is a target, and targets see each other as their order allows; in distances instead of positions; in reading on,
lane by lane, with a memory of 384 tokens, half of the lanes backwards; in asking nothing of pairs; and in the regime,
8,192 sequences of 512 tokens, 500,000 steps, Adam's rate 4e-4. Nobody published base's: it has BERT's.
"""

from maskwright.models.xlnet import SIZES, XlnetConfig
from maskwright.objectives.permutation import PermutationConfig
from maskwright.training.masked_recipe import SAMPLE
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.permutation_recipe import Recipe, build, check, data, finish, rates
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """XLNet of a published size, with the numbers of its paper and README; tiny has a regime for sample texts."""
    length = 128 if size == "tiny" else 512
    regimes = {
        "tiny": SAMPLE,
        "base": TrainingConfig(micro_sequences=8),
        "large": TrainingConfig(steps=500_000, batch_sequences=8192, micro_sequences=4, warmup_share=0.08),
    }
    return Recipe(
        recipe="xlnet",
        size=size,
        corpus=corpus,
        model=XlnetConfig(
            vocab_size=vocab_size, mem_len=3 * length // 4, reuse_len=length // 2, bi_data=True, **SIZES[size]
        ),
        permutation=PermutationConfig(max_length=length),
        optimizer=OptimizerConfig(name="google", rate={"tiny": 1e-3, "base": 1e-4, "large": 4e-4}[size]),
        training=regimes[size],
    )
