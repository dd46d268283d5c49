"""Rows to predict for, of tables and of lines of text: all that stands in them, and the example that a model reads."""

from collections.abc import Iterable, Iterator

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.predicting.examples import Asked, of_line, of_row
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.rows import is_table, numbered_lines, read_rows, refuse_missing
from maskwright.text.shapes import bare_name

LINES = ".txt"


def rows_of(
    path: str, part: TaskPart, faults: Faults, *, text: str | None = None, pair: str | None = None
) -> Iterator[Asked]:
    """The rows of a table, or the lines of a text file. Raises `BadInput` as `read_rows`, and as `Faults` says.

    text, pair   the columns of a table; None for the one that the shape has, and for none
    """
    if not is_table(path):
        if text or pair:
            raise BadInput(f"{path} has no column {text or pair}: it is no table, which end in .csv, .tsv, .jsonl ...")
        if not bare_name(path).endswith(LINES):
            raise BadInput(f"{path} is neither a table (.csv, .tsv, .jsonl, .parquet) nor a file of lines ({LINES})")
        yield from lines_of(numbered_lines(path), part, faults)
        return
    make, columns = of_row(part, text, pair)
    parquet = bare_name(path).endswith(".parquet")  # of which the columns asked for are read, and here all are wanted
    for row in read_rows(path, () if parquet else columns):
        if parquet:
            refuse_missing(row.fields, columns, path)
        try:
            if row.fault is not None:
                raise row.fault
            yield Asked(row.fields, make(row))
        except BadInput as error:
            faults.found(error)


def lines_of(lines: Iterable[tuple[str, str]], part: TaskPart, faults: Faults) -> Iterator[Asked]:
    """Lines, each with where it stands, as rows. Raises `BadInput` as `Faults` says, for one with too few tabs."""
    for where, line in lines:
        try:
            yield of_line(line, where, part)
        except BadInput as error:
            faults.found(error)


def described(faults: Faults, most: int = 10) -> str | None:
    """Which rows are left out, in a line; None where there is none.

    >>> faults = Faults(skip=True)
    >>> faults.found(BadInput("a.csv line 2 has nothing in its column 'text'"))
    >>> described(faults)
    "1 bad row left out: a.csv line 2 has nothing in its column 'text'"
    """
    if not faults.skipped:
        return None
    more = f"; and {faults.skipped - most:,} more" if faults.skipped > most else ""
    rows = "row" if faults.skipped == 1 else "rows"
    return f"{faults.skipped:,} bad {rows} left out: {'; '.join(faults.listed[:most])}{more}"
