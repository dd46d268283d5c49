"""Pages of the web, as a server answered them: the answer unpacked, its encoding found, its main text taken out.

The text is found by resiliparse: of the extractors that were compared for DataComp-LM (arXiv 2406.11794) it made as
good a corpus as trafilatura, eight times faster.
"""

import http.client
import io
import re
import zlib
from typing import Any, BinaryIO

from maskwright.errors import BadInput

MOST_UNPACKED = 16 << 20  # bytes of a page
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # of zlib, for each packing
_NO_END = b"area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|option|p|param|source|td|th|tr|track|wbr"
_TAG = re.compile(rb"<(/?)(?!(?:%s)\b)[a-z]" % _NO_END, re.IGNORECASE)
_DEEPEST = 1000  # elements inside one another: extraction goes through them again and again; browsers stop at 512


def main_text(content: bytes, where: str) -> str:
    """The main text of an HTTP answer; none where it is no page: an error, no HTTP, a packing that is not known."""
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
    return _text_of_html(body, named[1] if named else None, plain=kind.lower().startswith("text/plain"), where=where)


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
    return zlib.decompressobj(wbits=_WINDOW_BITS[packing]).decompress(body, MOST_UNPACKED)


def _text_of_html(body: bytes, encoding: str | None, *, plain: bool, where: str) -> str:
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


class _Answer:
    """Stands for the socket from which `http.client` reads an answer: bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, _: str) -> BinaryIO:
        return io.BytesIO(self.content)
