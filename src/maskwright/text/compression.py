"""gzip, bzip2, xz and zstandard, found by their first bytes and unpacked in bounded memory.

What is cut off or damaged is an error, not a shorter text, and so is a file that swells beyond all measure.
"""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

from maskwright.errors import BadInput

GZIP = b"\x1f\x8b"
ZSTANDARD = b"\x28\xb5\x2f\xfd"
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&|\x17rE8|.{0,3}\Z)", re.DOTALL)  # a block, the end of the stream, or cut off
XZ = b"\xfd7zXZ\0"
PACKED_NAMES = (".gz", ".zst", ".bz2", ".xz")
_OTHERS = {b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"%PDF-": "PDF", b"Rar!": "rar"}

# A compressed text may grow to `MOST_TIMES` its size, and to `ALWAYS_ALLOWED` bytes in any case. Text shrinks 2 to 20
# times, and gzip cannot shrink anything more than 1,032 times; only a text repeated over and over comes near that, and
# people do make such files to try things, but not of gigabytes.
# Memory is bounded without this: it keeps a small file from taking days and disks.
MOST_TIMES = 200
ALWAYS_ALLOWED = 4 << 30

_OUTPUT = 1 << 20  # most bytes of one piece of gzip
_ZSTANDARD_INPUT = 1 << 8  # a block of 4 bytes can unpack to 128 KiB, so that this much gives 8 MiB at the worst
_ZSTANDARD_OUTPUT = 1 << 18  # small outputs are joined to pieces of this size
_ZSTANDARD_WINDOW = 1 << 27
_XZ_MEMORY = 1 << 28  # `xz -9` needs 65 MiB


_Unpack = Callable[[Iterator[bytes], str], Iterator[bytes]]


def decompressed(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The bytes that `pieces` hold, unpacked if they are packed in a way known here (several members too), else as is.

    Raises `BadInput`, naming `name`, for data that is cut off or damaged, that unpacks to more than `MOST_TIMES` its
    size, that another packer made, or that `name` says is compressed and is not.
    """
    first, pieces = peeked(pieces, 8)
    if (unpack := packing(first)) is not None:
        yield from _watched(pieces, unpack, name)
        return
    for magic, packer in _OTHERS.items():
        if first.startswith(magic):
            raise BadInput(
                f"{name} is a {packer} file: text is read plain, packed by gzip, zstd, bzip2 or xz, "
                "or out of a zip archive that is given by its path"
            )
    if name.lower().endswith(PACKED_NAMES):
        raise BadInput(f"{name} is not compressed, or damaged, whatever its name says")
    yield from pieces


def packing(first: bytes) -> _Unpack | None:
    """What unpacks data that begins with these bytes, at least 8 of them if there are so many; None if it is plain."""
    if first.startswith(GZIP):
        return _gunzip
    if first.startswith(ZSTANDARD):
        return _unzstandard
    if _BZIP2.match(first):
        return _unbzip2
    return _unxz if first.startswith(XZ) else None


def peeked(pieces: Iterator[bytes], count: int) -> tuple[bytes, Iterator[bytes]]:
    """The first `count` bytes or more, fewer if there are no more, and all pieces with these before them.

    >>> head, pieces = peeked(iter([b"It ", b"rain", b"ed."]), 4)
    >>> head, list(pieces)
    (b'It rain', [b'It rain', b'ed.'])
    """
    first = next(pieces, b"")
    while len(first) < count and (more := next(pieces, b"")):
        first += more
    return first, chain([first], pieces) if first else pieces


class Expansion:
    """Holds what was unpacked against what it was unpacked from."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.packed = 0
        self.unpacked = 0

    def add(self, count: int) -> None:
        """Counts `count` bytes more; raises `BadInput` when there are too many of them."""
        self.unpacked += count
        if self.unpacked > ALWAYS_ALLOWED and self.unpacked > MOST_TIMES * self.packed:
            raise BadInput(
                f"{self.name} unpacks to more than {MOST_TIMES} times its size ({self.unpacked} bytes out of "
                f"{self.packed}): no text does; unpack it yourself if it is one"
            )


def _watched(pieces: Iterator[bytes], unpack: _Unpack, name: str) -> Iterator[bytes]:
    """Unpacks `pieces`, holding what comes out against what went in."""
    expansion = Expansion(name)

    def counted() -> Iterator[bytes]:
        for piece in pieces:
            expansion.packed += len(piece)
            yield piece

    for piece in unpack(counted(), name):
        expansion.add(len(piece))
        yield piece


class _Unpacker(Protocol):
    """What bz2 and lzma have alike."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


def _unbzip2(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    return _streams(pieces, name, "bzip2", bz2.BZ2Decompressor)


def _unxz(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    return _streams(pieces, name, "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY))


def _streams(pieces: Iterator[bytes], name: str, packer: str, begin: Callable[[], _Unpacker]) -> Iterator[bytes]:
    """The streams in `pieces`, one behind the other: dumps of Wikipedia are thousands of them."""
    stream: _Unpacker | None = None
    done = 0
    for data in pieces:
        while data or (stream is not None and not stream.needs_input):
            if stream is None:
                data = data.lstrip(b"\0")  # xz pads streams
                if not data:
                    break
                stream = begin()
            try:
                output = stream.decompress(data, _OUTPUT)
            except (OSError, lzma.LZMAError) as error:
                raise BadInput(f"{name} is damaged: {packer} fails after {done} unpacked bytes ({error})") from None
            done += len(output)
            if output:
                yield output
            data = b""
            if stream.eof:
                data, stream = stream.unused_data, None
    if stream is not None:
        raise BadInput(f"{name} is cut off: its {packer} stream ends too early, after {done} unpacked bytes")


def _gunzip(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    member = None  # what unpacks the present member of the file; None between members
    done = 0
    for data in pieces:
        while data:
            if member is None:
                data = data.lstrip(b"\0")  # tapes pad with zeros
                if not data:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                output = member.decompress(data, _OUTPUT)
            except zlib.error as error:
                raise BadInput(f"{name} is damaged: gzip fails after {done} unpacked bytes ({error})") from None
            done += len(output)
            if output:
                yield output
            if member.eof:
                data, member = member.unused_data, None
            else:
                data = member.unconsumed_tail
    if member is not None:
        raise BadInput(f"{name} is cut off: its gzip stream ends too early, after {done} unpacked bytes")


def _unzstandard(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise BadInput(f"{name} is packed by zstd: to read it, run `pip install 'maskwright[zst]'`") from None
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTANDARD_WINDOW)
    frame = None
    done = yielded = 0
    outputs: list[bytes] = []
    for piece in pieces:
        for at in range(0, len(piece), _ZSTANDARD_INPUT):
            data = piece[at : at + _ZSTANDARD_INPUT]
            while data:
                if frame is None:
                    frame = unpacker.decompressobj()
                try:
                    output = frame.decompress(data)
                except zstandard.ZstdError as error:
                    raise BadInput(f"{name} is damaged: zstd fails after {done} unpacked bytes ({error})") from None
                done += len(output)
                outputs.append(output)
                if done - yielded >= _ZSTANDARD_OUTPUT:
                    yield b"".join(outputs)
                    outputs, yielded = [], done
                data = b""
                if frame.eof:
                    data, frame = frame.unused_data, None
    yield b"".join(outputs)
    if frame is not None:
        raise BadInput(f"{name} is cut off: its zstd stream ends too early, after {done} unpacked bytes")
