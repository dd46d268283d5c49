"""Rows of one length, filled with whole sequences: a fixed number of tokens to a micro-batch.

Krell et al. 2021 (arXiv 2107.02027, section 3) pack by the histogram of lengths: how many sequences of which lengths
share a row is found for all rows of a kind at once, so that the work grows with the number of lengths and not with
that of sequences. Here it is their "longest first" with the tightest room first (best fit decreasing). Sequences in a
row do not see each other: it is one more flat batch, and `cu_seqlens` say where they begin and end.

A row of many sequences is joined from strips that are packed so, each four times as long as the longest sequence, in
random order: rows are mixtures, and the most that a strip leaves empty is little of it.
"""

from bisect import bisect_left, insort

import numpy as np

from maskwright.batch import Integers
from maskwright.errors import BadInput

STRIP = 4
"""Longest sequences in a strip."""
FULL = 0.995
"""Share of a row that is to be filled, where strips do it; else rows are filled as a whole."""


def pack(lengths: Integers, row_tokens: int, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """Which sequences share a row of at most `row_tokens`: (N,) their numbers, and (R+1,) where rows begin and end.

    Each comes once, long ones first in a row. Which of those of one length go where, and the order of the rows, are
    drawn; the last row takes what is left and is not full.

    lengths   (N,) tokens of each sequence

    Raises BadInput for a row that is shorter than a sequence.

    >>> order, ends = pack(np.array([3, 5, 2, 6, 8]), 8, np.random.default_rng(0))
    >>> sorted(sorted(order[a:b].tolist()) for a, b in zip(ends[:-1], ends[1:]))
    [[0, 1], [2, 3], [4]]
    """
    longest = int(lengths.max(initial=1))
    if longest > row_tokens:
        raise BadInput(f"a row of {row_tokens} tokens holds no sequence of {longest}: raise training.micro_tokens")
    counts, together = np.bincount(lengths), max(1, row_tokens // (STRIP * longest))
    slots, strips = _filled(counts, row_tokens // together)
    if together > 1 and lengths.sum() < FULL * row_tokens * (strips.max(initial=0) // together):
        together, (slots, strips) = 1, _filled(counts, row_tokens)
    drawn = generator.permutation(len(lengths))
    chosen = np.empty(len(lengths), np.int64)
    chosen[np.argsort(slots, kind="stable")] = drawn[np.argsort(lengths[drawn], kind="stable")]
    number = int(strips.max(initial=-1)) + 1
    row = (generator.permutation(number) // together)[strips]
    in_rows = np.lexsort((-slots, row))
    sizes = np.bincount(row, minlength=-(-number // together))
    return chosen[in_rows], np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


def _filled(counts: Integers, room: int) -> tuple[Integers, Integers]:
    """Strips of at most `room` tokens for so many sequences of each length: a length and its strip, slot by slot.

    Strips of one kind, with the same sequences in them, are one entry (kind, how many); kinds are found by their room.
    """
    kinds: dict[int, list[tuple[tuple[tuple[int, int], ...], int]]] = {}
    rooms: list[int] = []  # those for which there is a kind, ascending

    def put(left: int, kind: tuple[tuple[int, int], ...], many: int) -> None:
        if left not in kinds:
            kinds[left] = []
            insort(rooms, left)
        kinds[left].append((kind, many))

    for length in range(len(counts) - 1, 0, -1):
        waiting = int(counts[length])
        while waiting:
            tightest = bisect_left(rooms, length)
            if tightest < len(rooms):
                left = rooms[tightest]
                kind, many = kinds[left].pop()
                if not kinds[left]:
                    del kinds[left], rooms[tightest]
            else:
                left, kind, many = room, (), waiting  # new strips, as many as are wanted
            each = left // length
            whole = min(many, waiting // each)
            rest = min(each, waiting - whole * each) if whole < many else 0
            for strips, taken in ((whole, each), (1 if rest else 0, rest)):
                if strips:
                    put(left - taken * length, (*kind, (length, taken)), strips)
            untouched = many - whole - (1 if rest else 0)
            if kind and untouched:
                put(left, kind, untouched)
            waiting -= whole * each + rest
    return _slots([made for of_room in kinds.values() for made in of_room])


def _slots(kinds: list[tuple[tuple[tuple[int, int], ...], int]]) -> tuple[Integers, Integers]:
    """The strips of all kinds one after the other: the lengths in them, and the strip of each."""
    lengths, strips, begun = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for kind, many in kinds:
        one = np.repeat(*np.array(kind, np.int64).T)
        lengths.append(np.tile(one, many))
        strips.append(np.repeat(np.arange(begun, begun + many), len(one)))
        begun += many
    return np.concatenate(lengths), np.concatenate(strips)
