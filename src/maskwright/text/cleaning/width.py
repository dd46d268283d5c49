"""Full-width and half-width forms: one width for each character.

East Asian encodings had Latin letters as wide as an ideograph, and katakana half as wide. Unicode keeps both in the
block U+FF00 to U+FFEF, each with the ordinary character it stands for, which is what this step puts in its place.

letters     letters, digits and technical signs become ASCII, half-width kana and marks ordinary ones; the marks that
            belong to Chinese writing stay wide: ！（），：；？［］｛｝～
all         the whole block, so that ，becomes a comma

Neither touches 。、《》“”…— which are no forms of ASCII marks.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Literal

Mode = Literal["letters", "all"]

CHINESE_MARKS = "！（），：；？［］｛｝～"
"""Full-width forms of ASCII marks that Chinese typography sets wide."""

_VOICED = re.compile("[\u30a1-\u30ff][\u3099\u309a]")  # kana and the sound mark that stood behind it as its own half


def _ordinary(code_point: int) -> str | None:
    """What a wide or narrow form stands for.

    >>> _ordinary(ord("Ａ")), _ordinary(ord("｡")), _ordinary(ord("语"))
    ('A', '。', None)
    """
    kind, _, ordinary = unicodedata.decomposition(chr(code_point)).partition(" ")
    return chr(int(ordinary, 16)) if kind in ("<wide>", "<narrow>") else None


_ORDINARY = {point: ordinary for point in range(0xFF00, 0xFFF0) if (ordinary := _ordinary(point)) is not None}


def one_width(mode: Mode) -> Callable[[str], str]:
    """The function that replaces the forms that `mode` names.

    >>> one_width("letters")("ＢＥＲＴ有１２层，用（ﾏｽｸ）｡")
    'BERT有12层，用（マスク）。'
    >>> one_width("all")("ＢＥＲＴ有１２层，用（ﾃﾞｰﾀ）｡")
    'BERT有12层,用(データ)。'
    """
    kept = CHINESE_MARKS if mode == "letters" else ""
    table = {point: ordinary for point, ordinary in _ORDINARY.items() if chr(point) not in kept}
    forms = re.compile("[" + "".join(map(chr, table)) + "]")

    def replaced(text: str) -> str:
        if text.isascii() or not forms.search(text):
            return text
        return _VOICED.sub(lambda pair: unicodedata.normalize("NFC", pair[0]), text.translate(table))

    return replaced
