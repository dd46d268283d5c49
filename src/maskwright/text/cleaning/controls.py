"""Characters that nobody sees: dropped as BERT's cleaning drops them, odd white space made a plain space.

google-research/bert's `_clean_text` drops U+FFFD and the categories Cc and Cf (controls; soft hyphens, zero-width
spaces and joiners, direction marks). Private-use characters and lone surrogates, which mean nothing outside the
system that made them, go too. The ranges are those of Unicode 16 and stand here, so that text is cleaned alike
whatever Unicode the Python that runs knows.

Where this differs from BERT: what Python calls white space (tabs, form feeds, U+0085, U+2028) becomes a space, so
that words on both sides of it stay apart; BERT drops some of these.
"""

import re

REPLACEMENT = "\ufffd"
"""What decoders leave for bytes they cannot read: it tells of a loss that happened earlier, so it has its own count."""

DROPPED = (
    (0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F),  # Cc that are not white space
    (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2),
    (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2064), (0x2066, 0x206F), (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F),  # Cf
    (0xD800, 0xDFFF),  # Cs
    (0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD),  # Co
)  # fmt: skip
"""First and last code point of each range that is dropped."""

_DROPPED = re.compile("[" + "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in DROPPED) + "]")
_WHITE_SPACE = re.compile(r"[^\S\n ]")


def without_replacements(text: str) -> str:
    """`text` without U+FFFD.

    >>> without_replacements("使用\ufffd\ufffd语言模型")
    '使用语言模型'
    """
    return text.replace(REPLACEMENT, "")


def without_controls(text: str) -> str:
    r"""`text` without unseen characters, white space other than line breaks made plain spaces.

    >>> without_controls("zero\u200bwidth\tand\u00a0\u2028soft\u00adhyphens")
    'zerowidth and  softhyphens'
    >>> without_controls("语言\ufeff模型\u3000预测\ue000")
    '语言模型 预测'
    """
    if text.replace("\n", " ").isprintable():  # the common case, told at once
        return text
    return _DROPPED.sub("", _WHITE_SPACE.sub(" ", text))
