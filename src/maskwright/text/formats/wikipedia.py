"""XML dumps of MediaWiki: articles (namespace 0, no redirects), and wikicode to plain text.

Pages are found by expat, fed piece by piece, in memory for one page. A document type declaration is refused, and with
it every entity that is not XML's own: nothing can expand. Of a page with several revisions the last one counts.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from maskwright.errors import BadInput
from maskwright.text import lines as text_lines

_DEEPEST = 64  # elements inside one another; dumps have 5
_LONGEST_TAG = 4 << 20  # bytes

_PAGES_BESIDE = "File|Image|Media|Category|Template|文件|檔案|档案|图像|圖像|图片|圖片|媒体|媒體|分类|分類"
_LINK_BESIDE = re.compile(rf"\s*(?:{_PAGES_BESIDE})\s*:", re.IGNORECASE)  # shows a picture, or nothing
_LINK_BESIDE_OR_INTERWIKI = re.compile(rf"{_LINK_BESIDE.pattern}|\s*[a-z]{{2,3}}(?:-[a-z]+)*\s*:", re.IGNORECASE)
_UNREAD = frozenset(
    """references table gallery math chem ce timeline score imagemap graph hiero syntaxhighlight source pre style
    script mapframe maplink templatestyles indicator inputbox categorytree section""".split()
)
_VARIANTS = re.compile(r"-\{([^{}]*)\}-")  # 字词转换: what a reader of each variant of Chinese sees
_FIRST_VARIANTS = ("zh-hans", "zh-cn", "zh-sg", "zh-my", "zh")
_NOTE_BEGIN = re.compile(r"<ref[\s>]", re.IGNORECASE)
_NOTE_END = re.compile(r"</ref\s*>", re.IGNORECASE)
_EMPTY_NOTE = re.compile(r"<ref\b[^<>]*/>", re.IGNORECASE)
_SINGLE = "(?:br|hr|wbr|p|li|dd|dt|tr|td|th)\\b"  # tags that need no end
_MARK = re.compile(rf"</?(?!{_SINGLE})[a-z]+(?![^<>]*/>)|{{{{|}}}}|{{\||\|}}|\[(?=http|//)|\[\[|\]\]?", re.IGNORECASE)
_ENDS = {"{{": "}}", "{|": "|}", "[[": "]]", "[": "]"}
_MOST_WORK = 50_000_000  # unclosed marks times characters: about a second
_FEW_LINES = 4000  # characters
_SWITCH = re.compile(r"__[A-Z]{3,}__")
_EMPTY_BRACKETS = re.compile(r"\s?[(（]\s*(?:[,;:，；：、]\s*)*[)）]")  # a template stood there
_BEGUN_BRACKETS = re.compile(r"([(（])\s*(?:[,;，；、]\s*)+")


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


def plain_text(wikicode: str, where: str) -> list[str]:
    r"""The paragraphs and headings of a page: templates, tables, notes, formulas, pictures and categories left out.

    >>> plain_text("'''Anarchism''' is a [[way of life|philosophy]].<ref>Sylvan</ref>\n[[Category:Ideas]]", "")
    ['Anarchism is a philosophy.']
    >>> plain_text("'''-{zh-hans:计算机;zh-hant:電腦}-'''是[[机器]]（{{lang-en|computer}}）。", "")
    ['计算机是机器。']
    """
    try:
        import mwparserfromhell
        from mwparserfromhell.parser import ParserError
    except ImportError:
        raise BadInput(f"{where} is wikicode: to read it, run `pip install 'maskwright[wikipedia]'`") from None
    wikicode = _without_notes(_VARIANTS.sub(_one_variant, wikicode))
    try:
        text = "".join(seen for part in _parts(wikicode) for seen in _strings(mwparserfromhell.parse(part)))
    except (ParserError, RecursionError) as error:
        raise BadInput(f"{where} is no wikicode: {error}") from None
    text = _BEGUN_BRACKETS.sub(r"\1", _EMPTY_BRACKETS.sub("", _SWITCH.sub("", text)))
    found = (" ".join(line.split()) for line in text.split("\n"))
    return [line for line in found if any(map(str.isalnum, line)) and not line.startswith(("|", "{|", "!"))]


def _without_notes(wikicode: str) -> str:
    """Without <ref>...</ref>: the parser keeps them where something beside them does not close.

    >>> _without_notes("It rained<ref name=a>Smith</ref><ref name=a />.")
    'It rained.'
    """
    pieces = _NOTE_END.split(_EMPTY_NOTE.sub("", wikicode))
    for at, piece in enumerate(pieces[:-1]):
        begun = [begin.start() for begin in _NOTE_BEGIN.finditer(piece)]
        pieces[at] = piece[: begun[-1]] if begun else piece
    return "".join(pieces)


def _parts(wikicode: str) -> list[str]:
    """What is parsed at a time: the page, as templates and tables may go on over many lines.

    For each mark that does not close, the parser goes to the end of what it has and back again. Where that would take
    seconds, as pages made to do so want, it has a few lines at a time.
    """
    marks = Counter(mark.lower() for mark in _MARK.findall(wikicode))
    ends = {mark: f"</{mark[1:]}" for mark in marks if mark[0] == "<" and mark[1] != "/"} | _ENDS
    opened = sum(max(0, marks[mark] - marks[end]) for mark, end in ends.items())
    if opened * len(wikicode) < _MOST_WORK:
        return [wikicode]
    return [wikicode[at : at + _FEW_LINES] for at in range(0, len(wikicode), _FEW_LINES)]


def _strings(code: Any) -> Iterator[str]:
    """What a reader sees of each node."""
    from mwparserfromhell import nodes

    for node in code.nodes:
        match node:
            case nodes.Text():
                yield node.value
            case nodes.HTMLEntity():
                yield node.normalize() or ""
            case nodes.Wikilink():
                beside = _LINK_BESIDE if node.text is not None else _LINK_BESIDE_OR_INTERWIKI
                if not beside.match(str(node.title)):
                    yield from _strings(node.text if node.text is not None else node.title)
            case nodes.ExternalLink():
                if node.title is not None:
                    yield from _strings(node.title)
            case nodes.Heading():
                yield "\n"
                yield from _strings(node.title)
                yield "\n"
            case nodes.Tag():
                name = str(node.tag).strip().lower()
                if name in ("br", "p", "li", "dd", "dt", "div"):
                    yield "\n"
                if name not in _UNREAD and node.contents:
                    yield from _strings(node.contents)
            case _:
                pass


def _one_variant(match: re.Match[str]) -> str:
    """What -{...}- shows in simplified Chinese, or what there is.

    >>> [_VARIANTS.sub(_one_variant, text) for text in ("-{zh-tw:軟體;zh-cn:软件;}-", "-{后}-", "-{H|zh-hans:a}-")]
    ['软件', '后', '']
    """
    flags, bar, body = match[1].partition("|")
    if not bar:
        flags, body = "", match[1]
    if {"H", "T", "-"} & set(flags.replace(";", " ").split()):
        return ""
    rules = [rule.partition(":") for rule in body.split(";")]
    shown = {variant.strip().lower(): text.strip() for variant, colon, text in rules if colon}
    if not shown or not all(variant.startswith("zh") for variant in shown):
        return body
    return next((shown[variant] for variant in _FIRST_VARIANTS if variant in shown), next(iter(shown.values())))
