"""A sorted table of keys and values in one file, out and in: LevelDB's format, as TensorFlow's index files use it.

google/leveldb `doc/table_format.md`; tensorflow `core/lib/io/format.cc`, `block_builder.cc`, `table_builder.cc`.

    data blocks   metaindex block (empty)   index block   footer
    block    entries (shared, unshared, length, rest of key, value), restart points, their number; kind, checksum
    index    the last key of each data block, or one after it -> (offset, size) of the block
    footer   (offset, size) of the metaindex and of the index, zeros up to 40 bytes, a magic number

A table is read whole, within limits far above any checkpoint's, and nothing in it is believed: each number is
compared with the bytes that are there. What is wrong raises `Malformed`, which names no file.
"""

import struct
from collections.abc import Iterator
from itertools import pairwise

from maskwright.checkpoints.crc32c import crc32c, masked
from maskwright.checkpoints.protobuf import Malformed, read_varint, varint

MAGIC = 0xDB4775248B80FB57
LARGEST_TABLE = 8 * 2**20  # bytes; that of BERT-large with its optimizer has a quarter of a million
MOST_ENTRIES, MOST_BLOCKS = 20_000, 5_000
LONGEST_KEY = 1_024  # bytes

BLOCK_SIZE = 2**18  # bytes of entries after which a block ends, as TensorFlow has it
RESTART_INTERVAL = 16  # keys of which the first is whole
_FOOTER, _TRAILER = 48, 5  # bytes; the trailer is the block's kind and checksum
_RAW, _SNAPPY = 0, 1

Entry = tuple[bytes, bytes]


def read_table(data: bytes) -> list[Entry]:
    """All entries in the order of their keys, every block's checksum verified."""
    if len(data) > LARGEST_TABLE:
        raise Malformed(f"{len(data):,} bytes are more than an index has ({LARGEST_TABLE:,})")
    if len(data) < _FOOTER:
        raise Malformed(f"{len(data):,} bytes are fewer than its last {_FOOTER} should be: the file is cut short")
    end = len(data) - _FOOTER
    footer = data[end:]
    if int.from_bytes(footer[-8:], "little") != MAGIC:
        raise Malformed("its last eight bytes are not those of an index: another kind of file, or cut short")
    metaindex, position = _handle(footer, 0)
    index, _ = _handle(footer, position)
    _block(data, end, *metaindex)  # nothing in it is needed, but it should be whole
    handles = [_handle(value, 0)[0] for _, value in _entries(_block(data, end, *index))]
    if len(handles) > MOST_BLOCKS:
        raise Malformed(f"{len(handles):,} blocks are more than an index has ({MOST_BLOCKS:,})")
    for (before, length), (after, _) in pairwise(handles):
        if after < before + length:
            raise Malformed(f"the blocks at {before:,} and {after:,} overlap")
    found: list[Entry] = []
    for offset, size in handles:
        entries = list(_entries(_block(data, end, offset, size)))
        if not entries:
            raise Malformed(f"the block at {offset:,} is empty")
        found += entries
        if len(found) > MOST_ENTRIES:
            raise Malformed(f"more than {MOST_ENTRIES:,} entries")
    for (one, _), (other, _) in pairwise(found):
        if one >= other:
            raise Malformed(f"the keys {one[:60]!r} and {other[:60]!r} are not in order")
    return found


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """((offset, size) of a block, position after them)."""
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def _block(data: bytes, end: int, offset: int, size: int) -> bytes:
    """The contents of a block that lies before `end`."""
    if offset + size + _TRAILER > end:
        raise Malformed(f"a block of {size:,} bytes at {offset:,} does not end before the footer at {end:,}")
    stored = data[offset : offset + size + 1]
    if masked(crc32c(stored)) != int.from_bytes(data[offset + size + 1 : offset + size + _TRAILER], "little"):
        raise Malformed(f"the block at {offset:,} differs from its checksum: the file is damaged")
    if stored[size] == _SNAPPY:
        raise Malformed(
            "its blocks are packed with snappy: save it again with TensorFlow 1.2 or later, which packs none"
        )
    if stored[size] != _RAW:
        raise Malformed(f"the block at {offset:,} is of the unknown kind {stored[size]}")
    return stored[:size]


