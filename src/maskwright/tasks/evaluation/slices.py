"""Parts of a data set that are alike, so that one can see where a model is better and where worse."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maskwright.errors import BadInput
from maskwright.tasks.evaluation.outcomes import Places
from maskwright.tasks.reading.rows import is_table, json_rows, numbered_lines, read_rows, refuse_missing
from maskwright.text.shapes import bare_name

QUANTILES = 4
MOST = 20
"""Slices by one column; rarer values are put together."""
OTHERS, NOTHING = "(others)", "(nothing)"


class Slice(NamedTuple):
    """Some examples, and what they have in common.

    members   (m,) their places, ascending
    """

    name: str
    members: Places


def by_number(numbers: Sequence[float]) -> list[Slice]:
    """Quarters of the examples by a number, of which equal ones stay together: fewer where many are equal.

    >>> [(part.name, part.members.tolist()) for part in by_number([3, 9, 4, 40, 3, 12, 5, 80])]
    [('3', [0, 4]), ('4 to 5', [2, 6]), ('9 to 12', [1, 5]), ('40 to 80', [3, 7])]
    """
    values = np.asarray(numbers, np.float64)
    edges = np.unique(np.quantile(values, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf"))
    groups = np.searchsorted(edges, values, side="left")
    found: list[Slice] = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        low, high = values[members].min(), values[members].max()
        found.append(Slice(_number(low) if low == high else f"{_number(low)} to {_number(high)}", members))
    return found


def by_name(names: Sequence[str]) -> list[Slice]:
    """The examples of each name, the most frequent first; beyond `MOST` names the rarest are put together.

    >>> [(part.name, part.members.tolist()) for part in by_name(["小说", "诗", "诗"])]
    [('诗', [1, 2]), ('小说', [0])]
    """
    counts = Counter(names).most_common()
    kept = [name for name, _ in counts[: MOST if len(counts) <= MOST else MOST - 1]]
    shown = np.array([name if name in kept else OTHERS for name in names], dtype=object)
    return [Slice(name, np.flatnonzero(shown == name)) for name in [*kept, *([OTHERS] if len(counts) > MOST else [])]]


def by_column(values: Sequence[str]) -> list[Slice]:
    """By what stands in a column: by name, or in quarters where it has many numbers."""
    if len(set(values)) > MOST:
        try:
            return by_number([float(each) for each in values])
        except ValueError:
            pass
    return by_name(values)


def column_of(path: str | Path, column: str, places: Sequence[str], *, published: bool = False) -> list[str]:
    """What stands in a column of a table in the rows of examples.

    places      where each example stands (`Example.where`)
    published   the file is one of a benchmark, whose tables have tabs and no quoting
    Raises `BadInput` for a column that is not there, and for a file that is no table.
    """
    if published and bare_name(str(path)).endswith((".tsv", ".txt")):
        found = _of_tabs(path, column)
    elif published and bare_name(str(path)).endswith((".json", ".jsonl")):
        found = {row.where: row.fields.get(column) for row in json_rows(path, [column])}
    elif is_table(path):
        found = {row.where: row.fields.get(column) for row in read_rows(path, [column])}
    else:
        raise BadInput(f"--by {column}: {path} is no table with named columns")
    return [_shown(found.get(where)) for where in places]


def _of_tabs(path: str | Path, column: str) -> dict[str, Any]:
    header: list[str] | None = None
    found: dict[str, Any] = {}
    for where, line in numbered_lines(path):
        fields = line.split("\t")
        if header is None:
            refuse_missing(fields, [column], where)
            header = fields
        elif len(fields) == len(header):
            found[where] = fields[header.index(column)]
    return found


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else f"{value:.3g}"


def _shown(value: Any) -> str:
    return NOTHING if value is None or value == "" else str(value)
