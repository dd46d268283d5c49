"""Text to pieces by looking words up: what a word's pieces are is asked of `tokenizers` once.

Natural text repeats its words. So the text of many sentences becomes one row of code points; numpy
finds the units in it, which are runs of letters and single characters that always stand alone
(punctuation, Chinese); and each unit is a row of a table. Units that are new go through `tokenizers`
itself, which therefore decides everything: ids are equal to its own, several times faster.

That a character ends the run beside it is also asked of `tokenizers` (does it split `aca`?), once for
each character seen. It holds for a unit inside any text because nothing in BERT's normalizer
looks across such a character: cleaning, lower-casing and the spaces around Chinese work on single
characters, and canonical decomposition reorders combining marks only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from maskwright.text.characters import are_ideographs
from maskwright.text.words import Segmenter

_UNSEEN, _SPACE, _ALONE, _INSIDE = 0, 1, 2, 3
_MOST_UNITS = 2**18  # then the table starts anew: memory stays bounded whatever the text
_CHUNK = 2**18  # characters worked on at a time
Array = npt.NDArray[Any]


class Encoded(NamedTuple):
    """Sentences as one flat row of pieces, without special tokens.

    token_ids    (T,) uint32
    word_starts  (T,) uint8, 1 where a token begins a word
    lengths      (number of sentences,) int64, tokens of each; 0 for a sentence that has none
    """

    token_ids: npt.NDArray[np.uint32]
    word_starts: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]


class WordLookup:
    """The table of units, filled as text goes by. Not to be shared between threads."""

    def __init__(self, tokenizer: Tokenizer, unk_id: int) -> None:
        self._tokenizer = tokenizer
        self._unk_id = unk_id
        self._class = np.zeros(0x110000, dtype=np.uint8)
        self._forget()

    def _forget(self) -> None:
        self._unit_of_run: dict[str, int] = {}
        self._unit_of_character = np.full(0x110000, -1, dtype=np.int32)
        self._names: list[str] = []
        self._first = np.zeros(1024, dtype=np.int64)  # of each unit, its pieces in the rows below
        self._count = np.zeros(1024, dtype=np.int64)
        self._ids = np.zeros(1024, dtype=np.uint32)
        self._starts = np.zeros(1024, dtype=np.uint8)
        self._used = 0

    def encode(
        self, sentences: Sequence[str], segmenter: Segmenter | None, unknown: list[tuple[int, str]] | None
    ) -> Encoded:
        """See `WordPiece.encode_sentences`."""
        parts: list[Encoded] = []
        first, size = 0, 0
        for i, sentence in enumerate(sentences):
            size += len(sentence)
            if size >= _CHUNK or i == len(sentences) - 1:
                parts.append(self._encode_chunk(sentences[first : i + 1], first, segmenter, unknown))
                first, size = i + 1, 0
        if len(parts) == 1:
            return parts[0]
        none = Encoded(np.zeros(0, np.uint32), np.zeros(0, np.uint8), np.zeros(0, np.int64))
        joined = [np.concatenate(arrays) for arrays in zip(none, *parts, strict=True)]
        return Encoded(*joined)

    def _encode_chunk(
        self,
        sentences: Sequence[str],
        first_sentence: int,
        segmenter: Segmenter | None,
        unknown: list[tuple[int, str]] | None,
    ) -> Encoded:
        if len(self._names) > _MOST_UNITS:
            self._forget()
        text = "\n".join(sentences) + "\n"
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        if (lone := (points >= 0xD800) & (points <= 0xDFFF)).any():  # no text; U+FFFD is what stands for it
            points = np.where(lone, np.uint32(0xFFFD), points)
            text = points.tobytes().decode("utf-32-le")
        at, units = self._units(text, points)

        counts = self._count[units]
        ends = np.cumsum(counts)
        rows = np.repeat(self._first[units] - (ends - counts), counts)
        rows += np.arange(len(rows))
        token_ids, word_starts = self._ids[rows], self._starts[rows]

        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        begins = np.cumsum(lengths + 1) - (lengths + 1)
        tokens_before = np.concatenate([[0], ends])[np.searchsorted(at, begins)]
        if segmenter is not None:
            _mark_chinese_words(segmenter, sentences, begins, points, at, ends - counts, word_starts)
        if unknown is not None:
            is_unknown = np.flatnonzero(token_ids == self._unk_id)
            owners = np.searchsorted(tokens_before, is_unknown, side="right") - 1 + first_sentence
            unknown += self._words(owners, units[np.searchsorted(ends, is_unknown, side="right")])
        return Encoded(token_ids, word_starts, np.diff(tokens_before, append=len(token_ids)))

    def _units(self, text: str, points: Array) -> tuple[Array, Array]:
        """Where each unit of `text` begins, and its row in the table."""
        classes = self._class[points]
        if (unseen := classes == _UNSEEN).any():
            self._classify(np.unique(points[unseen]))
            classes = self._class[points]
        inside, alone = classes == _INSIDE, classes == _ALONE
        edges = np.diff(inside.view(np.int8), prepend=0, append=0)
        run_begins = edges[:-1] == 1
        at = np.flatnonzero(run_begins | alone)

        firsts, lasts = np.flatnonzero(run_begins).tolist(), np.flatnonzero(edges == -1).tolist()
        runs = [text[first:last] for first, last in zip(firsts, lasts, strict=True)]
        if new := set(runs).difference(self._unit_of_run):
            self._unit_of_run.update(self._add(sorted(new)))
        characters = points[alone]
        alone_units = self._unit_of_character[characters]
        if (missing := alone_units < 0).any():
            self._add_characters(np.unique(characters[missing]))
            alone_units = self._unit_of_character[characters]

        units = np.empty(len(at), dtype=np.int64)
        is_alone = alone[at]
        units[is_alone] = alone_units
        units[~is_alone] = list(map(self._unit_of_run.__getitem__, runs))
        return at, units

    def _classify(self, points: Array) -> None:
        normalizer, pre_tokenizer = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        assert normalizer is not None and pre_tokenizer is not None
        for point in points.tolist():
            probe = normalizer.normalize_str(f"a{chr(point)}a")
            words = [word for word, _ in pre_tokenizer.pre_tokenize_str(probe)]
            if words == ["a", "a"]:
                kind = _SPACE
            else:
                kind = _ALONE if len(words) > 2 and words[0] == words[-1] == "a" else _INSIDE
            self._class[point] = kind

    def _add_characters(self, points: Array) -> None:
        rows = self._add([chr(point) for point in points.tolist()])
        self._unit_of_character[points] = list(rows.values())

    def _add(self, names: list[str]) -> dict[str, int]:
        """New rows of the table, made by `tokenizers`; where each lies."""
        encodings = self._tokenizer.encode_batch(names, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        words = [encoding.word_ids for encoding in encodings]
        starts = [[int(i == 0 or row[i] != row[i - 1]) for i in range(len(row))] for row in words]
        counts = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        unit, used = len(self._names), self._used
        self._names += names
        self._used = used + int(counts.sum())
        self._first, self._count = (_grown(rows, len(self._names)) for rows in (self._first, self._count))
        self._ids, self._starts = (_grown(rows, self._used) for rows in (self._ids, self._starts))
        self._first[unit : unit + len(names)] = used + np.cumsum(counts) - counts
        self._count[unit : unit + len(names)] = counts
        self._ids[used : self._used] = [piece for row in ids for piece in row]
        self._starts[used : self._used] = [start for row in starts for start in row]
        return dict(zip(names, range(unit, unit + len(names)), strict=True))

    def _words(self, owners: Array, units: Array) -> list[tuple[int, str]]:
        """(sentence, word) of each unit, in order, each pair once."""
        _, first = np.unique(owners * len(self._names) + units, return_index=True)
        first.sort()
        pairs = zip(owners[first].tolist(), units[first].tolist(), strict=True)
        return [(sentence, self._names[unit]) for sentence, unit in pairs]


def _mark_chinese_words(
    segmenter: Segmenter,
    sentences: Sequence[str],
    begins: Array,
    points: Array,
    at: Array,
    first_token: Array,
    word_starts: Array,
) -> None:
    """Let Chinese characters begin a word only where the segmenter says so.

    A character after something that is no Chinese character begins a word in any case, and what is
    no Chinese character keeps the word of the pre-tokenizer.
    """
    chinese = are_ideographs(points[at])
    if not chinese.any():
        return
    begins_word = np.zeros(len(points), dtype=np.bool_)
    spans = [start + base for sentence, base in zip(sentences, begins.tolist(), strict=True)
             for start, _ in segmenter.spans(sentence)]  # fmt: skip
    begins_word[spans] = True
    follows = np.zeros(len(at), dtype=np.bool_)
    follows[1:] = chinese[1:] & chinese[:-1] & (np.diff(at) == 1)
    inner = follows & ~begins_word[at]
    word_starts[first_token[inner]] = 0


def _grown(rows: Array, size: int) -> Array:
    if size <= len(rows):
        return rows
    larger = np.zeros(max(size, 2 * len(rows)), dtype=rows.dtype)
    larger[: len(rows)] = rows
    return larger