def _entries(block: bytes) -> Iterator[Entry]:
    restarts, end = _restarts(block)
    key = b""
    position = count = 0
    while position < end:
        restart = position in restarts
        count += restart
        shared, position = read_varint(block, position)
        unshared, position = read_varint(block, position)
        length, position = read_varint(block, position)
        if shared > (0 if restart else len(key)):
            raise Malformed(f"a key shares {shared:,} bytes with one of {0 if restart else len(key):,}")
        if shared + unshared > LONGEST_KEY:
            raise Malformed(f"a key of {shared + unshared:,} bytes is longer than {LONGEST_KEY:,}")
        if unshared + length > end - position:
            raise Malformed(f"an entry of {unshared + length:,} bytes where {max(0, end - position):,} are left")
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length
    if end and count != len(restarts):
        raise Malformed("a restart point lies within an entry")


def _restarts(block: bytes) -> tuple[frozenset[int], int]:
    """The positions where keys are whole, and the end of the entries."""
    count = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * count
    if len(block) < 8 or count == 0 or end < 0:
        raise Malformed(f"a block of {len(block):,} bytes has no room for {count:,} restart points")
    positions = struct.unpack_from(f"<{count}I", block, end)
    if positions[0] != 0 or any(one >= other for one, other in pairwise(positions)):
        raise Malformed("restart points are not in order")
    return frozenset(positions), end


class TableWriter:
    """The bytes of a table, from entries that come in the order of their keys."""

    def __init__(self) -> None:
        self._file = bytearray()
        self._data = _BlockWriter(RESTART_INTERVAL)
        self._index = _BlockWriter(1)
        self._last = b""
        self._handle = b""  # of the block just ended, until the key that follows it is known

    def add(self, key: bytes, value: bytes) -> None:
        """The next entry; `key` is larger than all before."""
        if len(key) + len(value) >= 2 * BLOCK_SIZE:
            self._end_block()
        if self._handle:
            self._index.add(_separator(self._last, key), self._handle)
            self._handle = b""
        self._data.add(key, value)
        self._last = key
        if self._data.size >= BLOCK_SIZE:
            self._end_block()

    def finish(self) -> bytes:
        """The whole table."""
        self._end_block()
        metaindex = self._written(_BlockWriter(RESTART_INTERVAL))
        if self._handle:
            self._index.add(_successor(self._last), self._handle)
        index = self._written(self._index)
        self._file += (metaindex + index).ljust(_FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC)
        return bytes(self._file)

    def _end_block(self) -> None:
        if self._data.empty:
            return
        self._handle = self._written(self._data)
        self._data = _BlockWriter(RESTART_INTERVAL)

    def _written(self, block: "_BlockWriter") -> bytes:
        """Append a block; returns where it lies."""
        contents = block.finish()
        offset = len(self._file)
        stored = contents + bytes([_RAW])
        self._file += stored + struct.pack("<I", masked(crc32c(stored)))
        return varint(offset) + varint(len(contents))


class _BlockWriter:
    """Entries whose keys leave out what they share with the one before, save at restart points."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._data = bytearray()
        self._restarts = [0]
        self._since = 0
        self._last = b""

    @property
    def empty(self) -> bool:
        return not self._data

    @property
    def size(self) -> int:
        return len(self._data) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._since == self._interval:
            self._restarts.append(len(self._data))
            self._since = 0
        else:
            shared = _num_shared(self._last, key)
        self._data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self._last = key
        self._since += 1

    def finish(self) -> bytes:
        restarts = struct.pack(f"<{len(self._restarts)}I", *self._restarts)
        return bytes(self._data) + restarts + struct.pack("<I", len(self._restarts))


def _num_shared(one: bytes, other: bytes) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _separator(last: bytes, following: bytes) -> bytes:
    """A short key from `last` on, before `following`.

    >>> _separator(b"the quick brown fox", b"the who")
    b'the r'
    """
    at = _num_shared(last, following)
    if at < min(len(last), len(following)) and last[at] + 1 < following[at]:
        return last[:at] + bytes([last[at] + 1])
    return last


def _successor(last: bytes) -> bytes:
    """A short key from `last` on.

    >>> _successor(b"the who")
    b'u'
    """
    at = next((i for i, byte in enumerate(last) if byte != 0xFF), None)
    return last if at is None else last[:at] + bytes([last[at] + 1])
