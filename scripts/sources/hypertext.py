"""Paragraphs of HTML pages: no listings, tables, menus."""

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
