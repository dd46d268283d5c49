"""What is known without reading: how frequent tokens are. The measure that a masked model must beat first."""

from typing import NamedTuple

import numpy as np

from maskwright.corpus.read import Split


class Unigrams(NamedTuple):
    """Cross-entropy in nats and accuracy of guessing every token by its training frequency alone."""

    loss: float
    accuracy: float


def unigrams(train: Split, held_out: Split, vocab_size: int) -> Unigrams:
    """Frequencies of `train`, each count raised by one, judged on all tokens of `held_out`.

    >>> row = Split.from_arrays(np.array([0, 0, 0, 1]), np.ones(4), np.array([0, 4]), np.array([0, 1]))
    >>> guess = unigrams(row, row, vocab_size=2)
    >>> round(guess.loss, 4), guess.accuracy  # shares 4/6 and 2/6
    (0.5788, 0.75)
    """
    counts = token_counts(train, vocab_size)
    judged = token_counts(held_out, vocab_size)
    shares = (counts + 1) / (counts.sum() + vocab_size)
    total = max(1, int(judged.sum()))
    return Unigrams(float(-(judged * np.log(shares)).sum() / total), float(judged[counts.argmax()] / total))


def token_counts(split: Split, vocab_size: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(vocab_size,) how often each token stands in a split."""
    counts = np.zeros(vocab_size, np.int64)
    stretch = 1 << 24
    for first in range(0, split.num_tokens, stretch):
        ids, _ = split.gather(np.array([first]), np.array([min(stretch, split.num_tokens - first)]))
        counts += np.bincount(ids, minlength=vocab_size)
    return counts
