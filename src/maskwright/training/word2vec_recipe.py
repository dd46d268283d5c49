"""What a run of word2vec is made of, and the folder that it leaves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskwright.checkpoints.card import Above, static_card
from maskwright.checkpoints.static_folder import write_static_folder
from maskwright.config import Config, plain
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.vector_text import write_vectors
from maskwright.training.word2vec import Floats, Integers, TableConfig, Word2VecConfig, WordVectors

TEXT = "vectors.txt"


class Recipe(Config):
    """Everything that a run of word2vec is made of."""

    recipe: str = "word2vec"
    """Its name."""
    size: str = "300"
    """A size: how many numbers a vector has, or tiny."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: TableConfig
    """The table."""
    training: Word2VecConfig = Word2VecConfig()
    """How it is learned."""


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with the corpus."""
    if recipe.model.vocab_size != corpus.tokenizer.vocab_size:
        raise BadInput(
            f"model.vocab_size {recipe.model.vocab_size} is not the {corpus.tokenizer.vocab_size} tokens of the corpus "
            f"{corpus.path}: leave it out to take the corpus's"
        )


def table(config: TableConfig, learned: WordVectors) -> tuple[Floats, Integers]:
    """(V, H) vectors and (V,) counts in the order of the vocabulary; zeros for a token without a vector."""
    vectors = np.zeros((config.vocab_size, config.hidden_size), np.float32)
    counts = np.zeros(config.vocab_size, np.int64)
    vectors[learned.ids], counts[learned.ids] = learned.vectors, learned.counts
    return vectors, counts


def write_model(folder: Path, learned: WordVectors, recipe: Recipe, corpus: Corpus) -> Path:
    """`model/` in the run's folder: what `maskwright.load` opens, and vectors.txt for gensim and others."""
    vectors, counts = table(recipe.model, learned)
    facts = {
        "epochs": recipe.training.epochs,
        "tokens": recipe.training.epochs * corpus.train.num_tokens,
        "corpus": corpus.fingerprint,
        "Recipe": plain(recipe),
    }
    return write_table(folder / "model", recipe.model, vectors, counts, corpus.tokenizer, facts, name=folder.name)


def write_table(
    path: Path,
    config: TableConfig,
    vectors: Floats,
    counts: Integers,
    tokenizer: Tokenizer,
    facts: Mapping[str, Any],
    *,
    name: str = "model",
    above: Above | None = None,
    before_done: Callable[[Path], None] | None = None,
) -> Path:
    """The folder of a table (V, H) in place of what is at `path`; returns its path.

    counts        (V,); 0: the token has no vector
    facts         what the model card tells of the training, as `above` of what stands above the table
    before_done   may write more into the folder
    """
    there = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]  # frequent ones first, as gensim has them
    about = (
        f"word2vec vectors (arXiv 1301.3781, 1310.4546) of {config.hidden_size} numbers for {len(there):,} of "
        f"{config.vocab_size:,} tokens, learned with gensim by maskwright. A token has the same vector wherever it "
        f"stands. `{TEXT}` holds them in word2vec's own format."
    )
    examples = [
        'vectors = encoder.encode(["a text", "another"])',
        *("", "from gensim.models import KeyedVectors", "", f'KeyedVectors.load_word2vec_format("this/folder/{TEXT}")'),
    ]

    def add(staged: Path) -> None:
        write_vectors(staged / TEXT, [tokenizer.tokens[i] for i in there.tolist()], vectors[there])
        if before_done is not None:
            before_done(staged)

    return write_static_folder(
        path,
        config,
        {"vectors": torch.from_numpy(vectors), "counts": torch.from_numpy(counts)},
        tokenizer,
        static_card(name, config.model_type, about, examples, facts, above=above),
        before_done=add,
    )
