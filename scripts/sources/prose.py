"""What of a technical text is prose: paragraphs of whole sentences, not headings, tables, listings or menus."""

import re
from collections.abc import Iterable

_ENDS = {
    "en": re.compile(r"[.!?:…][\"'”’)\]*]*$"),
    "zh": re.compile(r"[。！？：；…．.!?:][”’」』）》)\"']*$"),
}
_LETTERS = re.compile(r"[^\W\d_]")
_MARKS = re.compile(r"[，。！？；：、,.!?;:]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SPACED_MARK = re.compile(r"(?<=[\u4e00-\u9fff)\"]) +(?=[,.;:!?)，。；：！？）])|(?<=\w) +(?=[,;])")
_GAPS = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")


def is_prose(paragraph: str, language: str) -> bool:
    """Whether a paragraph ends as sentences do, is long enough to be one, and is made of words, not of signs.

    >>> [is_prose(text, "en") for text in ("It is set to 1 by default.", "See also", "x = a[i] + b[i] * c[i, j];")]
    [True, False, False]
    >>> [is_prose(text, "zh") for text in ("这个选项默认是打开的。", "参见", "a[i] = b[i]; // 注意：")]
    [True, False, False]
    """
    if not _ENDS[language].search(paragraph):
        return False
    if language == "zh":
        characters = len(_HAN.findall(paragraph))
        return max(6, 0.4 * len(paragraph)) <= characters <= 60 * len(_MARKS.findall(paragraph))
    return paragraph.count(" ") >= 4 and len(_LETTERS.findall(paragraph)) >= 0.7 * (
        len(paragraph) - paragraph.count(" ")
    )


def one_line(text: str, language: str) -> str:
    """The lines of a paragraph as one; no blank where a Chinese line was broken, or before a mark.

    >>> one_line("It is\\n  so.", "en"), one_line("这个选项\\n默认是打开的 。", "zh")
    ('It is so.', '这个选项默认是打开的。')
    """
    joined = " ".join(text.split())
    return _SPACED_MARK.sub("", _GAPS.sub("", joined) if language == "zh" else joined)


def prose(paragraphs: Iterable[str], language: str) -> str:
    """The paragraphs that are prose, a line each."""
    lines = (one_line(paragraph, language) for paragraph in paragraphs)
    return "\n".join(line for line in lines if is_prose(line, language))
