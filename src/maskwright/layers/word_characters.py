"""The characters of words, as ELMo sees them: the bytes of UTF-8, between marks for a word's begin and end.

Peters et al. (arXiv 1802.05365), Jozefowicz et al. (arXiv 1602.02410); allenai/bilm-tf `bilm/data.py`
`UnicodeCharsVocabulary`. A word has 50 places; a longer one loses its end. Begin and end of a sentence are words of
one character each, which no text has. All numbers are one higher than the byte, since 0 stands for no word at all.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Characters = npt.NDArray[np.int16]

WIDTH = 50
"""Places of a word, its two marks included."""
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PAD = 256, 257, 258, 259, 260
KINDS = 261
"""Bytes and marks."""


def word_characters(words: Sequence[str], width: int = WIDTH) -> Characters:
    """(len(words), width): begin, the word's bytes, end, padding; each one higher than in the list above.

    >>> word_characters(["an", "词"], 8).tolist()
    [[259, 98, 111, 260, 261, 261, 261, 261], [259, 233, 176, 142, 260, 261, 261, 261]]
    """
    encoded = [word.encode("utf-8", "ignore")[: width - 2] for word in words]
    lengths = np.array([len(one) for one in encoded], dtype=np.int64)
    rows = np.repeat(np.arange(len(encoded)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    characters = np.full((len(encoded), width), PAD, np.int16)
    characters[:, 0] = BEGIN_WORD
    characters[rows, places + 1] = np.frombuffer(b"".join(encoded), np.uint8)
    characters[np.arange(len(encoded)), lengths + 1] = END_WORD
    return characters + np.int16(1)


def sentence_marks(width: int = WIDTH) -> Characters:
    """(2, width): the words that stand before and after every sentence.

    >>> sentence_marks(5).tolist()
    [[259, 257, 260, 261, 261], [259, 258, 260, 261, 261]]
    """
    marks = word_characters(["x", "x"], width)
    marks[:, 1] = BEGIN_SENTENCE + 1, END_SENTENCE + 1
    return marks


def narrowed(characters: Characters, widest: int) -> Characters:
    """The same without the last places, where all words have padding: a maximum over windows stays what it was.

    widest   the longest window that will look at them; one window with nothing but padding in it is left

    >>> narrowed(word_characters(["an"]), 3).shape
    (1, 7)
    """
    used = np.flatnonzero((characters != PAD + 1).any(0))
    return characters[:, : min(characters.shape[1], int(used.max(initial=0)) + 1 + widest)]
