"""Curves as inline SVG, drawn here so that they are there without any script; a script adds the readout.

Colours come from the page's style sheet (`--c0` ... `--c5`, chosen to differ also for colour-blind
readers, other ones on dark); each line also carries its last value at its end.
"""

import json
import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from maskwright.report.markup import escaped, number

HEIGHT = 300
LEFT, RIGHT, TOP, BOTTOM = 50, 58, 14, 46
WIDTHS = {"third": 368, "half": 560}
Size = Literal["third", "half"]
POINTS = 400
"""A line is drawn with at most so many points: more cannot be seen."""
COLOURS = 6


class Series(NamedTuple):
    """One line: y over x, None or nan where there is no value.

    dashed    for a comparison
    smooth    draws the running mean, and the values themselves faintly behind it
    colour    0 to 5; by place in the chart when left out
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    dashed: bool = False
    smooth: bool = False
    colour: int | None = None


class Baseline(NamedTuple):
    """A dashed level across the chart: what something simple reaches."""

    name: str
    y: float


class Axis(NamedTuple):
    """A range of values laid on a range of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def line_chart(
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str = "",
    *,
    baselines: Sequence[Baseline] = (),
    percent: bool = False,
    from_zero: bool = False,
    size: Size = "half",
    ends: bool = True,
) -> str:
    """A figure with its legend. Values that are not finite are left out.

    percent      y values are shares, shown as percentages
    from_zero    the y axis begins at 0
    size         how much of the page's width it takes
    ends         whether each line tells its last value
    """
    lines = [_drawable(line) for line in series]
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in line.y if y is not None] + [b.y for b in baselines if math.isfinite(b.y)]
    if not xs:
        body = '<p class="none">No values.</p>'
    else:
        width = WIDTHS[size]
        x_axis = axis_over(xs, LEFT, width - RIGHT)
        y_axis = axis_over(ys, HEIGHT - BOTTOM, TOP, padded=True, from_zero=from_zero)
        body = _drawing(lines, baselines, x_axis, y_axis, width, x_label, title, percent, ends)
    names = [_key(line.name, _colour(line, i), line.dashed) for i, line in enumerate(lines) if line.name]
    names += [_key(baseline.name, None, True) for baseline in baselines]
    note = f'<span class="unit">{escaped(y_label)}</span>' if y_label else ""
    legend = f'<div class="legend">{"".join(names)}</div>' if names else ""
    return f'<figure class="chart {size}"><figcaption>{escaped(title)} {note}</figcaption>{legend}{body}</figure>'


def switchable(charts: dict[str, str]) -> str:
    """The same chart in several ways (over tokens, over seconds), with a switch that all of the page follow."""
    first = next(iter(charts))
    buttons = "".join(
        f'<button type="button" data-way="{escaped(way)}" aria-pressed="{"true" if way == first else "false"}">'
        f"{escaped(way)}</button>"
        for way in charts
    )
    ways = "".join(
        f'<div data-way="{escaped(way)}"{"" if way == first else " hidden"}>{chart}</div>'
        for way, chart in charts.items()
    )
    return f'<div class="switchable"><div class="switch" role="group">{buttons}</div>{ways}</div>'


def _drawable(line: Series) -> Series:
    kept = [
        (float(x), float(y))
        for x, y in zip(line.x, line.y, strict=True)
        if y is not None and math.isfinite(x) and math.isfinite(y)
    ]
    return line._replace(x=[x for x, _ in kept], y=[y for _, y in kept])


def _colour(line: Series, place: int) -> int:
    return (place if line.colour is None else line.colour) % COLOURS


def _key(name: str, colour: int | None, dashed: bool) -> str:
    kinds = " ".join(["key", "base" if colour is None else f"s{colour}", *(["dashed"] if dashed else [])])
    return f'<span class="{kinds}"><i></i>{escaped(name)}</span>'


