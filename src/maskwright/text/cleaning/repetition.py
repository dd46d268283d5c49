"""Documents that repeat themselves: the rules of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1).

A document goes when too many of its lines stood before, when one n-gram of 2 to 4 words takes up too much of it, or
when too much of it lies in n-grams of 5 to 10 words that stood before. Shares are of characters, and counted as
datatrove's `GopherRepetitionFilter` counts them. In Chinese two characters stand for a word (see `ngrams.units`).

The n-grams that stood before are found by sorting hashes of all n-grams at once. How datatrove walks over them, one
after the other and past each one that it counts, is only gone through where the limit could be exceeded at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.draws import mixed
from maskwright.text.cleaning.ngrams import Hashes, ngram_hashes, units

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

REPEATED_LINES = 0.30  # of the lines
REPEATED_LINE_CHARACTERS = 0.20
TOP_NGRAM = {2: 0.20, 3: 0.18, 4: 0.16}
REPEATED_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
UNITS_OF_A_WORD = {"zh": 2}
"""A Chinese word has 1.7 characters; with one for a word a twentieth of a newspaper would be too repetitive."""


class Words(NamedTuple):
    """The words of a document.

    hashes   (W,) equal for equal words
    lengths  (W,) their characters
    """

    hashes: Hashes
    lengths: Integers

    @classmethod
    def of(cls, words: Sequence[str]) -> "Words":
        """Numbers for words, in the order of their first occurrence."""
        distinct = dict.fromkeys(words)
        number = dict(zip(distinct, range(len(distinct)), strict=True))
        numbers = np.fromiter(map(number.__getitem__, words), dtype=np.uint64, count=len(words))
        return cls(mixed(numbers), np.fromiter(map(len, words), dtype=np.int64, count=len(words)))


def too_repetitive(lines: Sequence[str], language: str) -> str | None:
    """Which limit the document exceeds and by what, the first in the order of the table; None if it keeps them all.

    >>> too_repetitive(["The same line."] * 3 + ["Another one."], "en")
    '0.50 of the lines stood before, more than 0.30'
    >>> too_repetitive(["买一送一" * 9 + "，先到先得。"], "zh")
    'the 4-gram that occurs most has 0.86 of the characters, more than 0.20'
    """
    text = "\n".join(lines)
    if (fault := _lines_fault(lines, len(text))) is not None:
        return fault
    words = Words.of(units(text))
    units_of_a_word = UNITS_OF_A_WORD.get(language, 1)
    fault = _top_ngram_fault(words, len(text), units_of_a_word, blanks=language != "zh")
    return _repeated_ngrams_fault(words, len(text), units_of_a_word) if fault is None else fault


def _lines_fault(lines: Sequence[str], size: int) -> str | None:
    before, characters = lines_that_stood_before(lines)
    if before / len(lines) > REPEATED_LINES:
        return f"{before / len(lines):.2f} of the lines stood before, more than {REPEATED_LINES:.2f}"
    if (share := characters / size) > REPEATED_LINE_CHARACTERS:
        return f"lines that stood before have {share:.2f} of the characters, more than {REPEATED_LINE_CHARACTERS:.2f}"
    return None


def _top_ngram_fault(words: Words, size: int, units_of_a_word: int, *, blanks: bool) -> str | None:
    for n, limit in _in_units(TOP_NGRAM, units_of_a_word):
        if len(words.hashes) < n:
            return None
        share = top_ngram(ngram_hashes(words.hashes, n), words.lengths, n, blanks=blanks) / size
        if share > limit:
            return f"the {n}-gram that occurs most has {share:.2f} of the characters, more than {limit:.2f}"
    return None


def _repeated_ngrams_fault(words: Words, size: int, units_of_a_word: int) -> str | None:
    for n, limit in _in_units(REPEATED_NGRAMS, units_of_a_word):
        grams = ngram_hashes(words.hashes, n)
        again = stood_before(grams)
        most = covered(again, words.lengths, n)
        if most <= min(REPEATED_NGRAMS.values()) * size:  # what longer n-grams cover lies in what these cover
            return None
        if most > limit * size and (share := repeated_ngrams(grams, again, words.lengths, n) / size) > limit:
            return f"{n}-grams that stood before have {share:.2f} of the characters, more than {limit:.2f}"
    return None


def _in_units(limits: Mapping[int, float], units_of_a_word: int) -> Iterable[tuple[int, float]]:
    return ((n * units_of_a_word, limit) for n, limit in limits.items())


def lines_that_stood_before(lines: Sequence[str]) -> tuple[int, int]:
    """How many lines equal an earlier one, and their characters."""
    distinct = set(lines)
    return len(lines) - len(distinct), sum(map(len, lines)) - sum(map(len, distinct))


def top_ngram(grams: Hashes, lengths: Integers, n: int, *, blanks: bool) -> int:
    """Characters of all occurrences of the n-gram that occurs most, the first one if several do; 0 if all occur once.

    grams   (W - n + 1,) hashes of the n-grams, as they stand
    blanks  whether one stands between two words
    """
    ordered = np.sort(grams)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    counts = np.diff(ends, prepend=-1)
    most = int(counts.max())
    if most == 1:  # a short document is not a repetitive one
        return 0
    first = int(np.isin(grams, ordered[ends[counts == most]]).argmax())
    return most * (int(lengths[first : first + n].sum()) + (n - 1) * blanks)


def stood_before(grams: Hashes) -> Booleans:
    """Which n-grams equal an earlier one."""
    order = np.argsort(grams, kind="stable")
    again = np.zeros(len(grams), dtype=np.bool_)
    again[order[1:]] = grams[order[1:]] == grams[order[:-1]]
    return again


def covered(begins: Booleans, lengths: Integers, n: int) -> int:
    """Characters of the words that lie in an n-gram that begins where `begins` says."""
    steps = np.zeros(len(lengths) + 1, dtype=np.int64)
    steps[: len(begins)] += begins
    steps[n : n + len(begins)] -= begins
    return int(lengths[np.cumsum(steps[:-1]) > 0].sum())


def repeated_ngrams(grams: Hashes, again: Booleans, lengths: Integers, n: int) -> int:
    """Characters in n-grams that stood before, none counted twice; at most those that `covered` counts.

    Goes through the n-grams in order. One that was met before counts, and the walk goes on behind it: those that
    begin inside it are neither counted nor met. Only n-grams that occur several times are looked at.
    """
    places = np.flatnonzero(np.isin(grams, grams[again]))
    ends = np.cumsum(lengths)
    sizes = ends[places + n - 1] - ends[places] + lengths[places]
    met: set[int] = set()
    characters = free = 0
    for place, gram, size in zip(places.tolist(), grams[places].tolist(), sizes.tolist(), strict=True):
        if place >= free:
            if gram in met:
                characters += size
                free = place + n
            met.add(gram)
    return characters
