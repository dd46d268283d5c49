"""What tables have in common: a column of text, or the lack of it; in Parquet and Arrow, arrays of its rows."""

from collections.abc import Iterator
from typing import Any

from maskwright.errors import BadInput
from maskwright.text import lines

_WAY_OUT = "name the one with the text by --text-column"


def refuse_without_text(schema: Any, column: str, name: str) -> None:
    """Raises `BadInput` where `schema`, of pyarrow, has no such column of strings."""
    import pyarrow.types as types

    try:
        names = list(schema.names)
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is damaged: the names of its columns are no UTF-8 ({error})") from None
    if names.count(column) != 1:
        raise without_column(name, "has", names, column)
    kind = schema.field(column).type
    value = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)):
        raise BadInput(f"{name} has {kind} in its column {column!r}, not strings: {_WAY_OUT}")


def without_column(where: str, verb: str, names: list[str], column: str) -> BadInput:
    """The error for a table that does not have one column of this name."""
    held = ", ".join(names[:10])[:200] or "none"
    many = f"{names.count(column)} columns" if column in names else "no column"
    return BadInput(f"{where} {verb} {many} {column!r} (it has {held}): {_WAY_OUT}")


def texts(values: Any, first: int, name: str) -> Iterator[tuple[int, str]]:
    """The texts of an Arrow array, "" for null, with the numbers of their rows, of which `first` is the first.

    The array is checked through and through before it is looked at: offsets that point outside would be followed.
    """
    import pyarrow as pa

    try:
        values.validate(full=True)
        found = values.to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        through = first + len(values) - 1
        raise BadInput(f"{name} is damaged in rows {first} to {through}: {one_line(error)}") from None
    for row, text in enumerate(found, first):
        if text is not None and len(text) > lines.LONGEST_LINE:
            most = f"{lines.LONGEST_LINE >> 20} Mi characters"
            raise BadInput(f"{name} row {row} is longer than {most}: break the text into rows")
        yield row, text or ""


def one_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).splitlines()), type(error).__name__)
