"""Paragraphs of manual pages: no headings, listings, changes of font."""

import re
from collections.abc import Iterator

_FONTS = re.compile(r"\\f(?:[BIRPC]|\(..|\[[^\]]*\])|\\s[+-]?\d|\\[&%/,|^)]")
_SIGNS = {
    "-": "-", "e": "\\", "(co": "©", "(em": "—", "(en": "–", "(bu": "•", "(lq": "“", "(rq": "”", "(aq": "'", "(oq": "‘",
    "(cq": "’", "(dq": '"', "'": "'", "`": "`", " ": " ", "~": " ", "0": " ", ".": ".", "(ha": "^", "(ti": "~",
    '*(L"': '"', '*(R"': '"',
}  # fmt: skip
_SIGN = re.compile(r"\\(\*?\(..|\[[^\]]*\]|.)")
_SHOWN = frozenset("B I R BR BI IB IR RB RI SM SB Nm Fl Ar Pa Em Sy Li Xr Fn Va Ic Cm Dq Sq Qq Ql Dv Ev".split())
_NOTHING = frozenset("ft ad na hy in ne so tr Sm".split())  # requests that break no paragraph
_LISTINGS = {"nf": "fi", "TS": "TE", "EX": "EE", "Bd": "Ed", "ig": ".", "de": ".", "PS": "PE", "EQ": "EN"}
_WORDS = re.compile(r'"([^"]*)"|(\S+)')


def man_paragraphs(page: str) -> Iterator[str]:
    r"""The paragraphs of a manual page (troff with the macros of man or mdoc), without listings and headings.

    >>> list(man_paragraphs('.SH 描述\n.BR ls (1)\n列出 \\fI文件\\fP。\n.\\" 注\n.nf\nls\n.fi\n.PP\n完。'))
    ['ls(1)\n列出 文件。', '完。']
    """
    lines: list[str] = []
    until = ""  # the request that ends what is being passed over
    for line in page.splitlines():
        is_request = line.startswith((".", "'"))
        request, _, rest = line[1:].strip().partition(" ") if is_request else ("", "", "")
        if until:
            until = "" if request == until else until
        elif line.strip() and not is_request:
            lines.append(line)
        elif request in _SHOWN:
            words = [quoted or plain for quoted, plain in _WORDS.findall(rest)]
            lines.append(("" if len(request) == 2 and request.isupper() else " ").join(words))
        elif request not in _NOTHING and not request.startswith('\\"'):
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
