"""XML dumps of MediaWiki: the articles of Wikipedia (namespace 0, no redirects), still in wikicode.

Pages are found by expat, fed piece by piece, in memory for one page. A document type declaration is refused, and with
it every entity that is not XML's own: nothing can expand. Of a page with several revisions the last one counts.
"""

from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from maskwright.errors import BadInput
from maskwright.text import lines as text_lines

_DEEPEST = 64  # elements inside one another; dumps have 5
_LONGEST_TAG = 4 << 20  # bytes


def pages(pieces: Iterator[bytes], name: str) -> Iterator[tuple[str, str]]:
    """Titles and wikicode of the articles of a dump, in order.

    Raises `BadInput`, naming line and byte, for what is no XML, no dump, cut off, or made to exhaust memory.
    """
    dump = _Dump(name)
    for piece in pieces:
        dump.feed(piece)
        yield from dump.taken()
    dump.close()


class _Dump:
    """What expat tells of a dump, gathered to pages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fed = 0
        self.path: list[str] = []
        self.page: dict[str, str] = {}
        self.text: list[str] = []
        self.size = 0
        self.found: list[tuple[str, str]] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype

    def feed(self, piece: bytes) -> None:
        self._parse(piece, False)
        self.fed += len(piece)
        if self.fed - max(self.parser.CurrentByteIndex, 0) > _LONGEST_TAG:  # expat keeps what is no whole tag yet
            raise BadInput(f"{self.where()} holds a tag that does not end within {_LONGEST_TAG >> 20} MiB")

    def close(self) -> None:
        self._parse(b"", True)

    def taken(self) -> list[tuple[str, str]]:
        found, self.found = self.found, []
        return found

    def where(self) -> str:
        return f"{self.name} line {self.parser.CurrentLineNumber} (byte {max(self.parser.CurrentByteIndex, 0)})"

    def _parse(self, piece: bytes, last: bool) -> None:
        try:
            self.parser.Parse(piece, last)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            at = f"line {error.lineno} (byte {self.parser.ErrorByteIndex})"
            if last:
                raise BadInput(f"{self.name} is cut off: its XML ends too early at {at}: {what}") from None
            raise BadInput(f"{self.name} {at} is no XML: {what}") from None

    def begin(self, tag: str, _: dict[str, str]) -> None:
        if not self.path and tag != "mediawiki":
            raise BadInput(f"{self.where()} begins with <{tag[:50]}>: a dump of MediaWiki begins with <mediawiki>")
        self.path.append(tag)
        if len(self.path) > _DEEPEST:
            raise BadInput(f"{self.where()} has more than {_DEEPEST} elements inside one another, which no dump has")
        if tag == "page":
            self.page = {}
        elif tag == "redirect":
            self.page["redirect"] = ""
        self.text, self.size = [], 0

    def end(self, tag: str) -> None:
        if tag in ("title", "ns", "text"):
            self.page[tag] = "".join(self.text)
        elif tag == "page" and self.page.get("ns", "0") == "0" and "redirect" not in self.page:
            title = " ".join(self.page.get("title", "").split()) or f"line {self.parser.CurrentLineNumber}"
            self.found.append((title, self.page.get("text", "")))
        self.path.pop()
        self.text, self.size = [], 0

    def characters(self, data: str) -> None:
        if self.path[-1] in ("title", "ns", "text"):
            self.text.append(data)
            self.size += len(data)
            if self.size > text_lines.LONGEST_LINE:
                raise BadInput(
                    f"{self.where()} is in a page of more than {text_lines.LONGEST_LINE >> 20} Mi characters"
                )

    def refuse_doctype(self, *_: Any) -> None:
        raise BadInput(f"{self.where()} declares a document type, which dumps of MediaWiki do not: it may hold a bomb")
