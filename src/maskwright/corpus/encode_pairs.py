"""Sentences that stand in pairs, to arrays: each side has its own way of finding words, and none goes in alone."""

from collections.abc import Sequence

import numpy as np

from maskwright.corpus.shards import Array
from maskwright.text.words import Segmenter
from maskwright.tokenizers.lookup import Encoded
from maskwright.tokenizers.tokenizer import Tokenizer


def encode_pairs(
    tokenizer: Tokenizer,
    sentences: Sequence[str],
    segmenters: Sequence[Segmenter | None],
    unknown: list[tuple[int, str]],
) -> Encoded:
    """As `Tokenizer.encode_sentences`, of sentences that are the first and the second of pairs in turn.

    A pair of which one side has no token has none on the other either.

    segmenters   of the first sides and of the second; None: words are the tokenizer's
    """
    missing: list[tuple[int, str]] = []
    sides: list[Encoded] = []
    for side, segmenter in enumerate(segmenters):
        found: list[tuple[int, str]] = []
        sides.append(tokenizer.encode_sentences(sentences[side::2], segmenter, found))
        missing += [(2 * number + side, word) for number, word in found]
    unknown += sorted(missing, key=lambda one: one[0])  # stable: those of a sentence stay in order
    return _whole(_in_turn(*sides))


def _in_turn(first: Encoded, second: Encoded) -> Encoded:
    """A sentence of the one, a sentence of the other."""
    counts = np.stack([first.lengths, second.lengths], axis=1)
    begins = np.cumsum(counts, axis=0) - counts + [0, len(first.token_ids)]
    lengths = counts.ravel()
    ends = np.cumsum(lengths)
    rows = np.repeat(begins.ravel() - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
    return Encoded(
        token_ids=np.concatenate([first.token_ids, second.token_ids])[rows],
        word_starts=np.concatenate([first.word_starts, second.word_starts])[rows],
        lengths=lengths,
        joined=np.stack([first.joined, second.joined], axis=1).ravel(),
    )


def _whole(encoded: Encoded) -> Encoded:
    """The same, with nothing where a side of a pair has no token."""
    whole: Array = (encoded.lengths > 0).reshape(-1, 2).all(axis=1).repeat(2)
    if whole.all():
        return encoded
    stays = np.repeat(whole, encoded.lengths)
    return Encoded(
        token_ids=encoded.token_ids[stays],
        word_starts=encoded.word_starts[stays],
        lengths=np.where(whole, encoded.lengths, 0),
        joined=np.where(whole, encoded.joined, 0),
    )
