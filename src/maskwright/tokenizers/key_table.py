"""A hash table in numpy: many short strings looked up at once, none of them made into a Python string.

A string of at most `LONGEST` bytes is its own key: its bytes fill two 64-bit numbers, and the last byte says how many
they are. Equal keys are equal strings, so nothing depends on what the hash does except speed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

LONGEST = 15
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio (Knuth, volume 3, section 6.4)
_KEPT = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)  # the first n bytes of eight
Array = npt.NDArray[Any]


class Keys:
    """Keys of strings, in two numbers each.

    >>> keys = Keys.of("to be, or not to be".encode(), np.array([0, 3, 14]), np.array([2, 5, 16]))
    >>> keys.first[0] == keys.first[2], keys.last[0] == keys.last[2]
    (np.True_, np.True_)
    """

    def __init__(self, first: Array, last: Array) -> None:
        """first, last  (n,) uint64"""
        self.first = first
        self.last = last

    @staticmethod
    def of(text: bytes, at: Array, ends: Array, marked: Array | None = None) -> "Keys":
        """The strings [at, ends) of the text, each of 1 to `LONGEST` bytes; a marked one is not what it is unmarked."""
        padded = np.frombuffer(text + bytes(16), dtype=np.uint8)
        eight = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,))  # those from each byte on
        lengths = ends - at
        first = eight.take(at) & _KEPT.take(np.minimum(lengths, 8))
        last = eight.take(at + 8) & _KEPT.take(np.maximum(lengths - 8, 0))
        signs = lengths if marked is None else lengths + marked * 128
        return Keys(first, last | signs.astype(np.uint64) << np.uint64(56))

    def __getitem__(self, rows: Array) -> "Keys":
        return Keys(self.first[rows], self.last[rows])

    def __len__(self) -> int:
        return len(self.first)


class KeyTable:
    """Numbers by key."""

    def __init__(self) -> None:
        self._count = 0
        self._make(2**12)

    def _make(self, size: int) -> None:
        self._first = np.zeros(size, dtype=np.uint64)
        self._last = np.zeros(size, dtype=np.uint64)  # no key has 0 here
        self._values = np.full(size, -1, dtype=np.int64)
        self._shift = np.uint64(64 - (size.bit_length() - 1))

    def _slots(self, keys: Keys) -> Array:
        mixed = (keys.first ^ keys.last * _MIX) * _MIX
        return ((mixed ^ mixed >> np.uint64(32)) * _MIX >> self._shift).astype(np.int64)

    def find(self, keys: Keys) -> Array:
        """(n,) int64, the number of each key; -1 for a key that is not there."""
        slots = self._slots(keys)
        found, values = self._last.take(slots), self._values.take(slots)
        other = (found != keys.last) | (self._first.take(slots) != keys.first)
        values[other] = -1
        rows = np.flatnonzero(other & (found != 0))
        slots = slots[rows]
        while len(rows):  # another key has the slot: the next one
            slots = self._behind(slots)
            found = self._last[slots]
            same = (found == keys.last[rows]) & (self._first[slots] == keys.first[rows])
            values[rows[same]] = self._values[slots[same]]
            goes_on = ~same & (found != 0)
            rows, slots = rows[goes_on], slots[goes_on]
        return values

    def add(self, keys: Keys, values: Array) -> None:
        """Keys that are not there, each once."""
        self._count += len(keys)
        if 2 * self._count > len(self._values):
            full = self._last != 0
            known, numbers = Keys(self._first[full], self._last[full]), self._values[full]
            self._make(4 * (1 << self._count.bit_length()))
            self._put(known, numbers)
        self._put(keys, values)

    def _put(self, keys: Keys, values: Array) -> None:
        slots = self._slots(keys)
        while len(slots):
            free = np.flatnonzero(self._last[slots] == 0)
            self._values[slots[free]] = free  # of several that want a slot, the one that is then in it gets it
            got = free[self._values[slots[free]] == free]
            at = slots[got]
            self._first[at], self._last[at], self._values[at] = keys.first[got], keys.last[got], values[got]
            left = np.ones(len(slots), dtype=np.bool_)
            left[got] = False
            keys, values, slots = keys[left], values[left], self._behind(slots[left])

    def _behind(self, slots: Array) -> Array:
        return (slots + 1) & (len(self._values) - 1)
