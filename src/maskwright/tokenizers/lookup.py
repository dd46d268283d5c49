"""Text to pieces by looking units up: what a unit's pieces are is asked of `tokenizers` once.

Natural text repeats its words. So the text of many sentences becomes one row of code points; numpy finds the units in
it, by the rules of the kind (`Units`); and each unit is a row of a table. Units that are new go through `tokenizers`
itself, which therefore decides what their pieces are: ids are equal to its own, several times faster.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from maskwright.text.characters import are_ideographs, utf8_lengths
from maskwright.text.words import Segmenter
from maskwright.tokenizers.key_table import LONGEST, Keys, KeyTable

_MOST_UNITS = 2**18  # then the table starts anew: memory stays bounded whatever the text
GOES_ON = "\ud800"  # no text has it
_CHUNK = 2**18  # characters worked on at a time
Array = npt.NDArray[Any]


class Encoded(NamedTuple):
    """Sentences as one flat row of pieces, without special tokens.

    token_ids    (T,) uint32
    word_starts  (T,) uint8, 1 where a token begins a word
    lengths      (number of sentences,) int64, tokens of each; 0 for a sentence that has none
    joined       (number of sentences,) int64, tokens of each that hold several words, as 语言模型 may
    """

    token_ids: npt.NDArray[np.uint32]
    word_starts: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    joined: npt.NDArray[np.int64]


class Pieces(NamedTuple):
    """The pieces of several units, in one flat row. Places count characters from the beginning of the unit.

    counts  (units,) how many pieces each has
    ids     their ids
    starts  1 where a piece begins a word, each ideograph taken for a word
    first   the character each begins with; of white space before a word, the word's first
    end     behind the last character it has a part of
    inner   how many words begin inside it, behind `first`
    """

    counts: Array
    ids: Array
    starts: Array
    first: Array
    end: Array
    inner: Array


class Units(Protocol):
    """How a kind finds its units: parts of a text whose pieces do not depend on what is around them."""

    def find(self, points: Array, borders: Array) -> tuple[Array, Array, Array | None]:
        """Begin and end of each unit among the code points, in order; and which of them go on in a word, if any do.

        borders  places of the line feeds that stand between sentences, the last one included

        A unit that goes on is not what the same text at the beginning of a word is: its name begins with `GOES_ON`.
        """
        ...

    def pieces(self, units: list[str]) -> Pieces:
        """What each is made of, by `tokenizers`."""
        ...


class Lookup:
    """The table of units, filled as text goes by. Not to be shared between threads."""

    def __init__(self, units: Units, unk_id: int | None, *, prefix_space: bool = False) -> None:
        """prefix_space  puts a space before each sentence that does not begin with one"""
        self._units = units
        self._unk_id = unk_id
        self._prefix_space = prefix_space
        self._forget()

    def _forget(self) -> None:
        self._unit_of_key = KeyTable()
        self._unit_of_name: dict[str, int] = {}
        self._unit_of_character = np.full(2 * 0x110000, -1, dtype=np.int32)  # those that go on behind
        self._names: list[str] = []
        self._row = np.zeros(1024, dtype=np.int64)  # of each unit, its pieces in the rows below
        self._count = np.zeros(1024, dtype=np.int64)
        self._columns: dict[str, Array] = {
            "ids": np.zeros(1024, dtype=np.uint32),
            "starts": np.zeros(1024, dtype=np.uint8),
            "first": np.zeros(1024, dtype=np.int32),
            "end": np.zeros(1024, dtype=np.int32),
            "inner": np.zeros(1024, dtype=np.int32),
        }
        self._used = 0

    def encode(
        self, sentences: Sequence[str], segmenter: Segmenter | None, unknown: list[tuple[int, str]] | None
    ) -> Encoded:
        """See `Tokenizer.encode_sentences`."""
        chunk = np.cumsum(np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))) // _CHUNK
        edges = sorted({0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(sentences)})
        parts = [self._encode_chunk(sentences[first:end], first, segmenter, unknown) for first, end in pairwise(edges)]
        if len(parts) == 1:
            return parts[0]
        none = Encoded(np.zeros(0, np.uint32), np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
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
        text, points, begins, borders = self._laid_out(sentences)
        at, ends, going_on = self._units.find(points, borders)
        units = self._looked_up(text, points, at, ends, going_on)

        counts = self._count[units]
        last = np.cumsum(counts)
        rows = np.repeat(self._row[units] - (last - counts), counts)
        rows += np.arange(len(rows))
        token_ids, word_starts = self._columns["ids"][rows], self._columns["starts"][rows]
        inner = self._columns["inner"][rows]
        tokens_before = np.concatenate([[0], last])[np.searchsorted(at, np.concatenate([[0], borders + 1]))]

        if segmenter is not None:
            no_word = _no_word_begins(segmenter, sentences, begins, points)
            if no_word.any():
                unit_at = np.repeat(at, counts)
                begin, end = unit_at + self._columns["first"][rows], unit_at + self._columns["end"][rows]
                word_starts &= ~no_word[begin]
                several = np.flatnonzero(inner)
                if len(several):
                    before = np.concatenate([[0], np.cumsum(no_word)])
                    inner[several] -= before[end[several]] - before[begin[several] + 1]
        if unknown is not None and self._unk_id is not None:
            is_unknown = np.flatnonzero(token_ids == self._unk_id)
            owners = np.searchsorted(tokens_before, is_unknown, side="right") - 1 + first_sentence
            unknown += self._texts(owners, units[np.searchsorted(last, is_unknown, side="right")], rows[is_unknown])
        joined = np.searchsorted(tokens_before, np.flatnonzero(inner > 0), side="right") - 1
        return Encoded(
            token_ids,
            word_starts,
            np.diff(tokens_before),
            np.bincount(joined, minlength=len(sentences)).astype(np.int64),
        )

    def _laid_out(self, sentences: Sequence[str]) -> tuple[str, Array, Array, Array]:
        """One text, a line each sentence: as a string and as code points; where sentences and line ends lie in it.

        A sentence begins behind the space that may have been put before it.
        """
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        if self._prefix_space:
            spaces = np.fromiter((bool(s) and s[0] != " " for s in sentences), dtype=np.int64, count=len(sentences))
            sentences = [" " + s if space else s for s, space in zip(sentences, spaces.tolist(), strict=True)]
        else:
            spaces = np.zeros(len(sentences), dtype=np.int64)
        text = "\n".join(sentences) + "\n"
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        if (lone := (points >= 0xD800) & (points <= 0xDFFF)).any():  # no text; U+FFFD is what stands for it
            points = np.where(lone, np.uint32(0xFFFD), points)
            text = points.tobytes().decode("utf-32-le")
        borders = np.cumsum(lengths + spaces + 1) - 1
        return text, points, borders - lengths, borders

    def _looked_up(self, text: str, points: Array, at: Array, ends: Array, going_on: Array | None) -> Array:
        """The row of each unit in the table."""
        units = np.empty(len(at), dtype=np.int64)
        single = ends - at == 1
        some, others = np.flatnonzero(single), np.flatnonzero(~single)
        marks = None if going_on is None else going_on[others]
        units[others] = self._strings(text, points, at[others], ends[others], marks)
        characters = points[at[some]]
        if going_on is not None:
            characters = characters + going_on[some] * np.uint32(0x110000)
        units[some] = self._characters(characters)
        return units

    def _characters(self, characters: Array) -> Array:
        """The rows of units of one character."""
        units = self._unit_of_character[characters]
        if (missing := units < 0).any():
            added = np.unique(characters[missing])
            self._unit_of_character[added] = list(self._add(list(map(_single, added.tolist()))).values())
            units = self._unit_of_character[characters]
        return units

    def _strings(self, text: str, points: Array, at: Array, ends: Array, going_on: Array | None) -> Array:
        """The rows of units of several characters: by key if they are short and known, else by name."""
        encoded = text.encode()
        first, last = at, ends
        if len(encoded) > len(points):
            bytes_before = np.concatenate([[0], np.cumsum(utf8_lengths(points))])
            first, last = bytes_before[at], bytes_before[ends]
        short = np.flatnonzero(last - first <= LONGEST)
        keys = Keys.of(encoded, first[short], last[short], None if going_on is None else going_on[short])
        units = np.full(len(at), -1, dtype=np.int64)
        units[short] = known = self._unit_of_key.find(keys)
        if len(rest := np.flatnonzero(units < 0)):
            spans = zip(at[rest].tolist(), ends[rest].tolist(), strict=True)
            names = [text[begin:end] for begin, end in spans]
            if going_on is not None:
                marks = map(("", GOES_ON).__getitem__, going_on[rest].tolist())
                names = [mark + name for mark, name in zip(marks, names, strict=True)]
            if new := set(names).difference(self._unit_of_name):
                self._unit_of_name.update(self._add(sorted(new)))
            units[rest] = [*map(self._unit_of_name.__getitem__, names)]
            added, place = np.unique(units[short[known < 0]], return_index=True)
            self._unit_of_key.add(keys[np.flatnonzero(known < 0)[place]], added)
        return units

    def _add(self, names: list[str]) -> dict[str, int]:
        """New rows of the table; where each lies."""
        pieces = self._units.pieces(names)
        unit, used = len(self._names), self._used
        self._names += [name.removeprefix(GOES_ON) for name in names]
        self._used = used + len(pieces.ids)
        self._row, self._count = (_grown(rows, len(self._names)) for rows in (self._row, self._count))
        self._row[unit : unit + len(names)] = used + np.cumsum(pieces.counts) - pieces.counts
        self._count[unit : unit + len(names)] = pieces.counts
        for name, column in self._columns.items():
            self._columns[name] = _grown(column, self._used)
            self._columns[name][used : self._used] = getattr(pieces, name)
        return dict(zip(names, range(unit, unit + len(names)), strict=True))

    def _texts(self, owners: Array, units: Array, rows: Array) -> list[tuple[int, str]]:
        """(sentence, text) of each piece, in order, each pair once."""
        _, place = np.unique(owners * self._used + rows, return_index=True)
        place.sort()
        first, end = self._columns["first"][rows[place]].tolist(), self._columns["end"][rows[place]].tolist()
        names = (self._names[unit] for unit in units[place].tolist())
        found = zip(owners[place].tolist(), names, first, end, strict=True)
        return list(dict.fromkeys((sentence, name[a:b]) for sentence, name, a, b in found))


def _no_word_begins(segmenter: Segmenter, sentences: Sequence[str], begins: Array, points: Array) -> Array:
    """Where a Chinese character follows another and the segmenter begins no word, for each character.

    A character after something that is no Chinese character begins a word in any case, and what is
    no Chinese character keeps the word of the pre-tokenizer.
    """
    chinese = are_ideographs(points)
    follows = np.zeros(len(points), dtype=np.bool_)
    follows[1:] = chinese[1:] & chinese[:-1]
    if follows.any():
        follows[[start + base for sentence, base in zip(sentences, begins.tolist(), strict=True)
                 for start, _ in segmenter.spans(sentence)]] = False  # fmt: skip
    return follows


def _single(place: int) -> str:
    return chr(place) if place < 0x110000 else GOES_ON + chr(place - 0x110000)


def _grown(rows: Array, size: int) -> Array:
    if size <= len(rows):
        return rows
    larger = np.zeros(max(size, 2 * len(rows)), dtype=rows.dtype)
    larger[: len(rows)] = rows
    return larger
