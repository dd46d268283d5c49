"""What embeddings begin as.

A small masked model that starts from noise sits long on a plateau where it predicts commas, until attention
finds out that neighbours matter. Two old things take it off: token embeddings from word2vec (skip-gram with
negative sampling, Mikolov et al., arXiv 1310.4546) say which tokens are alike, and positions from scaled
sinusoids say which places are near. Neither half works alone, and both must be small against the norm that
follows (Kim et al., arXiv 2407.12514, on why wide pretrained embeddings hurt).
"""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from maskwright.config import Config
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.layers.network import Tables
from maskwright.layers.positions import sinusoids
from maskwright.progress import Progress, silent
from maskwright.training.vector_text import read_vectors
from maskwright.training.word2vec import Word2VecConfig, word_vectors


class StartConfig(Config):
    """What embeddings begin as."""

    tokens: str = "random"
    """random; word2vec, trained on the training documents; or a file in word2vec's format."""
    token_deviation: float = Field(default=0.05, gt=0)
    """Standard deviation that given vectors are scaled to, after centring."""
    positions: Literal["random", "sinusoids", "fixed"] = "random"
    """random; scaled sinusoids, trained on; fixed sinusoids."""
    position_scale: float = Field(default=0.1, gt=0)
    """What sinusoids are multiplied with."""
    window: int = Field(default=5, ge=1)
    """word2vec: tokens to each side."""
    epochs: int = Field(default=5, ge=1)
    """word2vec: passes over the training documents."""

    def word2vec(self, seed: int) -> Word2VecConfig:
        """How word2vec is trained: skip-gram for every token there is, its rate ending where gensim ends it."""
        return Word2VecConfig(window=self.window, epochs=self.epochs, min_alpha=1e-4, min_count=1, seed=seed)


@torch.no_grad()
def start_embeddings(
    embeddings: Tables, config: StartConfig, corpus: Corpus, seed: int, progress: Progress = silent
) -> None:
    """Give token and position tables, already started at random, the beginning that `config` asks for."""
    if config.tokens != "random":
        vocabulary = corpus.tokenizer.tokens
        size = embeddings.token.shape[1]
        if config.tokens == "word2vec":
            learned = word_vectors(corpus.train, size, config.word2vec(seed), progress)
            covered, vectors = learned.ids, learned.vectors
            source = "word2vec on the training documents"
        elif not Path(config.tokens).exists():
            raise BadInput(
                f"start.tokens = {config.tokens} is no file that is there: give random, word2vec, "
                "or the path of a file in word2vec's format"
            )
        else:
            covered, vectors = read_vectors(Path(config.tokens), vocabulary, size)
            source = config.tokens
        vectors = vectors - vectors.mean(0)
        vectors *= config.token_deviation / vectors.std()
        embeddings.token[torch.from_numpy(covered)] = torch.from_numpy(vectors)
        progress.say(f"token embeddings from {source}: {len(covered):,} of {len(vocabulary):,} tokens covered")
    if config.positions == "sinusoids":
        table = embeddings.position.get_parameter("weight")
        table.copy_(config.position_scale * sinusoids(*table.shape))
