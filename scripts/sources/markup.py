"""Paragraphs of HTML pages and of manual pages."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

# Elements that begin a paragraph; everything else is inside of one.
_BLOCKS = frozenset(
    """p li dd dt div section article h1 h2 h3 h4 h5 h6 td th tr table ul ol dl blockquote br hr body main figcaption
    caption""".split()
)
_DROPPED = frozenset("script style head nav aside header footer pre table form button select svg math noscript".split())
_VOID = frozenset("br hr img input meta link col area base embed source track wbr".split())


class _Paragraphs(HTMLParser):
    def __init__(self, dropped_classes: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.dropped_classes = dropped_classes
        self.found: list[str] = []
        self.pieces: list[str] = []
        self.dropping = ""  # the element being passed over
        self.depth = 0  # how many of its name are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropping:
            self.depth += tag == self.dropping
            return
        classes = frozenset((dict(attrs).get("class") or "").split())
        if (tag in _DROPPED or classes & self.dropped_classes) and tag not in _VOID:
            self.dropping, self.depth = tag, 1
        if tag in _BLOCKS or tag == "pre":  # a dropped word leaves its sentence whole
            self.finish()

    def handle_endtag(self, tag: str) -> None:
        if self.dropping:
            self.depth -= tag == self.dropping
            if not self.depth:
                self.dropping = ""
        elif tag in _BLOCKS:
            self.finish()

    def handle_data(self, data: str) -> None:
        if not self.dropping:
            self.pieces.append(data)

    def finish(self) -> None:
        if text := "".join(self.pieces).strip():
            self.found.append(text)
        self.pieces = []


def html_paragraphs(page: str, dropped_classes: frozenset[str] = frozenset()) -> list[str]:
    """The paragraphs of a page outside of listings, tables, menus and elements of the classes to drop.

    >>> html_paragraphs("<head><title>x</title></head><p>One &amp; <b>two</b>.<pre>ls</pre><li>三<br>四")
    ['One & two.', '三', '四']
    """
    parser = _Paragraphs(dropped_classes)
    parser.feed(page)
    parser.close()
    parser.finish()
    return parser.found


_FONTS = re.compile(r"\\f(?:[BIRPC]|\(..|\[[^\]]*\])|\\s[+-]?\d|\\[&%/,|^)]")
_SIGNS = {
    "-": "-", "e": "\\", "(co": "©", "(em": "—", "(en": "–", "(bu": "•", "(lq": "“", "(rq": "”", "(aq": "'", "(oq": "‘",
    "(cq": "’", "(dq": '"', "'": "'", "`": "`", " ": " ", "~": " ", "0": " ", ".": ".", "(ha": "^", "(ti": "~",
    '*(L"': '"', '*(R"': '"',
}  # fmt: skip
_SIGN = re.compile(r"\\(\*?\(..|\[[^\]]*\]|.)")
_SHOWN = frozenset("B I R BR BI IB IR RB RI SM SB Nm Fl Ar Pa Em Sy Li Xr Fn Va Ic Cm Dq Sq Qq Ql Dv Ev".split())
_LISTINGS = {"nf": "fi", "TS": "TE", "EX": "EE", "Bd": "Ed", "ig": ".", "de": ".", "PS": "PE", "EQ": "EN"}
_WORDS = re.compile(r'"([^"]*)"|(\S+)')


def man_paragraphs(page: str) -> Iterator[str]:
    r"""The paragraphs of a manual page (troff with the macros of man or mdoc), without listings and headings.

    >>> list(man_paragraphs('.SH 描述\n.BR ls (1)\n列出 \\fI文件\\fP。\n.\\" 注\n.nf\nls\n.fi\n.PP\n完。'))
    ['ls(1)\n列出 文件。', '完。']
    """
    lines: list[str] = []
    until = ""
    for line in page.splitlines():
        request, _, rest = line[1:].strip().partition(" ") if line[:1] in ".'" and line[:1] else ("", "", "")
        if until:
            until = "" if request == until else until
            continue
        if not line[:1] or line[0] not in ".'":
            if line.strip():
                lines.append(line)
                continue
        elif request.startswith('\\"') or request in ("ft", "ad", "na", "hy", "in", "ne", "so", "tr", "Sm"):
            continue
        elif request in _SHOWN:
            words = [quoted or plain for quoted, plain in _WORDS.findall(rest)]
            lines.append(("" if len(request) == 2 and request.isupper() else " ").join(words))
            continue
        until = _LISTINGS.get(request, "")
        if lines:
            yield untroff("\n".join(lines))
        lines = []
    if lines:
        yield untroff("\n".join(lines))


def untroff(text: str) -> str:
    r"""Text without changes of font, its escaped signs as themselves.

    >>> untroff(r"\fBls\fR \-l \(co")
    'ls -l ©'
    """
    text = _SIGN.sub(lambda found: _SIGNS.get(found[1], ""), _FONTS.sub("", text))
    return text.replace("``", '"').replace("''", '"')


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
