"""Rows to predict for: all that stands in them, and the example that a model reads of them.

Tables keep their columns. A line of a text file is a text, or with a tab in it a pair; where words are tagged they are
parted by spaces, and a line of Chinese is read character by character. In a table, Chinese is when it has no spaces.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from maskwright.checkpoints.task_part import OF_TOKENS, TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.answering import shape_of
from maskwright.tasks.examples import Example, Labelled, Tagged
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.rows import Row, is_table, numbered_lines, read_rows, refuse_missing
from maskwright.text.characters import IDEOGRAPH_CLASS
from maskwright.text.shapes import bare_name

LINES = ".txt"
_CHINESE = re.compile(f"[{IDEOGRAPH_CLASS}]")


class Asked(NamedTuple):
    """A row, and the example that it is.

    fields   by column, what stands there
    column   that of the text or words
    """

    fields: dict[str, Any]
    example: Any
    column: str


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
        yield from lines_of(numbered_lines(path), part)
        return
    make, columns = _maker(part, text, pair)
    parquet = bare_name(path).endswith(".parquet")  # of which the columns asked for are read, and here all are wanted
    for row in read_rows(path, () if parquet else columns):
        if parquet:
            refuse_missing(row.fields, columns, path)
        try:
            if row.fault is not None:
                raise row.fault
            yield Asked(row.fields, make(row), columns[0])
        except BadInput as error:
            faults.found(error)


def lines_of(lines: Iterable[tuple[str, str]], part: TaskPart) -> Iterator[Asked]:
    """Lines, each with where it stands, as rows with the columns text and perhaps pair; of words to tag, words."""
    for where, line in lines:
        if part.asks == "words":
            yield Asked({"text": line}, of_characters(line, where), "text")
        elif part.asks == "tags":
            example = of_characters(line, where) if _CHINESE.search(line) else Tagged(tuple(line.split()), None, where)
            yield Asked({"words": list(example.words)}, example, "words")
        else:
            first, tab, second = line.partition("\t")
            fields, other = ({"text": first, "pair": second}, second) if tab else ({"text": first}, None)
            yield Asked(fields, Labelled(first, other, None, where), "text")


def of_characters(line: str, where: str) -> Tagged:
    """A line whose words are its characters, without white space.

    >>> of_characters("却说 曹操", "a.txt line 1").words
    ('却', '说', '曹', '操')
    """
    return Tagged(tuple(character for character in line if not character.isspace()), None, where, joined=True)


def _maker(part: TaskPart, text: str | None, pair: str | None) -> tuple[Callable[[Row], Example], list[str]]:
    """What makes an example of a row, and the columns that it needs."""
    column = text or shape_of(part).COLUMNS.text
    if part.asks in OF_TOKENS:
        if pair:
            raise BadInput("--pair goes with texts: words are tagged in one sentence")

        def tagged(row: Row) -> Tagged:
            value = row.fields.get(column)
            if part.asks == "words":
                whole = cells.text(row, column) if isinstance(value, str) else "".join(cells.sequence(row, column))
                return of_characters(whole, row.where)
            if isinstance(value, str) and _CHINESE.search(value) and len(value.split()) == 1 and value[0] != "[":
                return of_characters(cells.text(row, column), row.where)
            return Tagged(cells.sequence(row, column), None, row.where)

        return tagged, [column]

    def labelled(row: Row) -> Labelled:
        return Labelled(cells.text(row, column), None if pair is None else cells.text(row, pair), None, row.where)

    return labelled, [column, *([pair] if pair else [])]


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
