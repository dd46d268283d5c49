"""Points in a plane as inline SVG, each with its text where the pointer rests, and the groups they fall into."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskwright.report.charts import COLOURS
from maskwright.report.figures import Marked
from maskwright.report.markup import escaped

WIDTH, HEIGHT, MARGIN = 560, 400, 18
Points = npt.NDArray[np.floating]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]


def scatter(points: Points, groups: Sequence[int], texts: Sequence[str], title: str, note: str = "") -> str:
    """A figure of (N, 2) points, coloured by group; both axes have one scale, so distances can be compared.

    Points at one place are drawn once, and say how many they are.
    """
    places: dict[tuple[float, float], list[int]] = {}
    for row, (x, y) in enumerate(_laid_out(points)):
        places.setdefault((x, y), []).append(row)
    dots = "".join(
        f'<circle class="s{groups[rows[0]] % COLOURS}" cx="{x:.1f}" cy="{y:.1f}" r="{4.5 if len(rows) == 1 else 9}">'
        f"<title>{escaped(_said(rows, texts))}</title></circle>"
        for (x, y), rows in places.items()
    )
    return (
        f'<figure class="scatter"><figcaption>{escaped(title)} <span class="unit">{escaped(note)}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(title)}">{dots}</svg></figure>'
    )


def groups_list(groups: Sequence[tuple[str, int, Sequence[Marked]]]) -> str:
    """What is in each group: its name, its colour, and some of its sentences with their word marked."""
    parts: list[str] = []
    for name, colour, sentences in groups:
        rows = "".join(
            f"<li><bdi>{escaped(one.before)}<mark>{escaped(one.word)}</mark>{escaped(one.after)}</bdi></li>"
            for one in sentences
        )
        parts.append(f'<p class="s{colour % COLOURS}"><i></i>{escaped(name)}</p><ul>{rows}</ul>')
    return f'<div class="groups">{"".join(parts)}</div>'


def _laid_out(points: Points) -> list[tuple[float, float]]:
    """In the drawing's units, to a tenth."""
    low, high = points.min(0), points.max(0)
    middle, extent = (low + high) / 2, high - low
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    scale = min((room[i] / extent[i] for i in range(2) if extent[i] > 1e-9), default=0.0)
    placed = (points - middle) * scale * [1, -1] + np.array([WIDTH, HEIGHT]) / 2
    return [(round(float(x), 1), round(float(y), 1)) for x, y in placed]


def _said(rows: Sequence[int], texts: Sequence[str]) -> str:
    return texts[rows[0]] if len(rows) == 1 else f"{len(rows):,} sentences, among them: {texts[rows[0]]}"
