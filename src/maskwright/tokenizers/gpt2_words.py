r"""The pre-tokens of GPT-2's regular expression, found in many sentences at once.

    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

(openai/gpt-2, encoder.py.) What is a letter, a number and white space is asked of `tokenizers`, once for each character
seen; the runs of them are numpy's work. A contraction's ending is a pre-token (don 't), a hyphen is one too
(well - known), and a space belongs to the pre-token behind it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import pre_tokenizers

from maskwright.text.characters import are_ideographs

_UNSEEN, _BORDER, _SPACE, _LETTER, _NUMBER, _OTHER = 0, 1, 2, 3, 4, 5
_CONTRACTIONS = ("s", "t", "re", "ve", "m", "ll", "d")
Array = npt.NDArray[Any]


class PreTokens:
    """Knows the class of each character it has seen. Not to be shared between threads."""

    def __init__(self) -> None:
        self._class = np.zeros(0x110000, dtype=np.uint8)

    def find(self, points: Array, borders: Array) -> tuple[Array, Array]:
        """Begin and end of each pre-token among the code points.

        borders  places that part sentences and belong to none

        >>> text = "We'll re-use  it"
        >>> points = np.array([ord(character) for character in text + chr(10)])
        >>> at, ends = PreTokens().find(points, np.array([len(text)]))
        >>> [text[begin:end] for begin, end in zip(at, ends, strict=True)]
        ['We', "'ll", ' re', '-', 'use', ' ', ' it']
        """
        classes = self._classes(points)
        classes[borders] = _BORDER
        begins = np.diff(classes, prepend=_BORDER) != 0
        begins[borders] = True

        space_ends = np.flatnonzero((classes[:-1] == _SPACE) & (classes[1:] != _SPACE) & (classes[1:] != _BORDER))
        begins[space_ends] = True  # the last white space before something: that something's, if it is a space
        begins[space_ends[points[space_ends] == ord(" ")] + 1] = False
        self._join_contractions(points, classes, begins)

        at = np.flatnonzero(begins)
        ends = np.append(at[1:], len(points))
        inside = classes[at] != _BORDER
        return at[inside], ends[inside]

    def spaces_in_front(self, points: Array, at: Array, ends: Array) -> Array:
        """For each pre-token, whether its first character is a space before something else."""
        spaced = (points[at] == ord(" ")) & (ends - at > 1)
        spaced[spaced] = self._classes(points[at[spaced] + 1]) != _SPACE
        return spaced

    def _join_contractions(self, points: Array, classes: Array, begins: Array) -> None:
        """An apostrophe that begins a pre-token takes one of the seven endings with it, and nothing more."""
        marks = np.flatnonzero((points == ord("'")) & begins)
        for ending in _CONTRACTIONS:
            fits = marks[marks + len(ending) < len(points)]
            for place, letter in enumerate(ending, start=1):
                fits = fits[points[fits + place] == ord(letter)]
            begins[fits + 1] = False
            behind = fits + len(ending) + 1
            behind = behind[behind < len(points)]
            begins[behind[classes[behind] == _LETTER]] = True

    def _classes(self, points: Array) -> Array:
        classes = self._class[points]
        if (unseen := classes == _UNSEEN).any():
            ask = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
            for point in np.unique(points[unseen]).tolist():
                alike = [
                    kind
                    for kind, one in ((_LETTER, "a"), (_NUMBER, "1"), (_OTHER, "!"))
                    if len(ask(one + chr(point))) == 1
                ]
                self._class[point] = alike[0] if alike else _SPACE
            classes = self._class[points]
        return classes


def begin_words(points: Array, at: Array, spaced: Array) -> Array:
    """Where words begin: at pre-tokens, behind their space; at ideographs, and behind them."""
    chinese = are_ideographs(points)
    begins = chinese.copy()
    begins[1:] |= chinese[:-1]
    begins[at + spaced] = True
    return begins
