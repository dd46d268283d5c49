"""Wikicode to plain text: what a reader of a page sees of its prose.

mwparserfromhell finds the nodes of a page; here is chosen what of them is text. Templates are left out, as only their
wiki knows what they say, and so are tables, notes, formulas, pictures and categories.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from maskwright.errors import BadInput

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
_MARK = re.compile(rf"</?(?!{_SINGLE})[a-z]++(?![^<>]*/>)|{{{{|}}}}|{{\||\|}}|\[(?=http|//)|\[\[|\]\]?", re.IGNORECASE)
_ENDS = {"{{": "}}", "{|": "|}", "[[": "]]", "[": "]"}
_MOST_WORK = 500_000  # of `_work`: a second at most; of 106 real pages the worst has 160,000
_MOST_WORK_OF_A_LINE = 50_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_SWITCH = re.compile(r"__[A-Z]{3,}__")
_EMPTY_BRACKETS = re.compile(r"\s?[(（]\s*(?:[,;:，；：、]\s*)*[)）]")  # a template stood there
_BEGUN_BRACKETS = re.compile(r"([(（])\s*(?:[,;，；、]\s*)+")


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
    text = _SURROGATE.sub("\ufffd", text)  # an entity may name one
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

    For each mark that does not close, the parser goes to the end of what it has and back again. A page where that
    would take seconds, as pages made to do so want, is parsed line by line, without the lines that are as bad.
    """
    if _work(wikicode) < _MOST_WORK:
        return [wikicode]
    return [line for line in wikicode.splitlines(keepends=True) if _work(line) < _MOST_WORK_OF_A_LINE]


def _work(wikicode: str) -> int:
    """Marks that do not close, times characters: what the parser's time grows with.

    >>> _work("[[a]] <b>c</b><br>"), _work("[[a [[b]]")
    (0, 9)
    """
    marks = Counter(mark.lower() for mark in _MARK.findall(wikicode))
    ends = {mark: f"</{mark[1:]}" for mark in marks if mark[0] == "<" and mark[1] != "/"} | _ENDS
    return len(wikicode) * sum(max(0, marks[mark] - marks[end]) for mark, end in ends.items())


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
