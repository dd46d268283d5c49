"""Articles of a MediaWiki dump, their markup removed by gensim."""

import bz2
import io
import re

from sources.prose import prose
from sources.source import Documents

_QUOTES = re.compile(r"'{2,}")
_BULLET = re.compile(r"^[*#:;]+\s*")
_EMPTY_BRACKETS = re.compile(r"\s*\((?:\s|[,;])*\)")
_LEADING = re.compile(r"\((?:\s*[,;])+\s*")


def articles(dump: bytes) -> Documents:
    """Title and text of every page that is an article and no redirection."""
    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(io.BytesIO(dump)) as file:
        for title, text, _ in extract_pages(file, filter_namespaces=["0"]):  # pyright: ignore[reportArgumentType]
            if text and not text.lstrip().upper().startswith("#REDIRECT"):
                if found := prose(map(plain, filter_wiki(text).split("\n")), "en"):
                    yield title, found


def plain(line: str) -> str:
    """A line without the marks of lists and emphasis, and without the brackets that removed templates left empty.

    >>> plain("* '''Anarchism''' (;  ) is ''one'' (, from Greek).")
    'Anarchism is one (from Greek).'
    """
    line = _QUOTES.sub("", _BULLET.sub("", line))
    return _LEADING.sub("(", _EMPTY_BRACKETS.sub("", line)).replace("\xa0", " ")
