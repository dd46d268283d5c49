"""Tables that are written row by row in the format of their name: .csv, .tsv, .jsonl, .parquet, or lines of text.

A table is there whole or not at all (`durable`). Formats without lists and numbers of their own have them as text:
several classes with a bar between, tags and words with a space, anything deeper as JSON.
"""

import csv
import io
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from maskwright.durable import staged_file
from maskwright.errors import BadInput

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")

Rows = Sequence[Mapping[str, Any]]


class Table(Protocol):
    """A table that is being written."""

    def write(self, rows: Rows) -> None:
        """More rows. Raises `BadInput` for one that does not fit the rows before it."""
        ...

    def close(self) -> None:
        """No more rows come."""
        ...


def refuse_output(path: Path) -> None:
    """BadInput for a name of no format, and for one that is taken."""
    if path.suffix not in ENDINGS:
        raise BadInput(f"--out {path}: its name should end in {', '.join(ENDINGS)}, which says in what format to write")
    if path.exists():
        raise BadInput(f"--out {path} exists already: choose another name or remove it")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"--out {path}: there is no folder {path.parent}")


@contextmanager
def written(path: Path, column: str, schema: Any = None) -> Generator[Table]:
    """A table that becomes `path` when all has gone well.

    column   the one that lines of text are made of
    schema   the Arrow schema of the columns that are known to a .parquet; the others are as in the first rows
    """
    with staged_file(path) as file:
        match path.suffix:
            case ".csv":
                table: Table = Delimited(file, ",")
            case ".tsv":
                table = Delimited(file, "\t")
            case ".parquet":
                table = Parquet(file, schema)
            case ".jsonl":
                table = JsonLines(file)
            case _:
                table = Lines(file, column)
        try:
            yield table
        except BaseException:
            with suppress(Exception):  # it must let go of the file before the file is closed
                table.close()
            raise
        table.close()


class JsonLines:
    """An object a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, rows: Rows) -> None:
        """See `Table`."""
        self._file.write("".join(json_line(row) for row in rows).encode())

    def close(self) -> None:
        """See `Table`."""


class Delimited:
    """csv or tsv with a header: the columns of the first rows written."""

    def __init__(self, file: BinaryIO, delimiter: str) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")
        self._columns: list[str] = []

    def write(self, rows: Rows) -> None:
        """See `Table`."""
        if not self._columns:
            self._columns = list(dict.fromkeys(column for row in rows for column in row))
            self._writer.writerow(self._columns)
        for row in rows:
            if unknown := [column for column in row if column not in self._columns]:
                raise BadInput(f"a row has a column {unknown[0]!r}, which the first ones have not: write a .jsonl")
            self._writer.writerow([_cell(row.get(column)) for column in self._columns])

    def close(self) -> None:
        """See `Table`."""
        self._text.flush()
        self._text.detach()


class Lines:
    """The predictions alone, one a line; tags with their words, one a line, and an empty line behind each sentence."""

    def __init__(self, file: BinaryIO, column: str) -> None:
        self._file, self._column = file, column

    def write(self, rows: Rows) -> None:
        """See `Table`."""
        for row in rows:
            said = row[self._column]
            if isinstance(said, list) and "words" in row:
                words = cast("list[str]", row["words"])
                lines = "".join(f"{word} {tag}\n" for word, tag in zip(words, cast("list[str]", said), strict=True))
                self._file.write(f"{lines}\n".encode())
            else:
                self._file.write(f"{_cell(said)}\n".encode())

    def close(self) -> None:
        """See `Table`."""


class Parquet:
    """Columns with types: those of the schema given, or else of the first rows."""

    def __init__(self, file: BinaryIO, schema: Any) -> None:
        self._file, self._known, self._writer = file, schema, cast("Any", None)

    def write(self, rows: Rows) -> None:
        """See `Table`."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        plain = [{column: list(v) if isinstance(v, tuple) else v for column, v in row.items()} for row in rows]
        try:
            if self._writer is None:
                self._schema = _schema(pa, plain, self._known)
                self._writer = ParquetWriter(self._file, self._schema, compression="zstd")
            self._writer.write_table(pa.Table.from_pylist(plain, schema=self._schema))
        except (pa.ArrowException, UnicodeEncodeError) as error:
            words = " ".join(str(error).split())
            raise BadInput(f"a row does not fit the columns of a .parquet: {words:.200}; write a .jsonl") from error
        for row in plain:
            if unknown := set(row) - set(self._schema.names):
                raise BadInput(f"a row has a column {min(unknown)!r}, which the first ones have not: write a .jsonl")

    def close(self) -> None:
        """See `Table`."""
        if self._writer is not None:
            self._writer.close()


def json_line(row: Mapping[str, Any]) -> str:
    """A row as a line of JSON; half a surrogate pair, which UTF-8 cannot hold, stays the escape that it was."""
    line = json.dumps(row, ensure_ascii=False, default=str)
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError:
            line = json.dumps(row, default=str)
    return line + "\n"


def _schema(pa: Any, rows: Iterable[Mapping[str, Any]], known: Any) -> Any:
    """The known columns, and the others as the rows have them; a column of nothing is one of texts."""
    rows = list(rows)
    names = list(dict.fromkeys(column for row in rows for column in row))
    given = {} if known is None else {field.name: field for field in known}
    fields: list[Any] = []
    for name in names:
        kind = given[name].type if name in given else pa.array([row.get(name) for row in rows]).type
        fields.append(pa.field(name, pa.string() if pa.types.is_null(kind) else kind))
    return pa.schema(fields)


def _cell(value: Any) -> str:
    """A value as text.

    >>> [_cell(each) for each in (None, "a", True, ("x", "y"), ["B", "O"], 0.25, {"z": "中"})]
    ['', 'a', 'true', 'x|y', 'B O', '0.25', '{"z": "中"}']
    """
    match value:
        case None:
            return ""
        case str():
            return value
        case tuple():
            return "|".join(map(str, cast("tuple[object, ...]", value)))
        case list() if all(map(_is_word, cast("list[object]", value))):
            return " ".join(cast("list[str]", value))
        case bool() | dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value.split()) == 1 and value.strip() == value


def schema_of(path: str | None) -> Any:
    """The Arrow schema of a .parquet that rows are read from, so that they keep their types; None for others."""
    if path is None or not path.endswith(".parquet"):
        return None
    from pyarrow.parquet import read_schema

    return read_schema(path)
