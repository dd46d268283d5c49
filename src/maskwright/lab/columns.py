"""Tables for a terminal."""

from collections.abc import Sequence


def aligned_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with their cells below each other.

    >>> aligned_columns([["a", "b"], ["long", "c"]])
    ['a     b', 'long  c']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
