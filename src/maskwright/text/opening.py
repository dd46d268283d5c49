"""One input file, wherever it lies: on this machine, behind a URL, in an archive, or coming through a pipe."""

import io
import os
import sys
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from maskwright.errors import BadInput
from maskwright.text import archives, remote
from maskwright.text.compression import PACKED_NAMES, decompressed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT = "-"
MOST_IN_MEMORY = 256 << 20  # bytes of a table in an archive, which has to be read from its end
_PIECE = 1 << 18


class InputFile(NamedTuple):
    """One file to read. Picklable, so that files can be shared out over processes (the standard input cannot).

    path    as given or found, a URL, or "-" for the standard input
    size    bytes as it lies there, compressed or not; None where it has no size (the standard input, a pipe)
    named   given by itself, not found in a folder: then being empty is an error
    shown   what messages call it, where that is not the path
    member  its name in the zip archive that `path` is
    label   what a corpus calls it, the same wherever the inputs lie: its path below the folder that was given
    """

    path: str
    size: int | None
    named: bool
    shown: str | None = None
    member: str | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """What messages call it: the path, with what is not UTF-8 in it replaced."""
        if self.shown is not None:
            return self.shown
        if self.path == STANDARD_INPUT:
            return "standard input"
        name = os.fsencode(self.path).decode("utf-8", "replace")
        return name if self.member is None else f"{name}/{self.member}"

    @property
    def is_local(self) -> bool:
        """Whether it is a file of its own on this machine, which can be read from any byte on."""
        return self.size is not None and self.member is None and not remote.is_url(self.path)


def open_input(file: InputFile) -> Iterator[bytes]:
    """The content of `file`, unpacked, in pieces of bounded size. Raises as `compression.decompressed` does."""
    return decompressed(packed(file), file.name)


def packed(file: InputFile) -> Iterator[bytes]:
    """The bytes of `file` as they lie there (those of a member of an archive: unzipped), in pieces of bounded size."""
    if file.member is not None:
        yield from archives.unzipped(archive(file), file.member, file.name)
        return
    with _opened(file) as stream:
        while piece := stream.read(_PIECE):
            yield piece


def open_range(file: InputFile, begin: int, end: int) -> Iterator[bytes]:
    """The bytes `begin` to `end` of a file that `is_local`, in pieces of bounded size."""
    with open(file.path, "rb") as stream:
        stream.seek(begin)
        left = end - begin
        while left and (piece := stream.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


@contextmanager
def seekable(file: InputFile, pieces: Iterator[bytes] | None = None) -> Generator[BinaryIO]:
    """The content of `file`, unpacked, to be read in any order, as tables are.

    What cannot be read so is held in memory, out of `pieces` if it was opened already (a pipe gives nothing twice);
    raises `BadInput` when it has more than `MOST_IN_MEMORY` bytes.
    """
    if file.member is None and file.size is not None and not file.name.lower().endswith(PACKED_NAMES):
        with _opened(file) as stream:
            yield stream
        return
    content = io.BytesIO()
    for piece in pieces or open_input(file):
        content.write(piece)
        if content.tell() > MOST_IN_MEMORY:
            raise BadInput(
                f"{file.name} is a table of more than {MOST_IN_MEMORY >> 20} MiB inside something else: unpack it"
            )
    content.seek(0)
    yield content


def archive(file: InputFile) -> zipfile.ZipFile:
    """The zip archive at the file's path."""
    at = remote.is_url(file.path)
    return _archive(file.path, None if at else os.stat(file.path).st_mtime_ns, file._replace(member=None).name)


@lru_cache(maxsize=1)
def _archive(path: str, changed: int | None, name: str) -> zipfile.ZipFile:
    """Kept open: of an archive with 100,000 small members the directory is read once, not for each."""
    del changed  # a part of the key
    return archives.open_archive(remote.open_url(path) if remote.is_url(path) else open(path, "rb"), name)


def stamp(file: InputFile) -> int | str | None:
    """What changes when the file is changed: the time of its last change, or what its server tells of it."""
    if file.path == STANDARD_INPUT:
        return None
    if remote.is_url(file.path):
        return remote.stamp(file.path)
    return os.stat(file.path).st_mtime_ns


def as_stream(pieces: Iterator[bytes]) -> BinaryIO:
    r"""Pieces as a file that can be read once.

    >>> as_stream(iter([b"It ra", b"ined.\nShe"])).readline()
    b'It rained.\n'
    """
    return cast(BinaryIO, io.BufferedReader(_Pieces(pieces), _PIECE))


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


@contextmanager
def _opened(file: InputFile) -> Generator[BinaryIO]:
    if file.path == STANDARD_INPUT:
        yield sys.stdin.buffer
    elif remote.is_url(file.path):
        with closing(remote.open_url(file.path)) as stream:
            yield stream
    else:
        with open(file.path, "rb") as stream:
            yield stream
