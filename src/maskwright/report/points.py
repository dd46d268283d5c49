"""Points over two axes as inline SVG: what is predicted over what is right, residuals."""

import math
from collections.abc import Sequence

from maskwright.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTHS, axis_over, grid
from maskwright.report.markup import escaped


def point_chart(
    x: Sequence[float], y: Sequence[float], title: str, x_label: str, y_label: str, *, diagonal: bool = False
) -> str:
    """A figure of points; those that are not finite are left out.

    diagonal   draw where both are equal; else where y is 0
    """
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    caption = f'<figcaption>{escaped(title)} <span class="unit">{escaped(y_label)}</span></figcaption>'
    if not points:
        return f'<figure class="chart half">{caption}<p class="none">No values.</p></figure>'
    width, (xs, ys) = WIDTHS["half"], zip(*points, strict=True)
    x_axis = axis_over(xs, LEFT, width - RIGHT, padded=True)
    y_axis = axis_over(ys if diagonal else [*ys, 0.0], HEIGHT - BOTTOM, TOP, padded=True)
    low, high = (max(x_axis.low, y_axis.low), min(x_axis.high, y_axis.high)) if diagonal else (x_axis.low, x_axis.high)
    ends = [f"{x_axis.at(at):.1f} {y_axis.at(at if diagonal else 0.0):.1f}" for at in (low, high)]
    line = f'<path class="line base dashed" d="M{ends[0]}L{ends[1]}"/>' if low < high else ""
    dots = "".join(
        f'<circle class="dot s0" fill-opacity="0.5" cx="{x_axis.at(a):.1f}" cy="{y_axis.at(b):.1f}" r="3"/>'
        for a, b in points
    )
    return (
        f'<figure class="chart half">{caption}<div class="plot still">'
        f'<svg viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{escaped(title)}">'
        f"{grid(x_axis, y_axis, width, x_label, False)}{line}{dots}</svg></div></figure>"
    )
