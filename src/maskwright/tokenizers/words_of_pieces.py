"""Where words begin among pieces, for kinds whose pieces know nothing of words.

A piece begins a word if and only if a word begins at its first character. White space before a word belongs to the
word: a piece that is nothing but that space counts as the word's first character. A piece that begins inside a
character (bytes) or shares its character with the piece before it (½ as 1 ⁄ 2) begins no word.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def mark_pieces(first: Array, end: Array, begins_word: Array, in_front: Array) -> tuple[Array, Array]:
    """Which pieces begin a word, and how many words begin inside each behind its first character.

    first, end   (T,) characters each piece has part of, [first, end)
    begins_word  (characters,) where words begin
    in_front     (T,) whether a piece is the first of its unit: it begins a word whatever is said above

    >>> text = np.array([1, 0, 1, 0, 1])  # 语言 模型 来
    >>> starts, inner = mark_pieces(np.array([0, 1, 4]), np.array([1, 4, 5]), text, np.array([True, False, False]))
    >>> starts.tolist(), inner.tolist()
    ([1, 0, 1], [0, 1, 0])
    """
    reached = np.zeros(len(first), dtype=np.int64)
    reached[1:] = np.maximum(end, first + 1)[:-1]
    begins = np.append(begins_word, 0).astype(np.bool_)
    starts = (begins[first] & (first >= reached)) | in_front
    before = np.concatenate([[0], np.cumsum(begins)])
    inner = np.maximum(before[end] - before[np.minimum(first + 1, len(begins))], 0)
    return starts.astype(np.uint8), inner
