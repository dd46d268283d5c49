"""Text into HTML, safely: what a model or a file says is data, never markup."""

import html
import math
import re

# Characters that HTML cannot hold, or that reach beyond their own text: control characters (but tab
# and newline), lone surrogates, and those that turn the direction of what follows.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def escaped(text: object) -> str:
    """`text` as HTML text or attribute value.

    >>> escaped('<b>"晴"</b> & co')
    '&lt;b&gt;&quot;晴&quot;&lt;/b&gt; &amp; co'
    """
    return html.escape(_UNSHOWABLE.sub("\ufffd", str(text)), quote=True)


def number(value: float | None, *, percent: bool = False) -> str:
    """A number for people, about three figures.

    >>> [number(x) for x in (0, 0.000123, 0.05, 3.4567, 42.34, 1234, 56789, 1.5e6, None)]
    ['0', '1.23e-4', '0.05', '3.46', '42.3', '1,234', '56.8 k', '1.5 M', '–']
    >>> number(0.3777, percent=True), number(0.0000123, percent=True)
    ('37.8 %', '< 0.1 %')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if percent:
        return "< 0.1 %" if 0 < value < 0.0005 else f"{_trimmed(f'{value * 100:.1f}')} %"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{_trimmed(mantissa)}e{int(exponent)}"
    if size < 1000:
        return _trimmed(f"{value:.{3 if size < 1 else 2 if size < 10 else 1}f}")
    for limit, unit in ((1e4, None), (1e6, "k"), (1e9, "M"), (1e12, "G")):
        if size < limit:
            return f"{value:,.0f}" if unit is None else f"{_trimmed(f'{value / (limit / 1e3):.1f}')} {unit}"
    return f"{value:.2e}"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
