"""Tagged words as sequences: each word is asked about at its first piece, and no word is lost.

A sentence that has more pieces than fit goes into several windows of whole words, one behind another; each word is in
exactly one of them. A word without a piece (a lone control character) has no row, and gets the tag `OUTSIDE`.

Chinese characters stand side by side. WordPiece is given them one by one, as BERT's taggers do, since it would make one
piece of 2005 and have one answer for four characters; other tokenizers read the text as they learned to, and characters
that share a piece share its row.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maskwright.batch import Integers
from maskwright.errors import BadInput
from maskwright.tasks.examples import Tagged
from maskwright.tasks.schemes import OUTSIDE
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.tokenizers.tokenizer import Tokenizer


class Window(NamedTuple):
    """Some words of a sentence.

    encoded   their pieces, with what stands around a text
    rows      (M,) int64, the first piece of each word that has one, ascending
    words     (M,) int64, which words of the sentence these are
    sentence  which sentence
    """

    encoded: EncodedPair
    rows: Integers
    words: Integers
    sentence: int


def windows(examples: Sequence[Tagged], tokenizer: Tokenizer, length: int) -> list[Window]:
    """All sentences in windows of at most `length` tokens. BadInput for a word that has more pieces than fit."""
    alone = tokenizer.kind == "wordpiece"
    whole = [_text(one.words, joined=one.joined and not alone) for one in examples]
    encoded = tokenizer.encode_pairs([text for text, _ in whole], special_in_text=False)
    found: list[Window] = []
    for number, (example, (text, starts), one) in enumerate(zip(examples, whole, encoded, strict=True)):
        if len(one.ids) <= length:
            found.append(_window(one, starts, text, 0, number))
            continue
        room = length - int((one.word_ids < 0).sum())
        for first, end in _cuts(_pieces(one, starts), room, example.where):
            part, within = _text(example.words[first:end], joined=example.joined and not alone)
            found.append(_window(tokenizer.encode_pair(part, special_in_text=False), within, part, first, number))
    return found


def tags_of(examples: Sequence[Tagged], made: Sequence[Window], tags: Sequence[Sequence[str]]) -> list[list[str]]:
    """The tags of whole sentences from those of the words of each window."""
    found = [[OUTSIDE] * len(one.words) for one in examples]
    for window, its in zip(made, tags, strict=True):
        for word, tag in zip(window.words.tolist(), its, strict=True):
            found[window.sentence][word] = tag
    return found


def _text(words: Sequence[str], *, joined: bool) -> tuple[str, Integers]:
    """The words as a text, and where each begins.

    >>> text, starts = _text(["却", "说"], joined=True)
    >>> text, starts.tolist(), _text(["a", "mat"], joined=False)[1].tolist()
    ('却说', [0, 1], [0, 2])
    """
    between = "" if joined else " "
    lengths = np.array([len(word) + len(between) for word in words], np.int64)
    return between.join(words), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])[:-1]


def _first_pieces(one: EncodedPair, starts: Integers, text: str) -> Integers:
    """(words,) the first piece with a character of each word, -1 for a word without any.

    A piece may have a space before its word, and in Chinese more than one word (character) may share a piece.
    """
    inside = np.flatnonzero(one.word_ids >= 0)
    begins, ends = one.offsets[inside, 0], one.offsets[inside, 1]
    if not len(inside):
        return np.full(len(starts), -1)
    first = np.searchsorted(ends, starts, side="right")
    behind = np.append(starts[1:], len(text))
    there = (first < len(inside)) & (begins[np.minimum(first, len(inside) - 1)] < behind)
    return np.where(there, inside[np.minimum(first, len(inside) - 1)], -1)


def _window(one: EncodedPair, starts: Integers, text: str, first: int, sentence: int) -> Window:
    rows = _first_pieces(one, starts, text)
    known = np.flatnonzero(rows >= 0)
    return Window(one, rows[known].astype(np.int64), first + known.astype(np.int64), sentence)


def _pieces(one: EncodedPair, starts: Integers) -> Integers:
    """(words,) how many pieces begin in each word, or in the space before it."""
    begins = one.offsets[one.word_ids >= 0, 0]
    return np.bincount(np.maximum(np.searchsorted(starts, begins + 1, side="right") - 1, 0), minlength=len(starts))


def _cuts(pieces: Integers, room: int, where: str) -> list[tuple[int, int]]:
    """Stretches of words, each with at most `room` pieces, as many words as fit.

    >>> _cuts(np.array([2, 2, 1, 3, 1]), 4, "here")
    [(0, 2), (2, 4), (4, 5)]
    """
    if (longest := int(pieces.max(initial=0))) > room:
        raise BadInput(f"{where} has a word of {longest} pieces, and a sequence has room for {room}: take more tokens")
    sums, found, first = np.cumsum(pieces), list[tuple[int, int]](), 0
    while first < len(pieces):
        before = int(sums[first - 1]) if first else 0
        end = int(np.searchsorted(sums, before + room, side="right"))
        found.append((first, end))
        first = end
    return found
