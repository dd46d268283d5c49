"""Numbers of several runs as dots on a line, inline SVG: how far they lie apart shows what one of them is worth."""

import math
from collections import Counter
from collections.abc import Sequence

from maskwright.report.markup import escaped, number

WIDTH, MARGIN = 560, 18


def dots(values: Sequence[tuple[str, float]], title: str) -> str:
    """A figure of single numbers on one line, each a dot with its name, and their mean as a stroke.

    values   name and number; those that are not finite are left out
    """
    there = [(name, value) for name, value in values if math.isfinite(value)]
    if not there:
        return (
            f'<figure class="scatter"><figcaption>{escaped(title)}</figcaption><p class="none">No values.</p></figure>'
        )
    low, high = min(value for _, value in there), max(value for _, value in there)
    room, height = WIDTH - 2 * MARGIN, 84

    def place(value: float) -> float:
        return WIDTH / 2 if high == low else MARGIN + (value - low) / (high - low) * room

    middle = sum(value for _, value in there) / len(there)
    stroke = f'<path class="axis" d="M{place(middle):.1f} 4v54"/>'
    above = Counter[str]()  # dots at one place stand on each other
    drawn = ""
    for name, value in there:
        x = f"{place(value):.0f}"
        y, above[x] = 50 - 8 * min(above[x], 5), above[x] + 1
        drawn += f'<circle class="s0" cx="{x}" cy="{y}" r="5"><title>{escaped(name)}: {number(value)}</title></circle>'
    ends = "".join(
        f'<text class="tick" text-anchor="{anchor}" x="{x}" y="76">{escaped(number(value))}</text>'
        for anchor, x, value in (("start", MARGIN, low), ("end", WIDTH - MARGIN, high))
        if high > low or anchor == "start"
    )
    return (
        f'<figure class="scatter"><figcaption>{escaped(title)} <span class="unit">mean {escaped(number(middle))}</span>'
        f'</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escaped(title)}">'
        f"{stroke}{drawn}{ends}</svg></figure>"
    )
