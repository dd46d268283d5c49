"""Parquet: the text column alone, its row groups streamed page by page."""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from maskwright.errors import BadInput
from maskwright.text.compression import Expansion
from maskwright.text.formats.tables import one_line, refuse_without_text, texts

_ROWS = 64  # at a time: a text of megabytes, named by many rows, unpacks to so many copies of it
_BUFFER = 1 << 20  # bytes: columns are read in such steps, not whole


def rows(
    stream: BinaryIO, name: str, column: str, *, begin: int = 0, end: int | None = None, first: int = 1
) -> Iterator[tuple[int, str]]:
    """The texts of row groups `begin` to `end`, with the numbers of their rows, of which `first` is the first.

    Raises `BadInput` for what is no Parquet or damaged, for a schema without such a column, and for rows that unpack
    to beyond all measure.
    """
    import pyarrow as pa

    file = opened(stream, name)
    refuse_without_text(file.schema_arrow, column, name)
    groups = range(begin, file.num_row_groups if end is None else end)
    expansion = Expansion(name)
    expansion.packed = _size(stream)
    batches = file.iter_batches(batch_size=_ROWS, row_groups=list(groups), columns=[column], use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError, MemoryError) as error:
            raise BadInput(f"{name} is damaged behind row {first - 1}: {one_line(error)}") from None
        if batch is None:
            return
        expansion.add(batch.nbytes)
        yield from texts(batch.column(0), first, name)
        first += len(batch)


def row_groups(stream: BinaryIO, name: str) -> list[tuple[int, int]]:
    """The rows and the bytes of each row group, by the file's footer. Raises as `rows`.

    The footer has the bytes unpacked, and by columns packed; but pyarrow 26 ends the process when it is asked for the
    columns of a damaged one. So the file's size is shared out.
    """
    metadata = opened(stream, name).metadata
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    unpacked = max(1, sum(max(0, group.total_byte_size) for group in groups))
    size = _size(stream)
    return [(group.num_rows, size * max(0, group.total_byte_size) // unpacked) for group in groups]


def opened(stream: BinaryIO, name: str) -> Any:
    """The `pyarrow.parquet.ParquetFile` in `stream`, its footer read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER)
    except BadInput:  # of a server
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BadInput(f"{name} is no Parquet file, damaged, or cut off: {one_line(error)}") from None


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, os.SEEK_END)
