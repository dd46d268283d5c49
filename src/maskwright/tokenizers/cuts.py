"""Where Chinese text can be cut without any piece changing: between characters that no piece of the vocabulary joins.

A clause of Chinese hardly ever comes twice, so looking clauses up would gain nothing. But most neighbours in it stand
in no piece together, and no piece can then reach over the place between them: what is left and right of it is encoded
as if the other were not there. The parts are short, and they repeat as words do.
"""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from maskwright.text.characters import are_ideographs

_UNSEEN, _NEVER = 0, 1  # no character that can be cut from another maps to these two
Array = npt.NDArray[Any]


def cut_units(at: Array, ends: Array, places: Array) -> tuple[Array, Array]:
    """Begins and ends of units, further cut before the places that lie inside one.

    >>> cut_units(np.array([0, 6]), np.array([5, 9]), np.array([2, 3]))
    (array([0, 2, 3, 6]), array([2, 3, 5, 9]))
    """
    marks = np.zeros(max(ends.max(initial=0), places.max(initial=0)) + 1, dtype=np.bool_)
    marks[at] = marks[places] = True
    begins = np.flatnonzero(marks)
    marks[at] = False  # where a unit ends and the next begins, it is marked again
    marks[ends] = marks[places] = True
    return begins, np.flatnonzero(marks)


class UnigramCuts:
    """For Unigram, whose pieces are strings of normalized characters.

    Both characters have to be known as pieces of their own, as neighbours that are unknown become one.
    """

    def __init__(self, pieces: Iterable[str], normalize: Callable[[str], str]) -> None:
        known = list(pieces)
        self._known = set(known)
        self._normalize = normalize
        self._meant = np.zeros(0x110000, dtype=np.int64)  # the one character it is after normalization
        joined = {ord(p[i]) << 21 | ord(p[i + 1]) for p in known for i in range(len(p) - 1)}
        self._joined = np.array(sorted(joined), dtype=np.int64)

    def places(self, points: Array) -> Array:
        """Characters before which the text can be cut, if each is normalized by itself."""
        if not (chinese := are_ideographs(points)).any():
            return np.zeros(0, dtype=np.int64)
        meant = self._meant[points]
        if (unseen := meant == _UNSEEN).any():
            self._ask(np.unique(points[unseen]))
            meant = self._meant[points]
        free = meant > _NEVER
        places = np.flatnonzero(free[1:] & free[:-1] & (chinese[1:] | chinese[:-1])) + 1
        return places[~_among(meant[places - 1] << 21 | meant[places], self._joined)]

    def _ask(self, points: Array) -> None:
        chinese = are_ideographs(points)
        for point, is_chinese in zip(points.tolist(), chinese.tolist(), strict=True):
            character = chr(point)
            meant = self._normalize(character)
            mark = unicodedata.category(character)[0] == "P" and character not in "`'"
            whole = (is_chinese or mark) and len(meant) == 1 and meant in self._known
            self._meant[point] = ord(meant) if whole else _NEVER


class ByteCuts:
    """For byte-level BPE, whose pieces may begin and end inside a character."""

    def __init__(self, tokens: Iterable[bytes]) -> None:
        joined: dict[tuple[int, int], set[int]] = {}
        for token in tokens:
            leads = [i for i, byte in enumerate(token) if byte & 0xC0 != 0x80]
            for before, place, behind in zip([0, *leads], leads, [*leads[1:], len(token)], strict=False):
                left, right = token[before:place], token[place:behind]
                if place and len(left) <= 3 and len(right) <= 3:
                    key = int.from_bytes(left, "big") << 24 | int.from_bytes(right, "big")
                    joined.setdefault((len(left), len(right)), set()).add(key)
        self._joined = {sizes: np.array(sorted(keys), dtype=np.int64) for sizes, keys in joined.items()}

    def places(self, points: Array) -> Array:
        """Characters before which the text can be cut: both neighbours are ideographs of three bytes."""
        free = are_ideographs(points) & (points < 0x10000)
        places = np.flatnonzero(free[1:] & free[:-1]) + 1
        if not len(places):
            return places
        pairs, of_place = np.unique(points[places - 1].astype(np.int64) << 21 | points[places], return_inverse=True)
        left, right = _utf8(pairs >> 21), _utf8(pairs & 0x1FFFFF)
        reached_over = np.zeros(len(pairs), dtype=np.bool_)
        for (before, behind), joined in self._joined.items():
            end, begin = left & ((1 << 8 * before) - 1), right >> 8 * (3 - behind)
            reached_over |= _among(end << 24 | begin, joined)
        return places[~reached_over[of_place]]


def _utf8(points: Array) -> Array:
    """The three bytes of each character from U+0800 to U+FFFF, as one number."""
    return 0xE08080 | (points >> 12) << 16 | (points >> 6 & 0x3F) << 8 | (points & 0x3F)


def _among(values: Array, known: Array) -> Array:
    """Which of the values are in the sorted row `known`."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    return known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
