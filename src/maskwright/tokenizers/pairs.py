"""One text or two with a model's special tokens around them: [CLS] A [SEP] B [SEP], or <s> A </s></s> B </s>."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from maskwright.errors import BadInput

Integers = npt.NDArray[np.int64]
Text = str | tuple[str, str]
Slot = tuple[str, int]
A, B = "$A", "$B"


class EncodedPair(NamedTuple):
    """One text, or two, with special tokens: S tokens in all.

    ids       (S,) int64
    type_ids  (S,) int64, which segment each token belongs to, as the kind's layout says
    word_ids  (S,) int64, counted through A and B; -1 for the special tokens around them
    offsets   (S, 2) int64, [start, end) in characters of the text the token is from; 0, 0 for those around
    tokens    S strings
    """

    ids: Integers
    type_ids: Integers
    word_ids: Integers
    offsets: Integers
    tokens: tuple[str, ...]


class Layout(NamedTuple):
    """Where texts and special tokens stand: (a special token, or A or B; its type id), in order."""

    single: tuple[Slot, ...]
    pair: tuple[Slot, ...]

    @property
    def special(self) -> tuple[str, ...]:
        """The special tokens in it, each once."""
        return tuple(dict.fromkeys(name for name, _ in (*self.single, *self.pair) if name not in (A, B)))


class Side(NamedTuple):
    """One text of a pair, before anything is put around it."""

    ids: list[int]
    words: list[int]
    offsets: list[tuple[int, int]]
    tokens: list[str]

    @staticmethod
    def of(encoding: Encoding) -> "Side":
        """As `tokenizers` has it, its words included."""
        words = [-1 if word is None else word for word in encoding.word_ids]
        return Side(encoding.ids, words, encoding.offsets, encoding.tokens)

    def cut(self, length: int) -> "Side":
        """The first `length` tokens."""
        return self.part(0, length)

    def part(self, first: int, end: int) -> "Side":
        """Tokens `first` to `end`; words and offsets stay those of the whole text."""
        return Side(self.ids[first:end], self.words[first:end], self.offsets[first:end], self.tokens[first:end])


def encode_pairs(
    texts: Sequence[Text],
    sides_of: Callable[[list[str]], list[Side]],
    layout: Layout,
    ids: Mapping[str, int],
    *,
    max_length: int | None,
    truncate: bool,
) -> list[EncodedPair]:
    """See `Tokenizer.encode_pair`; all texts go through `sides_of` at once."""
    flat = [part for text in texts for part in ((text,) if isinstance(text, str) else text)]
    found = iter(sides_of(flat))
    encoded: list[EncodedPair] = []
    for number, text in enumerate(texts):
        sides = [next(found) for _ in range(1 if isinstance(text, str) else 2)]
        slots = layout.single if len(sides) == 1 else layout.pair
        around = len(slots) - len(sides)
        total = sum(len(side.ids) for side in sides) + around
        if max_length is not None and total > max_length:
            if not truncate:
                which = f"text {number} has" if len(texts) > 1 else "the text has"
                raise BadInput(
                    f"{which} {total} tokens{_with(layout)}, the limit is {max_length}: "
                    "shorten it or ask for truncation"
                )
            if max_length < around:
                raise BadInput(f"max_length {max_length} leaves no room for {_names(layout)}: raise it")
            sides = _truncated(sides, max_length - around)
        encoded.append(assembled(sides, slots, ids))
    return encoded


def _names(layout: Layout) -> str:
    return " and ".join(layout.special)


def _with(layout: Layout) -> str:
    return f" with {_names(layout)}" if layout.special else ""


def assembled(sides: Sequence[Side], slots: Sequence[Slot], ids: Mapping[str, int]) -> EncodedPair:
    """Sides with special tokens around them.

    slots   where they stand: `Layout.single` or `Layout.pair`
    ids     of special tokens
    """
    token_ids: list[int] = []
    type_ids: list[int] = []
    word_ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    tokens: list[str] = []
    words = 0
    for name, kind in slots:
        if name not in (A, B):
            side = Side([ids[name]], [], [(0, 0)], [name])
            word_ids.append(-1)
        else:
            side = sides[0 if name == A else 1]
            word_ids += [words + word for word in side.words]
            words += max(side.words, default=-1) + 1
        token_ids += side.ids
        type_ids += [kind] * len(side.ids)
        offsets += side.offsets
        tokens += side.tokens
    rows = [np.array(row, dtype=np.int64) for row in (token_ids, type_ids, word_ids)]
    return EncodedPair(rows[0], rows[1], rows[2], np.array(offsets, dtype=np.int64).reshape(-1, 2), tuple(tokens))


def _truncated(sides: list[Side], room: int) -> list[Side]:
    """Cut from the end of whichever side is longer, one token after another, the second when equal."""
    if len(sides) == 1:
        return [sides[0].cut(room)]
    short, long = sorted(len(side.ids) for side in sides)
    if short > room - short:
        short, long = room // 2, room - room // 2
    else:
        long = room - short
    lengths = (short, long) if len(sides[0].ids) <= len(sides[1].ids) else (long, short)
    return [side.cut(length) for side, length in zip(sides, lengths, strict=True)]
