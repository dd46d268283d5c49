"""Web archives (WARC, ISO 28500): the main text of HTML pages, and text that was taken out already (WET).

Of the records, answers that hold a page and conversions to plain text are documents. Records are cut out here: the
format is a header with a length, and so it can be said where an archive breaks off.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from maskwright.errors import BadInput
from maskwright.text.formats.web_page import main_text

LONGEST_PAGE = 16 << 20  # bytes of a record; crawlers stop at 1 to 5 MiB of a page
_LONGEST_HEADER = 1 << 16  # bytes
_STEP = 1 << 20
_HTML = re.compile(rb"\r?\ncontent-type:\s*(?:text/html|application/xhtml\+xml|text/plain)", re.IGNORECASE)
_Fields = dict[bytes, bytes]


def records(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """The records that hold a text, with their numbers among all: headers and content, each character a byte.

    Content of more than `LONGEST_PAGE` bytes is no page and left out: its record is empty.
    Raises `BadInput`, naming record and byte, for what is no WARC or cut off.
    """
    number = at = 0
    while line := stream.readline(_LONGEST_HEADER):
        begun = at
        at += len(line)
        if not line.strip(b"\r\n"):
            continue
        number += 1
        where = f"{name} record {number} (byte {begun})"
        if not line.startswith(b"WARC/"):
            raise BadInput(f"{where} is no WARC record, or damaged: it begins with {line[:16]!r}, not b'WARC/'")
        header = line + _header(stream, where)
        at = begun + len(header)
        fields = _fields(header)
        size = fields.get(b"content-length", b"")
        if not size.isdigit() or len(size) > 18:
            raise BadInput(f"{where} has no length, or a wrong one: Content-Length is {size[:30]!r}")
        at += int(size)
        too_long = int(size) > LONGEST_PAGE
        wanted = not too_long and _may_hold_text(fields)
        content = _content(stream, int(size), where, keep=wanted)
        if wanted and (not _is_response(fields) or _HTML.search(content, 0, _LONGEST_HEADER)):
            yield number, (header + content).decode("latin-1")
        elif too_long and _may_hold_text(fields):
            yield number, ""


def _header(stream: BinaryIO, where: str) -> bytes:
    """The rest of a record's header, its empty line included."""
    lines: list[bytes] = []
    size = 0
    while size < _LONGEST_HEADER:
        line = stream.readline(_LONGEST_HEADER)
        if not line:
            raise BadInput(f"{where} is cut off in its header")
        lines.append(line)
        size += len(line)
        if line in (b"\r\n", b"\n"):
            return b"".join(lines)
    raise BadInput(f"{where} has a header of more than {_LONGEST_HEADER >> 10} KiB")


def _content(stream: BinaryIO, size: int, where: str, *, keep: bool) -> bytes:
    kept: list[bytes] = []
    left = size
    while left:
        piece = stream.read(min(left, _STEP))
        if not piece:
            raise BadInput(f"{where} is cut off: {size - left} of its {size} bytes are there")
        left -= len(piece)
        if keep:
            kept.append(piece)
    return b"".join(kept)


def _fields(header: bytes) -> _Fields:
    pairs = (line.partition(b":") for line in header.split(b"\n")[1:])
    return {field.strip().lower(): value.strip() for field, colon, value in pairs if colon}


def _is_response(fields: _Fields) -> bool:
    return fields.get(b"warc-type") == b"response"


def _may_hold_text(fields: _Fields) -> bool:
    kind = fields.get(b"content-type", b"").lower()
    if _is_response(fields):
        return kind.startswith(b"application/http")
    return fields.get(b"warc-type") == b"conversion" and kind.startswith(b"text/plain")


def text_of_record(record: str, where: str) -> list[str]:
    r"""The paragraphs of a record; none for an answer that is no page (an error, a packing that is not known).

    >>> text_of_record("WARC/1.0\r\nWARC-Type: conversion\r\n\r\nIt rained.\n\nShe smiled.\r\n", "")
    ['It rained.', 'She smiled.']
    """
    header, content = re.split(rb"\r?\n\r?\n", record.encode("latin-1"), maxsplit=1) if record else (b"", b"")
    text = main_text(content, where) if _is_response(_fields(header)) else content.decode("utf-8", "replace")
    found = (" ".join(line.split()) for line in text.split("\n"))
    return [line for line in found if line]
