"""Numbers as dots on a line."""

import math
import re

from maskwright.report.dots import MARGIN, WIDTH, dots


def places(figure: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle class="s0" cx="([\d.]+)" cy="([\d.]+)"', figure)]


def test_dots_lie_as_their_numbers_do() -> None:
    found = places(dots([("a", 0.5), ("b", 0.9), ("<c>", 0.6), ("lost", math.nan)], "f1"))
    room = WIDTH - 2 * MARGIN
    assert [x for x, _ in found] == [MARGIN, WIDTH - MARGIN, round(MARGIN + room / 4)]
    assert len({y for _, y in found}) == 1
    figure = dots([("<c>", 0.6)], "f1")
    assert "&lt;c&gt;: 0.6" in figure and "<c>" not in figure


def test_equal_numbers_do_not_hide_each_other() -> None:
    found = places(dots([("a", 0.5), ("b", 0.5), ("c", 0.5)], "f1"))
    assert len(set(found)) == 3 and {x for x, _ in found} == {WIDTH / 2}


def test_of_nothing_there_is_nothing() -> None:
    assert "No values." in dots([("a", math.inf)], "f1") and "No values." in dots([], "f1")
