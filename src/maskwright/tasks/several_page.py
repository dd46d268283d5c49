"""The page of several runs: a dot for each, and a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskwright.report.dots import dots
from maskwright.report.markup import number
from maskwright.report.page import Cell, Page
from maskwright.tasks.several import OPTIMISTIC, Outcome


def several_page(title: str, outcomes: Sequence[Outcome], spread: Mapping[str, Any]) -> Page:
    """The page of several runs: a dot for each, and a table.

    spread   measure -> mean, deviation, min, max
    """
    names = list(outcomes[0].measures)
    page = Page(title, f"{len(outcomes)} runs of one recipe")
    page.figures([(number(spread[name]["mean"]), name, _told(spread[name])) for name in names[:4]])
    page.heading("A dot for each run").add(
        *(dots([(one.name, one.measures[name]) for one in outcomes], name) for name in names[:6])
    )
    keys = list(dict.fromkeys(key for one in outcomes for key in one.changes))
    rows: list[list[Cell]] = [
        [one.name, *(str(one.changes.get(key, "")) for key in keys), *(one.measures[name] for name in names), one.epoch]
        for one in outcomes
    ]
    best = int(np.nanargmax([one.value for one in outcomes])) if any(one.value == one.value for one in outcomes) else 0
    page.heading("The runs", f"The best is marked; {OPTIMISTIC}.")
    return page.table(["run", *keys, *names, "epoch"], rows, main=best)


def _told(of: Mapping[str, float | None]) -> str:
    deviation = "" if of["deviation"] is None else f"± {number(of['deviation'])}, "
    return f"{deviation}{number(of['min'])} to {number(of['max'])}"
