"""Which characters are Chinese: one table, for scanners of single characters, regular expressions and numpy.

An ideograph is what google-research/bert's tokenization.py takes for one (`_is_chinese_char`): eight blocks of
Unicode, each character a token. Wide characters are these, the marks set among them and full-width forms.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
IDEOGRAPH_CLASS = "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPHS)
"""What stands between the brackets of a regular expression's class of ideographs."""


def are_ideographs(code_points: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of the code points, of any shape, are ideographs.

    >>> are_ideographs(np.array([ord(character) for character in "a语。Ａ"])).tolist()
    [False, True, False, False]
    """
    found = np.zeros(code_points.shape, dtype=np.bool_)
    for first, last in IDEOGRAPHS:
        found |= (code_points >= first) & (code_points <= last)
    return found


def utf8_lengths(code_points: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """How many bytes each of the code points has in UTF-8.

    >>> utf8_lengths(np.array([ord(character) for character in "aß语🙂"])).tolist()
    [1, 2, 3, 4]
    """
    return 1 + (code_points >= 0x80).astype(np.int64) + (code_points >= 0x800) + (code_points >= 0x10000)


def is_wide(character: str) -> bool:
    """Whether `character` is an ideograph, a mark set among them, or a full-width form.

    >>> [is_wide(character) for character in "a语。Ａ“"]
    [False, True, True, True, False]
    """
    return "\u2e80" <= character <= "\u9fff" or "\uf900" <= character <= "\uffef" or character >= "\U00020000"
