"""Tables of text (csv, tsv): a header, then a document a row, in one of the columns.

The standard library's parser reads line after line in constant memory, and knows in which line it is; strict, it
refuses what would otherwise be guessed at. In csv fields are quoted as RFC 4180 says, by commas or, if the header is
written so, by semicolons or bars. A tsv may be quoted too; it is when its first rows read so have the header's width.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Literal

from maskwright.errors import BadInput
from maskwright.text.formats.tables import without_column

LONGEST_FIELD = 16 << 20  # characters; the parser holds four bytes for each, and grows by doubling
_DELIMITERS = {"csv": ",;|", "tsv": "\t"}
_HEAD = 200  # lines by which quoting is decided


def rows(
    lines: Iterable[tuple[int, str]], shape: Literal["csv", "tsv"], column: str, name: str
) -> Iterator[tuple[int, str]]:
    r"""The texts of the rows of `lines`, header included, with the number of the line where each begins.

    Raises `BadInput`, naming the line, for a header without the column and for a row of another width.

    >>> table = ['id,text', '1,"It rained.', 'She said: ""No.""', '"', '2,却说曹操败走。']
    >>> list(rows(enumerate(table, 1), "csv", "text", "a.csv"))
    [(2, 'It rained.\nShe said: "No."\n'), (5, '却说曹操败走。')]
    """
    table = records(lines, shape, column, name)
    for number, header in table:
        at = _place(header, column, f"{name} line {number}")
        for number, row in table:
            if len(row) != len(header):
                raise of_another_width(f"{name} line {number}", row, header)
            yield number, row[at]


def records(
    lines: Iterable[tuple[int, str]], shape: Literal["csv", "tsv"], column: str, name: str
) -> Iterator[tuple[int, list[str]]]:
    """The header and then the rows, of any width, with the numbers of the lines where they begin; without empty ones.

    `column` is one that the header should have: it tells what parts fields. Raises `BadInput` for a row that is torn.
    """
    lines = iter(lines)
    head = list(islice(lines, _HEAD))
    if not any(line.strip() for _, line in head):
        return
    form = _form([line for _, line in head], shape, column)
    csv.field_size_limit(LONGEST_FIELD)  # of the process: the parser has no other place for it
    reader = csv.reader((line + "\n" for _, line in chain(head, lines)), **form)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(f"{name} line {number} is no row of {shape}: {error}") from None
        if any(row):
            yield number, row


def of_another_width(where: str, row: list[str], header: list[str]) -> BadInput:
    """The error for a row that does not fit its header."""
    return BadInput(
        f"{where} has {len(row)} fields, and the header {len(header)}: "
        "quote fields that hold a separator, a quote or a line's end"
    )


def _form(head: list[str], shape: Literal["csv", "tsv"], column: str) -> dict[str, Any]:
    """How the table is written: arguments for `csv.reader`."""
    first = next(line for line in head if line.strip())
    headers = {one: next(csv.reader([first], delimiter=one)) for one in _DELIMITERS[shape]}
    delimiter = max(headers, key=lambda one: (column in headers[one], len(headers[one])))
    quoted = {"delimiter": delimiter, "strict": True}
    plain = {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    if shape == "csv" or _is_even(head, quoted) or not _is_even(head, plain):
        return quoted
    return plain


def _is_even(head: list[str], form: dict[str, Any]) -> bool:
    """Whether all rows of `head`, read in this form, have the same width."""
    try:
        return len({len(row) for row in csv.reader((line + "\n" for line in head), **form) if row}) == 1
    except csv.Error:  # a quote inside a field, or one that does not close in these lines
        return False


def _place(header: list[str], column: str, where: str) -> int:
    if header.count(column) == 1:
        return header.index(column)
    raise without_column(where, "names", header, column)
