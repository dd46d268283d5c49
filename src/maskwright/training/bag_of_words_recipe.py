"""What a run of bags of words is made of, and the folder that it leaves."""

from pathlib import Path

import torch
from pydantic import Field

from maskwright.checkpoints.card import static_card
from maskwright.checkpoints.static_folder import write_static_folder
from maskwright.config import Config, plain
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.training.bag_of_words import BagOfWordsConfig, Bags


class SeedConfig(Config):
    """What is drawn."""

    seed: int = Field(default=0, ge=0)
    """Of the decomposition's first directions."""


class Recipe(Config):
    """Everything that a run of bags of words is made of."""

    recipe: str = "bag_of_words"
    """Its name."""
    size: str = "full"
    """full: a number for each token; or how many dimensions remain."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: BagOfWordsConfig
    """What becomes of counts."""
    training: SeedConfig = SeedConfig()
    """What is drawn."""


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with the corpus."""
    if recipe.model.vocab_size != corpus.tokenizer.vocab_size:
        raise BadInput(
            f"model.vocab_size {recipe.model.vocab_size} is not the {corpus.tokenizer.vocab_size} tokens of the corpus "
            f"{corpus.path}: leave it out to take the corpus's"
        )
    if not corpus.train.num_documents:
        raise BadInput(f"{corpus.path} has no training documents: give more text, or --held-out 0")


def write_model(folder: Path, learned: Bags, recipe: Recipe, corpus: Corpus) -> Path:
    """`model/` in the run's folder, which `maskwright.load` opens."""
    config = recipe.model
    projected = (
        f", projected to {config.dimensions:,} dimensions (latent semantic analysis)" if config.dimensions else ""
    )
    about = (
        f"Bags of {config.vocab_size:,} tokens{', TF-IDF' if config.use_idf else ''}{projected}, from "
        f"{learned.documents:,} documents, with scikit-learn by maskwright. The order of words counts for nothing."
    )
    facts = {"documents": learned.documents, "corpus": corpus.fingerprint, "Recipe": plain(recipe)}
    if learned.explained is not None:
        facts = {"variance explained": learned.explained, **facts}
    tensors = {"idf": torch.from_numpy(learned.weights)}
    if learned.components is not None:
        tensors["components"] = torch.from_numpy(learned.components)
    examples = ['vectors = encoder.encode(["a text", "another"])']
    card = static_card(folder.name, config.model_type, about, examples, facts)
    return write_static_folder(folder / "model", config, tensors, corpus.tokenizer, card)
