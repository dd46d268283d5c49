"""Documents to arrays: a chunk of documents in, flat arrays out.

What comes out depends on the documents alone, not on how they were cut into chunks.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.corpus.encode_pairs import encode_pairs
from maskwright.corpus.shards import Array, token_type
from maskwright.text.documents import Document
from maskwright.text.words import Segmenter
from maskwright.tokenizers.tokenizer import Tokenizer

EXAMPLES = 20
_SHOWN = 80  # characters of an example

STATISTICS = ("sentences", "tokens", "words", "characters", "unknown", "joined")


class Loss(NamedTuple):
    """Something of document `document` of a chunk that did not get in."""

    document: int
    reason: str
    characters: int
    example: str


class Chunk(NamedTuple):
    """Encoded documents. A document may have lost all its sentences; it is counted all the same.

    token_ids       (T,) uint16 or uint32
    word_starts     (T,) uint8
    lengths         (sentences,) tokens of each sentence kept
    text            of each sentence kept
    statistics      (documents, 6) int64, columns as STATISTICS
    names           one a document
    losses          what was dropped
    unknown         (document, word) for words that became [UNK]
    """

    token_ids: Array
    word_starts: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    text: list[str]
    statistics: npt.NDArray[np.int64]
    names: list[str]
    losses: list[Loss]
    unknown: list[tuple[int, str]]


class Encoder:
    """A tokenizer and a segmenter at work.

    other   where sentences stand in pairs, the segmenter of their second sides; `segmenter` is then of the first
    """

    def __init__(self, tokenizer: Tokenizer, segmenter: Segmenter | None, *other: Segmenter | None) -> None:
        self._tokenizer = tokenizer
        self._segmenters = (segmenter, *other)
        self._dtype = token_type(tokenizer.vocab_size)
        self._unk_id = -1 if tokenizer.unk_id is None else tokenizer.unk_id

    def __call__(self, documents: Sequence[Document]) -> Chunk:
        """Encode the documents of one chunk."""
        sentences = [sentence for document in documents for sentence in document.sentences]
        owner = np.repeat(np.arange(len(documents)), [len(document.sentences) for document in documents])
        missing: list[tuple[int, str]] = []
        in_pairs = len(self._segmenters) == 2
        if in_pairs:
            encoded = encode_pairs(self._tokenizer, sentences, self._segmenters, missing)
        else:
            encoded = self._tokenizer.encode_sentences(sentences, self._segmenters[0], missing)
        kept = encoded.lengths > 0
        sizes = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        of_token = np.repeat(owner, encoded.lengths)

        def summed(owners: Array, weights: Array | None = None) -> Array:
            return np.bincount(owners, weights, minlength=len(documents)).astype(np.int64)

        columns = [
            summed(owner[kept]),
            summed(of_token),
            summed(of_token[encoded.word_starts == 1]),
            summed(owner[kept], sizes[kept]),
            summed(of_token[encoded.token_ids == self._unk_id]),
            summed(owner, encoded.joined),
        ]
        return Chunk(
            token_ids=encoded.token_ids.astype(self._dtype),
            word_starts=encoded.word_starts,
            lengths=encoded.lengths[kept],
            text=sentences if kept.all() else [sentences[i] for i in np.flatnonzero(kept).tolist()],
            statistics=np.stack(columns, axis=1),
            names=[document.source for document in documents],
            losses=list(_losses(documents, sentences, owner, kept, columns[0], 1 + in_pairs)),
            unknown=[(int(owner[sentence]), word[:_SHOWN]) for sentence, word in missing],
        )


def _losses(
    documents: Sequence[Document],
    sentences: list[str],
    owner: Array,
    kept: Array,
    sentences_kept: Array,
    together: int,
) -> Iterator[Loss]:
    """together   1, or 2 where sentences stand in pairs"""
    reason = "sentences without a token" if together == 1 else "pairs of which a side has no token"
    for i in np.flatnonzero(~kept[::together]).tolist():
        lost = sentences[i * together : (i + 1) * together]
        document = int(owner[i * together])
        shown = f"{documents[document].source}: {' | '.join(repr(sentence[:_SHOWN]) for sentence in lost)}"
        yield Loss(document, reason, sum(map(len, lost)), shown)
    for document in np.flatnonzero(sentences_kept == 0).tolist():
        yield Loss(document, "documents without a token", 0, documents[document].source)
