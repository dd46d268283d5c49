"""Arrow's stream and file formats, as `datasets` of Hugging Face writes them (`save_to_disk`): a batch at a time."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from maskwright.errors import BadInput
from maskwright.text.compression import Expansion
from maskwright.text.formats.tables import one_line, refuse_without_text, texts

_FILE = b"ARROW1"
_LAST = b"\xff\xff\xff\xff\0\0\0\0"  # with which a stream ends: else nobody would know that batches are missing
_ROWS = 1000  # looked at together


def rows(stream: BinaryIO, name: str, column: str, *, first: int = 1) -> Iterator[tuple[int, str]]:
    """The texts of the rows, with their numbers from `first` on.

    Raises `BadInput` for what is no Arrow, cut off or damaged, and for a schema without such a column.
    """
    import pyarrow as pa

    failures = (pa.ArrowException, OSError, ValueError, MemoryError)  # the last: a length that is damaged
    try:
        is_file = stream.read(len(_FILE)) == _FILE
        stream.seek(-len(_LAST), os.SEEK_END)
        if not is_file and stream.read(8) != _LAST:
            raise BadInput(f"{name} is cut off: the mark with which an Arrow stream ends is missing")
        stream.seek(0)
        reader = pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream)
    except BadInput:
        raise
    except failures as error:
        raise BadInput(f"{name} is no Arrow file, damaged, or cut off: {one_line(error)}") from None
    refuse_without_text(reader.schema, column, name)
    batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)
    expansion = Expansion(name)
    while True:
        try:
            batch = next(batches, None)
        except BadInput:  # of a server
            raise
        except failures as error:
            raise BadInput(f"{name} is cut off or damaged behind row {first - 1}: {one_line(error)}") from None
        if batch is None:
            return
        values = batch.column(batch.schema.get_field_index(column))
        expansion.packed = max(expansion.packed, stream.tell())
        expansion.add(values.nbytes)
        for at in range(0, len(values), _ROWS):
            yield from texts(values.slice(at, _ROWS), first + at, name)
        first += len(batch)
