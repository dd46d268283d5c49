"""gzip and zstandard, found by their first bytes and unpacked in bounded memory.

What is cut off or damaged is an error, not a shorter text, and so is a file that swells beyond all measure.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain

from maskwright.errors import BadInput

GZIP = b"\x1f\x8b"
ZSTANDARD = b"\x28\xb5\x2f\xfd"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"%PDF-": "PDF"}

# A compressed text may grow to `MOST_TIMES` its size, and to `ALWAYS_ALLOWED` bytes in any case. Text shrinks 2 to 20
# times; only a text repeated over and over shrinks thousands of times, and people do make such files to try things.
# Memory is bounded without this: it keeps a small file from taking days and disks.
MOST_TIMES = 1000
ALWAYS_ALLOWED = 4 << 30

_OUTPUT = 1 << 20  # most bytes of one piece of gzip
_ZSTANDARD_INPUT = 1 << 8  # a block of 4 bytes can unpack to 128 KiB, so that this much gives 8 MiB at the worst
_ZSTANDARD_OUTPUT = 1 << 18  # small outputs are joined to pieces of this size
_ZSTANDARD_WINDOW = 1 << 27


def decompressed(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The bytes that `pieces` hold, unpacked if they are gzip or zstandard (several members too), else as they are.

    Raises `BadInput`, naming `name`, for data that is cut off or damaged, that unpacks to more than `MOST_TIMES` its
    size, that another packer made, or that `name` says is compressed and is not.
    """
    first = next(pieces, b"")
    while 0 < len(first) < 8 and (more := next(pieces, b"")):
        first += more
    pieces = chain([first], pieces)
    if first.startswith(GZIP):
        yield from _watched(pieces, _gunzip, name)
    elif first.startswith(ZSTANDARD):
        yield from _watched(pieces, _unzstandard, name)
    else:
        for magic, packer in _OTHERS.items():
            if first.startswith(magic):
                raise BadInput(f"{name} is a {packer} file: text is read plain, or packed by gzip or zstd")
        if name.lower().endswith((".gz", ".zst")):
            raise BadInput(f"{name} is not compressed, or damaged, whatever its name says")
        yield from pieces


class _Counted:
    """Counts the bytes that go through."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.bytes += len(piece)
            yield piece


def _watched(
    pieces: Iterator[bytes], unpack: Callable[[Iterator[bytes], str], Iterator[bytes]], name: str
) -> Iterator[bytes]:
    """Unpacks `pieces`, holding what comes out against what went in."""
    packed = _Counted(pieces)
    unpacked = 0
    for piece in unpack(iter(packed), name):
        unpacked += len(piece)
        if unpacked > ALWAYS_ALLOWED and unpacked > MOST_TIMES * packed.bytes:
            raise BadInput(
                f"{name} unpacks to more than {MOST_TIMES} times its size ({unpacked} bytes out of {packed.bytes}): "
                "no text does; unpack it yourself if it is one"
            )
        yield piece


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
