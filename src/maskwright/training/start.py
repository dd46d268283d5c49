"""What embeddings begin as.

A small masked model that starts from noise sits long on a plateau where it predicts commas, until attention
finds out that neighbours matter. Two old things take it off: token embeddings from word2vec (skip-gram with
negative sampling, Mikolov et al., arXiv 1310.4546) say which tokens are alike, and positions from scaled
sinusoids say which places are near. Neither half works alone, and both must be small against the norm that
follows (Kim et al., arXiv 2407.12514, on why wide pretrained embeddings hurt).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from maskwright import draws
from maskwright.config import Config
from maskwright.corpus.read import Corpus, Split
from maskwright.errors import BadInput
from maskwright.layers.network import Tables
from maskwright.layers.positions import sinusoids
from maskwright.progress import Progress, silent

Floats = npt.NDArray[np.float32]
STRETCH = 1000  # tokens gensim is given at a time, the length that word2vec.c cuts its sentences to


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


@torch.no_grad()
def start_embeddings(
    embeddings: Tables, config: StartConfig, corpus: Corpus, seed: int, progress: Progress = silent
) -> None:
    """Give token and position tables, already started at random, the beginning that `config` asks for."""
    if config.tokens != "random":
        vocabulary = corpus.tokenizer.tokens
        size = embeddings.token.shape[1]
        if config.tokens == "word2vec":
            covered, vectors = skip_gram(corpus.train, size, config.window, config.epochs, seed, progress)
            source = "word2vec on the training documents"
        elif not Path(config.tokens).exists():
            raise BadInput(
                f"start.tokens = {config.tokens} is no file that is there: give random, word2vec, "
                "or the path of a text file in word2vec's format"
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


def skip_gram(
    split: Split, size: int, window: int, epochs: int, seed: int, progress: Progress = silent
) -> tuple[npt.NDArray[np.int64], Floats]:
    """(ids, (len(ids), size) vectors) of the tokens of a split, by gensim's skip-gram with 5 negatives.

    One thread: gensim's threads race each other, and then no two runs are alike.
    """
    try:
        from gensim.models.callbacks import CallbackAny2Vec
        from gensim.models.word2vec import Word2Vec
    except ImportError as error:
        raise BadInput(
            "start.tokens = word2vec needs gensim: pip install 'maskwright[classic]', or take --start.tokens random"
        ) from error

    with progress.stage("word2vec", epochs * split.num_tokens, "tokens") as bar:

        class Stretches:
            def __iter__(self) -> Iterator[list[str]]:
                for first in range(0, split.num_tokens, STRETCH):
                    length = min(STRETCH, split.num_tokens - first)
                    ids, _ = split.gather(np.array([first]), np.array([length]))
                    yield list(map(str, ids.tolist()))
                    if not counting:
                        bar.advance(length)

        class Counted(CallbackAny2Vec):  # gensim reads everything once before it trains
            def on_train_begin(self, model: Any) -> None:
                nonlocal counting
                counting = False

        counting = True
        model: Any = Word2Vec(
            sentences=Stretches(),
            vector_size=size,
            window=window,
            min_count=1,
            sg=1,
            negative=5,
            epochs=epochs,
            workers=1,
            seed=draws.key(seed, "word2vec") & 0x7FFF_FFFF,
            hashfxn=int,  # Python's own hash of text differs from process to process
            callbacks=[Counted()],
        )
    ids = np.array([int(word) for word in model.wv.index_to_key], dtype=np.int64)
    return ids, np.asarray(model.wv.vectors, dtype=np.float32)


def read_vectors(path: Path, vocabulary: tuple[str, ...], size: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """(ids, vectors) of the tokens of the vocabulary that stand in a text file of word2vec's format.

    One "count size" line, then "token v1 v2 ..." lines. The first vector of a token counts; ## pieces are
    looked up as they are written.
    """
    places = {token: place for place, token in enumerate(vocabulary)}
    found: dict[int, Floats] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.readline().split()
        if len(head) != 2 or not all(part.isdigit() for part in head):
            raise BadInput(f"{path}: line 1 is no 'count size' pair, so this is no word2vec text file")
        if int(head[1]) != size:
            raise BadInput(f"{path}: vectors of {head[1]} numbers, but the model's hidden size is {size}")
        for number, line in enumerate(file, start=2):
            token, *numbers = line.rstrip().split(" ")
            if number == 2 and len(numbers) != size:
                raise BadInput(
                    f"{path}: line 2 holds {len(numbers)} numbers, not {size}: a binary file? "
                    "gensim's save_word2vec_format(path, binary=False) writes text"
                )
            place = places.get(sys.intern(token))
            if place is None or place in found:
                continue
            try:
                vector = np.array(numbers, dtype=np.float32)
            except ValueError:
                vector = np.zeros(0, np.float32)
            if len(vector) != size or not np.isfinite(vector).all():
                raise BadInput(f"{path}: line {number} ({token!r}) does not hold {size} finite numbers")
            found[place] = vector
    if len(found) < 2:
        raise BadInput(f"{path}: none of its tokens stand in the vocabulary: was it trained on another tokenizer?")
    vectors = np.stack(list(found.values()))
    if not np.ptp(vectors, axis=0).any():
        raise BadInput(f"{path}: its {len(found):,} vectors of known tokens are all the same")
    return np.array(list(found), dtype=np.int64), vectors
