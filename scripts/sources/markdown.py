"""Paragraphs of Markdown: no headings, listings, marks."""

import re
from collections.abc import Iterator

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*(?:\([^()]*\))?[^()]*\)")
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_LIST_MARK = re.compile(r"^\s*(?:[*+-]|\d+\\?\.)\s+|^\s*(?:> ?)+", re.MULTILINE)


def markdown_paragraphs(text: str) -> Iterator[str]:
    r"""The paragraphs of a page of Markdown, without headings, listings and marks.

    >>> list(markdown_paragraphs("# A\n\nOne _**two**_ \\-- [three\nfour](x.md).\n\n    code\n\n> 五\\.\n"))
    ['One two -- three\nfour.', '五.']
    """
    for block in re.split(r"\n\s*\n", text):
        if not block.startswith(("#", "    ", "\t")):
            block = _LINK.sub(r"\1", _LIST_MARK.sub("", block.replace("  \n", "\n")))
            if block := re.sub(r"\\([\W_])", r"\1", _EMPHASIS.sub("", block)).strip():
                yield block
