"""Cleaned documents on their way from the reading to the tokeniser: one file a unit of the input.

An Arrow IPC file of many record batches, written and read batch by batch, so that memory is that of one batch:

    sentences   list<large_utf8>
    name        utf8               where the document came from
    side        uint64             hash of text and seed: what is held out
    place       uint64             a second one, independent of it: what a vocabulary is trained on, and which are equal
    characters  uint32             of the sentences
    digest      fixed_size_binary(16)     what equal documents share, where duplicates are dropped
    signature   fixed_size_list<uint32>   MinHash, where near ones are dropped too
"""
# pyarrow ships no types:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BATCH = 2**20  # characters

Words = npt.NDArray[np.uint64]


class Spooled(NamedTuple):
    """A document ready to be tokenised."""

    sentences: tuple[str, ...]
    name: str
    side: int
    place: int
    digest: bytes | None = None
    signature: npt.NDArray[np.uint32] | None = None

    @property
    def characters(self) -> int:
        """Of all sentences."""
        return sum(map(len, self.sentences))


class Facts(NamedTuple):
    """What is decided by, of all documents of a unit: arrays of one length.

    side, place  (documents,) uint64
    characters   (documents,) uint32
    digests      (documents, 16) uint8, or None
    signatures   (documents, P) uint32, or None
    """

    side: Words
    place: Words
    characters: npt.NDArray[np.uint32]
    digests: npt.NDArray[np.uint8] | None
    signatures: npt.NDArray[np.uint32] | None


class SpoolWriter:
    """Writes documents to an open file, a batch at a time; use it as a context manager.

    digests  whether documents have them
    width    of the signatures, 0 for none
    """

    def __init__(self, file: BinaryIO, *, digests: bool = False, width: int = 0) -> None:
        self._schema = _schema(digests, width)
        self._digests, self._width = digests, width
        self._writer: Any = pa.ipc.new_file(file, self._schema)
        self._waiting: list[Spooled] = []
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, document: Spooled) -> None:
        """Take a document."""
        self._waiting.append(document)
        self._size += document.characters + 100
        if self._size >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if not (documents := self._waiting):
            return
        columns = [
            pa.array([document.sentences for document in documents], self._schema.field("sentences").type),
            pa.array([document.name for document in documents], pa.string()),
            pa.array(np.array([document.side for document in documents], np.uint64)),
            pa.array(np.array([document.place for document in documents], np.uint64)),
            pa.array(np.array([document.characters for document in documents], np.uint32)),
        ]
        if self._digests:
            columns.append(pa.array([document.digest for document in documents], pa.binary(16)))
        if self._width:
            rows = np.stack([np.asarray(document.signature, np.uint32) for document in documents])
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), self._width))
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._waiting, self._size = [], 0


def _schema(digests: bool, width: int) -> Any:
    fields: list[tuple[str, Any]] = [
        ("sentences", pa.list_(pa.large_string())),
        ("name", pa.string()),
        ("side", pa.uint64()),
        ("place", pa.uint64()),
        ("characters", pa.uint32()),
    ]
    if digests:
        fields.append(("digest", pa.binary(16)))
    if width:
        fields.append(("signature", pa.list_(pa.uint32(), width)))
    return pa.schema(fields)


def read_batches(path: Path) -> Iterator[tuple[int, Any]]:
    """The batches of a spool as (number of the first document, record batch), memory-mapped."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    first = 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        yield first, batch
        first += batch.num_rows


def texts(batch: Any, rows: Sequence[int]) -> list[tuple[tuple[str, ...], str]]:
    """(sentences, name) of some rows of a batch."""
    taken = batch.select(["sentences", "name"]).take(pa.array(rows, pa.int64()))
    return list(zip(map(tuple, taken.column(0).to_pylist()), taken.column(1).to_pylist(), strict=True))


def read_facts(path: Path) -> Facts:
    """What is decided by, of all documents of a spool, without their text."""
    batches = [batch for _, batch in read_batches(path)]

    def column(name: str, kind: type[np.generic]) -> Any:
        parts = [batch.column(name).to_numpy() for batch in batches]
        return np.concatenate([np.zeros(0, kind), *parts]).astype(kind, copy=False)

    digests = signatures = None
    names = batches[0].schema.names if batches else []
    if "digest" in names:
        digests = np.concatenate([_bytes(batch.column("digest"), 16) for batch in batches])
    if "signature" in names:
        width = batches[0].schema.field("signature").type.list_size
        parts = [batch.column("signature").flatten().to_numpy().reshape(-1, width) for batch in batches]
        signatures = np.concatenate(parts)
    return Facts(
        column("side", np.uint64), column("place", np.uint64), column("characters", np.uint32), digests, signatures
    )


def _bytes(column: Any, width: int) -> npt.NDArray[np.uint8]:
    """(rows, width) of a column of so many bytes each: a view of the file."""
    return np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, width)[column.offset : column.offset + len(column)]
