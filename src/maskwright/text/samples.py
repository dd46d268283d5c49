"""The two texts that travel with the package: Jane Austen's six novels and the Romance of the Three Kingdoms.

Both are in the public domain; NOTICE says where they come from, `scripts/make_samples.py` made them. A document is
a chapter. Its `part` is the novel, or a sixth of the Chinese book (twenty chapters, in order).
"""

import json
import lzma
from importlib.resources import files
from typing import NamedTuple

from maskwright.errors import BadInput

_FILES = {"en": "austen.jsonl.xz", "zh": "sanguo.jsonl.xz"}


class SampleDocument(NamedTuple):
    """One chapter: its title, the part it belongs to, its sentences in order."""

    title: str
    part: str
    sentences: tuple[str, ...]


def sample(language: str) -> list[SampleDocument]:
    """All chapters of the sample text in `language` ("en" or "zh"), in the order of the books.

    >>> chapter = sample("en")[50]
    >>> chapter.title, chapter.part
    ('Pride and Prejudice, Chapter 1', 'Pride and Prejudice')
    >>> print(chapter.sentences[2])
    "My dear Mr. Bennet," said his lady to him one day, "have you heard that Netherfield Park is let at last?"
    >>> print(sample("zh")[0].title, sample("zh")[0].part, sample("zh")[0].sentences[0])
    第一回 宴桃园豪杰三结义 斩黄巾英雄首立功 第1–20回 滚滚长江东逝水，浪花淘尽英雄。
    """
    if language not in _FILES:
        raise BadInput(f"no sample text in {language!r}: there are {' and '.join(sorted(_FILES))}")
    packed = files("maskwright.text").joinpath("samples", _FILES[language]).read_bytes()
    rows = (json.loads(line) for line in lzma.decompress(packed).decode().splitlines())
    return [SampleDocument(row["title"], row["part"], tuple(row["sentences"])) for row in rows]
