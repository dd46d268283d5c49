"""Corpora with known shapes, for tests that need many documents fast."""

from collections.abc import Callable

import numpy as np
import pytest

from maskwright.corpus.read import Split

FIRST_WORD, VOCABULARY = 5, 1000


def split_of(documents: list[list[int]], seed: int = 0) -> Split:
    """A split with the given sentence lengths; tokens and word starts are drawn."""
    lengths = np.array([length for document in documents for length in document], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    generator = np.random.default_rng(seed)
    return Split.from_arrays(
        generator.integers(FIRST_WORD, VOCABULARY, offsets[-1]).astype(np.uint16),
        (generator.random(offsets[-1]) < 0.75).astype(np.uint8),
        offsets,
        np.concatenate([[0], np.cumsum([len(document) for document in documents])]),
    )


def drawn_split(documents: int, seed: int = 0, *, sentences: int = 40, tokens: int = 12) -> Split:
    """`documents` documents of 1 to `sentences` sentences of 1 to `tokens` tokens."""
    generator = np.random.default_rng(seed)
    return split_of(
        [
            generator.integers(1, tokens, size=size, endpoint=True).tolist()
            for size in generator.integers(1, sentences, size=documents, endpoint=True)
        ],
        seed,
    )


def numbered(split: Split) -> Split:
    """The same sentences and documents of other tokens: each one's id is its address."""
    return Split.from_arrays(
        np.arange(split.num_tokens, dtype=np.uint32),
        np.ones(split.num_tokens, np.uint8),
        split.sentence_offsets,
        split.document_offsets,
    )


@pytest.fixture(scope="session", name="split_of")
def _split_of() -> Callable[..., Split]:
    """Makes a split from lists of sentence lengths."""
    return split_of


@pytest.fixture(scope="session", name="drawn_split")
def _drawn_split() -> Callable[..., Split]:
    """Makes a split of so many drawn documents."""
    return drawn_split
