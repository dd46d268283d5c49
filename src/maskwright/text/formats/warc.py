"""Web archives (WARC, ISO 28500): the main text of HTML pages, and text that was taken out already (WET).

Of the records, responses of HTML and conversions to plain text are documents. Records are cut out here, as the format
is a header with a length, and only so can it be said where an archive breaks off; HTML is read by resiliparse.
"""

import http.client
import io
import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from maskwright.errors import BadInput
from maskwright.text import lines as text_lines

_LONGEST_HEADER = 1 << 16  # bytes
_STEP = 1 << 20
_HTML = re.compile(rb"\r?\ncontent-type:\s*(?:text/html|application/xhtml\+xml|text/plain)", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)

_NO_END = b"area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|option|p|param|source|td|th|tr|track|wbr"
_TAG = re.compile(rb"<(/?)(?!(?:%s)\b)[a-z]" % _NO_END, re.IGNORECASE)
_DEEPEST = 1000  # elements inside one another: extraction goes through them again and again; browsers stop at 512

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # of zlib, for each packing

_Fields = dict[bytes, bytes]


def records(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """The records that hold a text, with their numbers among all: headers and content, each character a byte.

    Content of more than `text_lines.LONGEST_LINE` bytes is no page and left out: its record is empty.
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
        too_long = int(size) > text_lines.LONGEST_LINE
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
    text = _page(content, where) if _is_response(_fields(header)) else content.decode("utf-8", "replace")
    found = (" ".join(line.split()) for line in text.split("\n"))
    return [line for line in found if line]


class _Answer:
    """Stands for the socket from which `http.client` reads an answer: bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, _: str) -> BinaryIO:
        return io.BytesIO(self.content)


def _page(content: bytes, where: str) -> str:
    """The main text of an HTTP answer."""
    answer: Any = http.client.HTTPResponse(_Answer(content))  # type: ignore[arg-type]
    try:
        answer.begin()
        body = _body(answer, content)
    except (http.client.HTTPException, ValueError, zlib.error):
        return ""
    if answer.status != 200:
        return ""
    kind = answer.headers.get("content-type", "")
    named = _CHARSET.search(kind)
    return _main_text(body, named[1] if named else None, plain=kind.lower().startswith("text/plain"), where=where)


def _body(answer: Any, content: bytes) -> bytes:
    """The body, or what was archived of it: often unpacked, though its header says that it is packed."""
    try:
        body = answer.read()
    except http.client.IncompleteRead as error:
        body = error.partial
        if answer.chunked and not body:
            body = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[1]
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if packing in ("identity", "") or body.lstrip()[:1] == b"<":
        return body
    if packing not in _WINDOW_BITS:
        raise ValueError(packing)
    return zlib.decompressobj(wbits=_WINDOW_BITS[packing]).decompress(body, text_lines.LONGEST_LINE)


def _main_text(body: bytes, encoding: str | None, *, plain: bool, where: str) -> str:
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
    except ImportError:
        raise BadInput(f"{where} is a page of HTML: to read it, run `pip install 'maskwright[web]'`") from None
    if plain:
        return bytes_to_str(body, encoding or detect_encoding(body) or "utf-8", "replace")
    if _depth(body) > _DEEPEST:
        return ""
    encoding = map_encoding_to_html5(encoding) if encoding else detect_encoding(body, from_html_meta=True)
    text = bytes_to_str(body, encoding or "utf-8", "replace")
    return extract_plain_text(text, main_content=True, alt_texts=False, links=False)


def _depth(body: bytes) -> int:
    """How many elements lie inside one another, those left out that need no end.

    >>> _depth(b"<html><body><div>a<br>b</div><p>c</body></html>")
    3
    """
    depth = deepest = 0
    for tag in _TAG.finditer(body):
        depth += -1 if tag[1] else 1
        deepest = max(deepest, depth)
    return deepest
