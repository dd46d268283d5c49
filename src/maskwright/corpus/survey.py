"""The first reading: how much text there is, and which documents are held out.

A document's side is decided by a hash of its content and the seed, so that order and number of
processes do not matter and equal documents always fall on the same side. Up to 2^20 documents the
share held out is met exactly, by the smallest hashes; beyond, hashes below share x 2^64 are held out.

The hashes are kept in a table on disk, so that later readings know a document by its number alone.
"""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.corpus.sources import Source
from maskwright.corpus.workers import Workers
from maskwright.errors import BadInput
from maskwright.progress import Progress
from maskwright.text.readers import Document, RawDocument, sentences_of

_REMEMBERED = 2**20  # documents
_ROW = 24  # bytes of the table for a document
_BLOCK = 4096  # rows read at a time


class Survey(NamedTuple):
    """What the first reading found.

    cut         documents whose hash is at most this are held out; -1: none
    duplicates  documents whose text stood before; None when there were too many documents to tell
    digest      of all hashes in order: changes with any character of the text
    """

    documents: int
    characters: int
    duplicates: int | None
    cut: int
    digest: str


class Row(NamedTuple):
    """What the table knows of a raw document: its two hashes, and its characters, 0 if it has no sentence."""

    side: int
    place: int
    characters: int


def document_hash(document: Document, seed: int) -> tuple[int, int]:
    """Two independent 64-bit numbers for the text of a document: its side, and its place in samples.

    >>> one, same = Document(("a", "b"), "x:1"), Document(("a", "b"), "y:7")
    >>> document_hash(one, 0) == document_hash(same, 0), document_hash(one, 0) == document_hash(one, 1)
    (True, False)
    """
    text = "\n".join(document.sentences).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=16, key=str(seed).encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


class Weigh(NamedTuple):
    """The task (see `workers.Task`) that finds the rows of a chunk of documents."""

    language: str
    seed: int

    def start(self) -> Callable[[list[RawDocument]], npt.NDArray[np.uint64]]:
        """Rows (documents, 3), as in `Row`."""
        return lambda raws: np.array([self._row(raw) for raw in raws], dtype="<u8")

    def _row(self, raw: RawDocument) -> Row:
        document = Document(sentences_of(raw, self.language), raw.source)
        return Row(*document_hash(document, self.seed), sum(map(len, document.sentences)))


class FindSentences(NamedTuple):
    """The task that finds the sentences of a chunk of documents, one after the other."""

    language: str

    def start(self) -> Callable[[list[RawDocument]], list[str]]:
        """There is nothing to load."""
        return lambda raws: [sentence for raw in raws for sentence in sentences_of(raw, self.language)]


def survey(
    source: Source, *, held_out: float, seed: int, workers: Workers, progress: Progress, table: Path | None = None
) -> Survey:
    """Read everything once; write the table if its path is given, on return it is on disk.

    Raises BadInput where the source does, and when there is no document.
    """
    if not 0 <= held_out < 1:
        raise BadInput(f"held-out share {held_out} is outside 0 to 1: give the share of documents to keep aside")
    sides = array("Q")
    count = size = 0
    running = hashlib.blake2b(digest_size=16)
    raws = ((None, raw) for raw in source.documents())
    with progress.stage("Reading", None, "characters") as stage, open(table or os.devnull, "wb") as file:
        for _, rows in workers.map(Weigh(source.language, seed), raws):
            file.write(rows.tobytes())
            filled = rows[rows[:, 2] > 0]
            running.update(filled[:, :2].tobytes())
            sides.frombytes(filled[: _REMEMBERED - len(sides), 0].tobytes())
            count += len(filled)
            size += (length := int(filled[:, 2].sum()))
            stage.advance(length)
        if table is not None:
            file.flush()
            os.fsync(file.fileno())
    if not count:
        raise BadInput("there is no document in the inputs: give text that holds one")
    if count > _REMEMBERED:
        return Survey(count, size, None, int(held_out * 2**64) - 1, running.hexdigest())
    distinct = np.unique(np.array(sides, dtype=np.uint64))
    cut = -1
    if held_out and len(distinct) > 1:
        wanted = min(max(1, round(held_out * len(distinct))), len(distinct) - 1)
        cut = int(distinct[wanted - 1])
    return Survey(count, size, count - len(distinct), cut, running.hexdigest())


def with_rows(source: Source, table: Path) -> Iterator[tuple[RawDocument, Row]]:
    """The documents that have sentences, with their rows of the table.

    Raises BadInput when there are now more or fewer documents than the table was made of.
    """
    with table.open("rb") as file:
        rows = _rows(file)
        for raw in source.documents():
            row = next(rows, None)
            if row is None:
                raise changed()
            if row.characters:
                yield raw, row
        if next(rows, None) is not None:
            raise changed()


def changed() -> BadInput:
    """The error for a text that is not what it was when it was first read."""
    return BadInput("the inputs were changed while they were read: give the same command again when they are at rest")


def _rows(file: BinaryIO) -> Iterator[Row]:
    while block := file.read(_BLOCK * _ROW):
        yield from map(Row._make, np.frombuffer(block, dtype="<u8").reshape(-1, 3).tolist())
