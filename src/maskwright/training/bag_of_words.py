"""Bags of words: how often each token stands in a text, rare tokens weighing more (TF-IDF), by scikit-learn.

Weights are scikit-learn's (`TfidfTransformer`), its settings by their names. With `dimensions` the bags are projected
on the directions in which those of the training documents differ most, by a truncated singular value decomposition:
latent semantic analysis (Deerwester et al., *Indexing by latent semantic analysis*, 1990).
"""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
CHUNK = 1 << 22  # tokens that are counted at a time


class BagOfWordsConfig(Config):
    """What becomes of the counts; names and defaults are scikit-learn's."""

    model_type: Literal["bag_of_words"] = "bag_of_words"
    """Its kind."""
    vocab_size: int = Field(ge=1, le=10_000_000)
    """Tokens of the vocabulary, V."""
    use_idf: bool = True
    """Weigh tokens by how few documents hold them, as if one more document held them all (smooth_idf)."""
    sublinear_tf: bool = False
    """One and the logarithm of a count, instead of the count."""
    norm: Literal["l2", "l1"] | None = "l2"
    """What is 1 of every bag; none: nothing is."""
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    """Project to so many dimensions; none: a number for each token of the vocabulary."""

    @property
    def hidden_size(self) -> int:
        """Numbers of a text's vector."""
        return self.vocab_size if self.dimensions is None else self.dimensions

    @property
    def longest(self) -> int:
        """The most tokens of a text: there is no limit but that of an int32."""
        return 2**31 - 1


class Bags(NamedTuple):
    """What was learned from the training documents.

    documents    how many
    weights      (V,) idf; ones without
    components   (K, V) directions; None without projection
    explained    the share of the bags' variance along them; None without
    """

    documents: int
    weights: Doubles
    components: Doubles | None
    explained: float | None


def bag_shapes(config: BagOfWordsConfig) -> Shapes:
    """The tensors of a saved model."""
    shapes: dict[str, Any] = {"idf": (torch.float64, (config.vocab_size,))}
    if config.dimensions is not None:
        shapes["components"] = (torch.float64, (config.dimensions, config.vocab_size))
    return shapes


def learn_bags(split: Split, config: BagOfWordsConfig, seed: int, progress: Progress = silent) -> Bags:
    """Weights, and directions if asked for, from the documents of a split, each a bag.

    All their counts are held in memory: some twelve bytes for each different token of a document.
    BadInput where scikit-learn is not installed, and for more dimensions than documents or tokens.
    """
    most = min(split.num_documents, config.vocab_size) - 1
    if config.dimensions is not None and config.dimensions > most:
        raise BadInput(
            f"model.dimensions {config.dimensions}: {split.num_documents:,} training documents of "
            f"{config.vocab_size:,} tokens span at most {most:,}: choose fewer, or leave it out"
        )
    transformer = weighting(config)
    with progress.stage("bags of words, counting", split.num_tokens, "tokens") as bar:
        counts = document_counts(split, config.vocab_size, bar.advance)
    weighted = transformer.fit(counts).transform(counts)
    weights = np.asarray(transformer.idf_, np.float64) if config.use_idf else np.ones(config.vocab_size)
    if config.dimensions is None:
        return Bags(split.num_documents, weights, None, None)
    from sklearn.decomposition import TruncatedSVD

    drawn = draws.key(seed, "directions") & 0x7FFF_FFFF
    with progress.stage("bags of words, decomposing", config.dimensions, "directions") as bar:
        svd: Any = TruncatedSVD(config.dimensions, random_state=drawn).fit(weighted)
        bar.advance(config.dimensions)
    return Bags(split.num_documents, weights, svd.components_, float(svd.explained_variance_ratio_.sum()))


def weighting(config: BagOfWordsConfig, weights: Doubles | None = None) -> Any:
    """scikit-learn's TfidfTransformer of these settings, with the weights if they are known."""
    try:
        from sklearn.feature_extraction.text import TfidfTransformer
    except ImportError as error:
        raise BadInput("bags of words need scikit-learn: pip install 'maskwright[classic]'") from error
    norm: Any = config.norm
    transformer: Any = TfidfTransformer(norm=norm, use_idf=config.use_idf, sublinear_tf=config.sublinear_tf)
    if weights is not None and config.use_idf:
        transformer.idf_ = weights
    elif weights is not None:  # there is nothing to learn, and scikit-learn wants to have been asked to
        transformer.fit(counted(np.zeros(0, np.int64), np.zeros(1, np.int64), config.vocab_size))
    return transformer


def document_counts(split: Split, vocab_size: int, advance: Any) -> "csr_matrix":
    """(documents, V) float64, sparse: how often each token stands in each document."""
    from scipy.sparse import csr_matrix, vstack

    begins = split.document_starts  # of each document, and the end of the last, in tokens
    parts: list[Any] = []
    first = 0
    while first < split.num_documents:
        after = int(np.searchsorted(begins, begins[first] + CHUNK, side="right")) - 1
        after = min(max(after, first + 1), split.num_documents)
        start, length = int(begins[first]), int(begins[after] - begins[first])
        ids, _ = split.gather(np.array([start]), np.array([length]))
        parts.append(counted(ids, np.diff(begins[first : after + 1]), vocab_size))
        advance(length)
        first = after
    return csr_matrix(vstack(parts, format="csr")) if parts else csr_matrix((0, vocab_size))


def counted(ids: Integers, lengths: Integers, vocab_size: int) -> "csr_matrix":
    """(N, V) float64, sparse: how often each token stands in each text.

    ids       (T,) of all texts in a row
    lengths   (N,) tokens of each
    """
    from scipy.sparse import csr_matrix

    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    ones = np.ones(len(ids), np.float64)
    counts = csr_matrix((ones, np.asarray(ids, np.int64), ends), shape=(len(lengths), vocab_size))
    counts.sum_duplicates()  # which sorts too, as scikit-learn's vectorizer does
    return counts
