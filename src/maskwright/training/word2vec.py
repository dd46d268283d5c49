"""word2vec: one vector a token, learned from the tokens around it, by gensim.

Mikolov et al., arXiv 1301.3781 (CBOW guesses a token from the mean of those around it, skip-gram each of those from
the token) and 1310.4546 (negative sampling, frequent tokens left out at random); word2vec.c is where the defaults
below are from. Unlike BERT's, a token's vector is the same wherever it stands.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from maskwright import draws
from maskwright.checkpoints.tensor_file import Shapes
from maskwright.config import Config
from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
STRETCH = 1000  # tokens gensim is given at a time, the length that word2vec.c cuts its sentences to
RATES = {"skip_gram": 0.025, "cbow": 0.05}
LAST_RATE = 1e-4  # of the first one: where word2vec.c stops lowering it


class TableConfig(Config):
    """The shape of a table of vectors."""

    model_type: Literal["word2vec"] = "word2vec"
    """How they are learned."""
    vocab_size: int = Field(ge=1, le=10_000_000)
    """Tokens of the vocabulary, V."""
    hidden_size: int = Field(ge=1, le=65_536)
    """Numbers of a vector, H."""

    @property
    def num_hidden_layers(self) -> int:
        """L: there is nothing but the table."""
        return 0

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have: there is no limit but that of an int32."""
        return 2**31 - 1


class Word2VecConfig(Config):
    """How vectors are learned; names are gensim's, numbers those of word2vec.c."""

    architecture: Literal["skip_gram", "cbow"] = "skip_gram"
    """skip_gram, or cbow: the continuous bag of words."""
    window: int = Field(default=5, ge=1)
    """The most tokens to each side; how many, is drawn anew for each token."""
    negative: int = Field(default=5, ge=1)
    """Tokens drawn as wrong answers to each right one."""
    ns_exponent: float = 0.75
    """They are drawn by their frequency to this power."""
    sample: float = Field(default=1e-3, ge=0)
    """Tokens with a larger share of the text than this are left out at random; 0: none is."""
    cbow_mean: bool = True
    """cbow: the mean of the tokens around, not their sum."""
    alpha: float | None = Field(default=None, gt=0)
    """Learning rate at the beginning; none: 0.025 for skip_gram, 0.05 for cbow."""
    min_alpha: float | None = Field(default=None, ge=0)
    """Learning rate at the end, reached in a straight line; none: a ten-thousandth of alpha."""
    min_count: int = Field(default=5, ge=1)
    """Tokens that occur less often get no vector."""
    epochs: int = Field(default=5, ge=1)
    """Passes over the training documents."""
    threads: int = Field(default=1, ge=1)
    """More are faster, but race each other: then no two runs are alike."""
    seed: int = Field(default=0, ge=0)
    """Of first vectors and all draws."""

    @property
    def rates(self) -> tuple[float, float]:
        """Learning rate at the beginning and at the end.

        >>> Word2VecConfig().rates, Word2VecConfig(architecture="cbow", min_alpha=0.001).rates
        ((0.025, 2.5e-06), (0.05, 0.001))
        """
        first = RATES[self.architecture] if self.alpha is None else self.alpha
        return first, first * LAST_RATE if self.min_alpha is None else self.min_alpha


class WordVectors(NamedTuple):
    """What was learned: a row for each token that has a vector, frequent ones first.

    ids       (K,) int64
    vectors   (K, H) float32
    counts    (K,) int64, how often each occurs in the training documents
    """

    ids: Integers
    vectors: Floats
    counts: Integers


def table_shapes(config: TableConfig) -> Shapes:
    """The tensors of a saved table: tokens without a vector are rows of zeros, and their counts 0."""
    return {
        "vectors": (torch.float32, (config.vocab_size, config.hidden_size)),
        "counts": (torch.int64, (config.vocab_size,)),
    }


def gensim_settings(size: int, config: Word2VecConfig) -> dict[str, Any]:
    """What gensim's Word2Vec is given, by its names; vectors have `size` numbers."""
    first, last = config.rates
    return {
        "vector_size": size,
        "sg": int(config.architecture == "skip_gram"),
        "hs": 0,
        "window": config.window,
        "shrink_windows": True,
        "negative": config.negative,
        "ns_exponent": config.ns_exponent,
        "sample": config.sample,
        "cbow_mean": int(config.cbow_mean),
        "alpha": first,
        "min_alpha": last,
        "min_count": config.min_count,
        "epochs": config.epochs,
        "workers": config.threads,
        "seed": draws.key(config.seed, "word2vec") & 0x7FFF_FFFF,
        "hashfxn": int,  # Python's own hash of text differs from process to process
    }


def word_vectors(split: Split, size: int, config: Word2VecConfig, progress: Progress = silent) -> WordVectors:
    """Learn the vectors of a split's tokens. With one thread, equal settings give equal bits.

    BadInput where gensim is not installed, and where no token is frequent enough.
    """
    try:
        from gensim.models.word2vec import Word2Vec
    except ImportError as error:
        raise BadInput(
            "word2vec needs gensim: pip install 'maskwright[classic]' "
            "(an encoder can start without it: --start.tokens random)"
        ) from error
    model: Any = Word2Vec(**gensim_settings(size, config))
    with progress.stage("word2vec, counting", split.num_tokens, "tokens") as bar:
        model.build_vocab(_Stretches(split, bar.advance))
    if not len(model.wv):
        raise BadInput(
            f"none of the {split.num_tokens:,} training tokens occurs {config.min_count} times: "
            "lower --training.min_count, or give more text"
        )
    with progress.stage("word2vec", config.epochs * split.num_tokens, "tokens") as bar:
        model.train(
            _Stretches(split, bar.advance),
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=model.epochs,
        )
    names: list[str] = model.wv.index_to_key
    ids = np.array([int(name) for name in names], dtype=np.int64)
    counts = np.array([model.wv.get_vecattr(name, "count") for name in names], dtype=np.int64)
    return WordVectors(ids, np.asarray(model.wv.vectors, dtype=np.float32), counts)


class _Texts(dict[int, str]):
    """Each id as text, one and the same object every time: gensim looks words up by a hash that Python then keeps."""

    def __missing__(self, token_id: int) -> str:
        text = self[token_id] = str(token_id)
        return text


class _Stretches:
    """A split as gensim reads it, any number of times: lists of ids as text."""

    def __init__(self, split: Split, advance: Any) -> None:
        self._split = split
        self._advance = advance
        self._texts = _Texts()

    def __iter__(self) -> Iterator[list[str]]:
        total = self._split.num_tokens
        for first in range(0, total, STRETCH):
            length = min(STRETCH, total - first)
            ids, _ = self._split.gather(np.array([first]), np.array([length]))
            yield list(map(self._texts.__getitem__, ids.tolist()))
            self._advance(length)
