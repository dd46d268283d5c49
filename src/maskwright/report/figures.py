"""What a report shows beside curves: bars, a heat map, marked tokens, filled blanks, neighbours.

Each function returns a piece of HTML for `report.Page.add`. Every text is escaped.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from maskwright.report.markup import escaped, number

Mark = Literal["masked", "replaced", "kept", "special", "plain"]


class Bar(NamedTuple):
    """One bar: its value, the half-width of its error bar if any, and whether it is the one to look at."""

    name: str
    value: float
    error: float | None = None
    main: bool = False


def bar_chart(
    bars: Sequence[Bar],
    title: str,
    *,
    unit: str = "",
    percent: bool = False,
    chance: float | None = None,
) -> str:
    """Horizontal bars from 0 to the greatest, or to 1 for shares (`percent`).

    chance    a mark across all bars: what guessing reaches
    """
    greatest = max([0.0, *(bar.value + (bar.error or 0.0) for bar in bars)])
    full = (1.0 if percent else greatest) or 1.0

    def share(value: float) -> str:
        return f"{min(100.0, max(0.0, 100 * value / full)):.2f}%"

    rows: list[str] = []
    for bar in bars:
        whisker = ""
        if bar.error:
            reach = share(min(full, bar.value + bar.error)), share(max(0.0, bar.value - bar.error))
            whisker = f'<b class="whisker" style="left:{reach[1]};right:calc(100% - {reach[0]})"></b>'
        mark = f'<b class="chance" style="left:{share(chance)}"></b>' if chance is not None else ""
        error = f" <small>± {number(bar.error, percent=percent)}</small>" if bar.error else ""
        rows.append(
            f'<div class="bar{" main" if bar.main else ""}"><span class="name">{escaped(bar.name)}</span>'
            f'<span class="track"><b class="fill" style="width:{share(bar.value)}"></b>{whisker}{mark}</span>'
            f'<span class="value">{number(bar.value, percent=percent)}{error}</span></div>'
        )
    note = (
        f'<p class="note"><i class="chance"></i> chance, {number(chance, percent=percent)}</p>'
        if chance is not None
        else ""
    )
    return (
        f'<figure class="bars"><figcaption>{escaped(title)} <span class="unit">{escaped(unit)}</span></figcaption>'
        f"{''.join(rows)}{note}</figure>"
    )


def heat_map(
    counts: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    *,
    percent: bool = True,
) -> str:
    """A confusion matrix, true by predicted: shades by the share within each row.

    percent    the cells show these shares, else the counts
    """
    head = "".join(f'<th scope="col"><span>{escaped(name)}</span></th>' for name in columns)
    body: list[str] = []
    for name, row in zip(rows, counts, strict=True):
        total = sum(row) or 1.0
        cells = "".join(
            f'<td class="cell{" strong" if value / total > 0.5 else ""}" style="--share:{60 * value / total:.1f}%" '
            f'title="{number(value)}">{number(value / total, percent=True) if percent else number(value)}</td>'
            for value in row
        )
        body.append(f'<tr><th scope="row">{escaped(name)}</th>{cells}</tr>')
    return (
        f'<figure class="heat"><figcaption>{escaped(title)} '
        '<span class="unit">true ↓ predicted →</span></figcaption>'
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
        "</div></figure>"
    )


class Token(NamedTuple):
    """One piece of a decoded example: as the model sees it, and what stood there."""

    text: str
    mark: Mark = "plain"
    original: str | None = None


def tokens(pieces: Sequence[Token], caption: str = "") -> str:
    """A decoded training example: masked, replaced and kept pieces told apart by shape as well as by colour.

    A piece that continues a word ("##ing") is set close to the one before.
    """
    shown: list[str] = []
    for piece in pieces:
        asked = piece.mark in ("masked", "replaced", "kept")
        original = f"<small>{escaped(piece.original)}</small>" if asked and piece.original is not None else ""
        joined = " joined" if piece.text.startswith("##") and len(piece.text) > 2 else ""
        shown.append(f'<bdi class="token {piece.mark}{joined}">{original}<span>{escaped(piece.text)}</span></bdi>')
    marks = {piece.mark for piece in pieces}
    legend = "".join(
        f'<span class="key"><bdi class="token {mark}"><span>{name}</span></bdi></span>'
        for mark, name in (
            ("masked", "masked"),
            ("replaced", "replaced by a random piece"),
            ("kept", "kept, but asked for"),
        )
        if mark in marks
    )
    note = f'<p class="note">{escaped(caption)}</p>' if caption else ""
    row = f'<p class="tokens">{" ".join(shown)}</p>'
    return f'<div class="decoded wide">{note}{row}<div class="legend">{legend}</div></div>'


def blank(before: str, after: str, candidates: Sequence[tuple[str, float]], truth: str | None = None) -> str:
    """A sentence with a blank, and what the model puts there: (token, probability), likeliest first."""
    rows = "".join(
        f'<li class="{"right" if token == truth else "other"}"><bdi>{escaped(token)}</bdi>'
        f'<span class="track"><b class="fill" style="width:{100 * min(1.0, max(0.0, p)):.1f}%"></b></span>'
        f"<span>{number(p, percent=True)}</span></li>"
        for token, p in candidates
    )
    right = truth is not None and bool(candidates) and candidates[0][0] == truth
    stood = escaped(truth) if truth is not None else "&#8195;?&#8195;"
    word = f'<mark class="{"right" if right else "open"}">{stood}</mark>'
    return (
        f'<div class="blank"><p><bdi>{escaped(before)}</bdi>{word}<bdi>{escaped(after)}</bdi></p><ol>{rows}</ol></div>'
    )


class Marked(NamedTuple):
    """A word in its sentence: what stands before it, the word, what stands after it."""

    before: str
    word: str
    after: str


def neighbours(seen: Marked, found: Sequence[tuple[Marked, float]]) -> str:
    """A word in its sentence, and its nearest neighbours in theirs, each with its cosine."""
    rows = "".join(f"<li><span>{cosine:.2f}</span><bdi>{_with_mark(other)}</bdi></li>" for other, cosine in found)
    return f'<div class="near"><p><bdi>{_with_mark(seen)}</bdi></p><ol>{rows}</ol></div>'


def _with_mark(seen: Marked) -> str:
    return f"{escaped(seen.before)}<mark>{escaped(seen.word)}</mark>{escaped(seen.after)}"
