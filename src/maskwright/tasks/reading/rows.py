"""Rows of a table by the names of its columns, whatever its format: csv, tsv, jsonl, parquet.

Files may be packed by gzip, zstandard, bzip2 or xz.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from maskwright.errors import BadInput
from maskwright.text.compression import Expansion
from maskwright.text.formats.delimited import of_another_width, records
from maskwright.text.formats.jsonl import fields_of_row
from maskwright.text.formats.parquet import opened
from maskwright.text.formats.tables import one_line
from maskwright.text.lines import text_lines
from maskwright.text.opening import InputFile, open_input, seekable
from maskwright.text.shapes import bare_name

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
"""Of the names of tables, packed or not."""
_BATCH = 64  # rows of Parquet unpacked at a time


class Row(NamedTuple):
    """One row.

    fields  what stands in its columns by their names: text in csv and tsv, any value in jsonl and parquet
    fault   why it is no row, None if it is one
    """

    fields: dict[str, Any]
    where: str
    fault: BadInput | None = None


def input_file(path: str | Path) -> InputFile:
    """The file at `path`. Raises `BadInput` where there is none, and where it is empty."""
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise BadInput(f"{path} is a folder: name a file" if os.path.isdir(path) else f"{path} does not exist")
    file = InputFile(path, os.path.getsize(path), True)
    if not file.size:
        raise BadInput(f"{file.name} is empty")
    return file


def numbered_lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """The lines of a text file, each with where it stands (`a.txt line 3`). Raises as `text_lines`."""
    file = input_file(path)
    for number, line in text_lines(open_input(file), file.name):
        yield f"{file.name} line {number}", line


def is_table(path: str | Path) -> bool:
    """Whether a file is a table by its name.

    >>> is_table("a.csv.gz"), is_table("eng.train")
    (True, False)
    """
    return bare_name(os.fspath(path)).endswith(ENDINGS)


def read_rows(path: str | Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a table, told by its name: .csv, .tsv, .jsonl, .ndjson, .json with an object a line, .parquet.

    columns  those that must be there
    Raises `BadInput` for a column that is missing, naming those there, and for a file that is no table.
    """
    file = input_file(path)
    match bare_name(file.name).rpartition(".")[2]:
        case "csv":
            return _delimited(file, "csv", columns)
        case "tsv":
            return _delimited(file, "tsv", columns)
        case "jsonl" | "ndjson" | "json":
            return json_rows(path, columns)
        case "parquet":
            return _parquet(file, columns)
        case _:
            raise BadInput(f"{file.name} is no table by its name: those end in .csv, .tsv, .jsonl or .parquet")


def json_rows(path: str | Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file with a JSON object a line; columns that are missing in the first are missing in the file."""
    first = True
    for where, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            row = Row(fields_of_row(line, columns[0] if columns else "text", where), where)
        except BadInput as error:
            yield Row({}, where, error)
            continue
        if first:
            refuse_missing(row.fields, columns, where)
            first = False
        absent = [column for column in columns if column not in row.fields]
        yield row._replace(fault=BadInput(f"{where} has no {absent[0]!r}")) if absent else row


def refuse_missing(there: Iterable[str], columns: Sequence[str], where: str) -> None:
    """Raises `BadInput` for the first column that is not there or there twice, listing those that are.

    >>> refuse_missing(["id", "sentence"], ["text"], "a.csv line 1")
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: a.csv line 1 has no column 'text': its columns are id, sentence
    """
    there = list(there)
    for column in columns:
        if there.count(column) != 1:
            many = f"{there.count(column)} columns" if column in there else "no column"
            held = ", ".join(name or "''" for name in there[:40]) or "none"
            raise BadInput(f"{where} has {many} {column!r}: its columns are {held}")


def _delimited(file: InputFile, shape: Literal["csv", "tsv"], columns: Sequence[str]) -> Iterator[Row]:
    lines = text_lines(open_input(file), file.name)
    table = records(lines, shape, columns[0] if columns else "", file.name)
    for number, header in table:
        refuse_missing(header, columns, f"{file.name} line {number}")
        for number, row in table:
            where = f"{file.name} line {number}"
            fault = None if len(row) == len(header) else of_another_width(where, row, header)
            yield Row(dict(zip(header, row, strict=False)), where, fault)


def _parquet(file: InputFile, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow as pa

    with seekable(file) as stream:
        table = opened(stream, file.name)
        names = list(table.schema_arrow.names)
        refuse_missing(names, columns, file.name)
        expansion = Expansion(file.name)
        expansion.packed = stream.seek(0, os.SEEK_END)
        batches = table.iter_batches(batch_size=_BATCH, columns=list(columns) or names, use_threads=False)
        number = 0
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)
                values = batch.to_pylist()
            except (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError) as error:
                raise BadInput(f"{file.name} is damaged behind row {number}: {one_line(error)}") from None
            expansion.add(batch.nbytes)
            for fields in values:
                number += 1
                yield Row(fields, f"{file.name} row {number}")
