"""BERT for small text: the same network and objectives, a start and a regime that learn in minutes.

Differs from `bert` in six things. Token embeddings begin as word2vec's and positions as small sinusoids
(`training/start.py` says why); Muon moves the layers' matrices (Jordan et al. 2024; 2505.02222 on its data
efficiency) and AdamW the rest; 30 % of the tokens are hidden (Wettig et al., arXiv 2202.08005); nothing is
dropped out (Geiping and Goldstein, arXiv 2212.14034); all steps see 128 tokens. `docs/decisions.md` has the
measurements.
"""

from maskwright.models.bert import SIZES, BertConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import Recipe, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.start import StartConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "tiny"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """The default for texts of up to some ten million tokens."""
    return Recipe(
        recipe="quick",
        size=size,
        corpus=corpus,
        model=BertConfig(vocab_size=vocab_size, hidden_dropout_prob=0, attention_probs_dropout_prob=0, **SIZES[size]),
        start=StartConfig(tokens="word2vec", positions="sinusoids"),
        masks=MasksConfig(rate=0.3),
        optimizer=OptimizerConfig(name="muon", rate=3e-3, matrix_rate=0.02),
        training=TrainingConfig(steps=850, batch_sequences=32, warmup_share=0.05, evaluate_every=100, save_every=300),
    )