def axis_over(
    values: Sequence[float], start: float, end: float, *, padded: bool = False, from_zero: bool = False
) -> Axis:
    """An axis that holds all values; `padded` leaves some room around them."""
    low, high = min(values), max(values)
    if from_zero:
        low = min(0.0, low)
    if low == high:
        margin = abs(low) / 2 or 0.5
        low, high = low - margin, high + margin
    if padded:
        margin = 0.06 * (high - low)
        low, high = (low if from_zero and low == 0 else low - margin), high + margin
    return Axis(low, high, start, end)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values within a range, about so many.

    >>> ticks(0.2, 5.1), ticks(0, 1)
    ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _thinned(line: Series, points: int = POINTS) -> tuple[list[float], list[float]]:
    """Bucket means, the last value kept: the line as it looks at the drawing's size."""
    x, y = list(line.x), [v for v in line.y if v is not None]
    if len(x) <= points:
        return x, y
    bounds = [len(x) * i // points for i in range(points + 1)]
    pairs = [(sum(x[a:b]) / (b - a), sum(y[a:b]) / (b - a)) for a, b in pairwise(bounds)]
    return [p for p, _ in pairs] + [x[-1]], [q for _, q in pairs] + [y[-1]]


def _running_mean(y: Sequence[float]) -> list[float]:
    """The mean over about a fifteenth of the line around each point; even on both sides at the steep beginning."""
    reach = max(1, len(y) // 30)
    sums = [0.0, *accumulate(y)]
    means: list[float] = []
    for i in range(len(y)):
        first, last = i - min(i, reach), min(len(y), i + min(i, reach) + 1)
        means.append((sums[last] - sums[first]) / (last - first))
    return means


def _path(x: Sequence[float], y: Sequence[float], x_axis: Axis, y_axis: Axis, kind: str) -> str:
    points = "L".join(f"{x_axis.at(a):.1f} {y_axis.at(b):.1f}" for a, b in zip(x, y, strict=True))
    return f'<path class="{kind}" d="M{points}"/>'


def _drawing(
    lines: Sequence[Series],
    baselines: Sequence[Baseline],
    x_axis: Axis,
    y_axis: Axis,
    width: int,
    x_label: str,
    title: str,
    percent: bool,
    with_ends: bool,
) -> str:
    parts = [grid(x_axis, y_axis, width, x_label, percent)]
    ends: list[tuple[float, str, str]] = []
    shown: list[dict[str, object]] = []
    for place, line in enumerate(lines):
        if not line.x:
            continue
        x, y = _thinned(line)
        colour = _colour(line, place)
        if line.smooth and len(y) > 8:
            parts.append(_path(x, y, x_axis, y_axis, f"line faint s{colour}"))
            y = _running_mean(y)
        parts.append(_path(x, y, x_axis, y_axis, f"line s{colour}{' dashed' if line.dashed else ''}"))
        if with_ends and not line.dashed:
            ends.append((y_axis.at(y[-1]), number(y[-1], percent=percent), f"s{colour}"))
        if len(x) == 1:
            parts.append(f'<circle class="dot s{colour}" cx="{x_axis.at(x[0]):.1f}" cy="{y_axis.at(y[0]):.1f}" r="4"/>')
        shown.append({"name": line.name, "colour": colour, "x": [_short(v) for v in x], "y": [_short(v) for v in y]})
    for baseline in baselines:
        if math.isfinite(baseline.y):
            at = y_axis.at(baseline.y)
            parts.append(f'<path class="line base dashed" d="M{LEFT} {at:.1f}H{width - RIGHT}"/>')
            ends.append((at, number(baseline.y, percent=percent), "base"))
    parts += [
        f'<text class="end {kind}" x="{width - RIGHT + 7}" y="{at + 4:.1f}">{escaped(text)}</text>'
        for at, text, kind in _apart(ends)
    ]
    facts = {"x": x_axis, "y": y_axis, "percent": percent, "label": x_label, "series": shown}
    data = json.dumps(facts, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        f'<div class="plot"><svg viewBox="0 0 {width} {HEIGHT}" role="img" tabindex="0" aria-label="{escaped(title)}">'
        f'{"".join(parts)}<g class="readout"></g></svg><div class="tip" hidden></div>'
        f'<script type="application/json">{data}</script></div>'
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def grid(x_axis: Axis, y_axis: Axis, width: int, x_label: str, percent: bool) -> str:
    """Both axes with their ticks."""
    parts: list[str] = []
    for value, text in _labelled(y_axis, 5, percent=percent):
        at = y_axis.at(value)
        parts.append(f'<path class="rule" d="M{LEFT} {at:.1f}H{width - RIGHT}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{at + 4:.1f}">{escaped(text)}</text>')
    floor = HEIGHT - BOTTOM
    parts.append(f'<path class="axis" d="M{LEFT} {floor}H{width - RIGHT}"/>')
    for value, text in _labelled(x_axis, max(3, width // 110)):
        at = x_axis.at(value)
        parts.append(f'<path class="axis" d="M{at:.1f} {floor}v4"/>')
        parts.append(f'<text class="tick" text-anchor="middle" x="{at:.1f}" y="{floor + 18}">{escaped(text)}</text>')
    middle = (LEFT + width - RIGHT) / 2
    parts.append(f'<text class="label" text-anchor="middle" x="{middle}" y="{floor + 37}">{escaped(x_label)}</text>')
    return "".join(parts)


def _labelled(axis: Axis, about: int, *, percent: bool = False) -> list[tuple[float, str]]:
    """An axis's ticks and their labels, told apart however close they are."""
    values = ticks(axis.low, axis.high, about)
    step = (values[1] - values[0] if len(values) > 1 else abs(values[0]) or 1.0) * (100 if percent else 1)
    if max(map(abs, values)) >= 1e4 or 0 < step < 1e-5:
        return [(value, number(value, percent=percent)) for value in values]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [
        (value, f"{value * (100 if percent else 1):,.{digits}f}{' %' if percent else ''}" if value else "0")
        for value in values
    ]


def _apart(ends: Sequence[tuple[float, str, str]], gap: float = 14.0) -> list[tuple[float, str, str]]:
    """Labels moved so that none covers another, in their order, within the drawing."""
    placed: list[tuple[float, str, str]] = []
    for at, text, kind in sorted(ends):
        placed.append((max(at, placed[-1][0] + gap) if placed else max(at, TOP), text, kind))
    limit = HEIGHT - BOTTOM + 4.0
    for i in reversed(range(len(placed))):
        at, text, kind = placed[i]
        placed[i] = (min(at, limit), text, kind)
        limit = placed[i][0] - gap
    return placed
