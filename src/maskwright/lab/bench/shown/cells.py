"""Numbers in the cells of tables, and bars of charts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Result = dict[str, Any]
Spread = Mapping[str, float]
"""median, least and most of the rounds."""


class Chart(NamedTuple):
    """Bars of one kind, by the names of what was measured."""

    title: str
    bars: Mapping[str, Spread]


def whole(values: dict[str, float]) -> str:
    """Whole numbers: median (least-most)."""
    return f"{values['median']:,.0f} ({values['least']:,.0f}-{values['most']:,.0f})"


def times(values: dict[str, float] | None) -> str:
    """Ratios: median (least-most); where there is none, a dash."""
    return "-" if values is None else f"{values['median']:.2f}x ({values['least']:.2f}-{values['most']:.2f})"


def hundredths(values: dict[str, float]) -> str:
    """Seconds, or what else is small: median (least-most)."""
    return f"{values['median']:.2f} ({values['least']:.2f}-{values['most']:.2f})"


def of_rounds(values: Sequence[float]) -> str:
    """The same of single rounds."""
    return f"{np.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def per_cent(value: float | None) -> str:
    """A share; where there is none, a dash."""
    return "-" if value is None else f"{value:.1%}"
