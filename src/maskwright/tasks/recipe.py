"""The recipe of a fine-tuning.

BERT (arXiv 1810.04805), section 4.1 and appendix A.3: all weights move, from batches of 16 or 32, for 2 to 4 epochs,
at a peak rate of 2e-5 to 5e-5 with a tenth of the steps to warm up. Small encoders take a rate ten times as high.
"""

from typing import Literal

from pydantic import Field

from maskwright.config import Config
from maskwright.layers.features import FeaturesConfig
from maskwright.layers.low_rank import LoraConfig
from maskwright.objectives.class_weights import LossConfig
from maskwright.objectives.text_vectors import SimilarityConfig
from maskwright.tasks.data import DataConfig
from maskwright.training.best import StoppingConfig
from maskwright.training.depth import LayersConfig
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

FROZEN_RATE = 3e-3
"""Peak learning rate where the encoder keeps its weights: what learns begins from nothing. Of 1e-3, 3e-3 and 1e-2 it is
best for linear maps through a pooler; BiLSTMs do as well with it, and linear maps of mixed layers would take more."""
LOOK_EVERY = 100
"""Steps, where nobody says and epochs are long."""
LONGEST = 512
"""Tokens of a text, where nobody says and the model has more positions."""


class Recipe(Config):
    """Everything that a fine-tuning is made of."""

    recipe: Literal["finetune"] = "finetune"
    """Its name."""
    model: str
    """The folder of the encoder."""
    data: DataConfig
    """The texts."""
    dropout: float = Field(default=0.1, ge=0, le=0.9)
    """Of the head's input; of that of questions nothing is, as in BERT's run_squad.py."""
    heads: Literal["google", "transformers"] = "google"
    """How a new head begins: google: drawn from a normal cut at two deviations; transformers: from the whole of it."""
    features: FeaturesConfig = FeaturesConfig()
    """What is read of the encoder, and what stands above it."""
    epochs: float = Field(default=3, gt=0)
    """Passes over the training texts; training.steps follows from it."""
    loss: LossConfig = LossConfig()
    """What answers count."""
    layers: LayersConfig = LayersConfig()
    """Which layers move, how fast, and which begin anew."""
    optimizer: OptimizerConfig = OptimizerConfig(rate=5e-5)
    """How weights move."""
    stopping: StoppingConfig = StoppingConfig()
    """When it ends, and which weights are kept."""
    training: TrainingConfig = TrainingConfig(
        batch_sequences=32, warmup_share=0.1, log_every=10, evaluate_every=LOOK_EVERY, save_every=200, keep=1
    )
    """How fast, how often."""
    similarity: SimilarityConfig | None = None
    """How pairs are compared, where the shape is similarity."""
    lora: LoraConfig | None = None
    """The encoder stays as it is, and an adapter is trained beside the head. none: there is no adapter."""
