"""A TensorFlow checkpoint put together byte by byte from the description of the format; nothing of ours is used.

Only what the tests need: whole keys or shared ones, any cut into blocks and files, and each number at will.
"""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT, INT32, TEXT, INT64, BFLOAT16 = 1, 3, 7, 9, 14


def checksum(data: bytes) -> int:
    """CRC-32C a bit at a time, then LevelDB's mask."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def number(value: int) -> bytes:
    """A varint; a negative one in two's complement of 64 bits."""
    value %= 2**64
    digits = []
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit + 128 * (value > 0))
        if not value:
            return bytes(digits)


def field(tag: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return number(tag * 8) + number(value)
    return number(tag * 8 + 2) + number(len(value)) + value


def header(shards: int = 1, endianness: int = 0, version: bytes = field(1, 1)) -> bytes:
    return field(1, shards) + (field(2, endianness) if endianness else b"") + field(3, version)


class Tensor(NamedTuple):
    """One entry: what is said of a tensor, and what lies in the file."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    raw: bytes
    shard: int = 0
    crc: int | None = None
    size: int | None = None
    offset: int | None = None
    more: bytes = b""


def floats(name: str, *shape: int, shard: int = 0) -> Tensor:
    """A tensor of numbers that follow from its name."""
    count = int(np.prod(shape))
    values = np.arange(count, dtype="<f4") * 0.25 - len(name)
    return Tensor(name, FLOAT, shape, values.tobytes(), shard)


def entry(tensor: Tensor, offset: int) -> bytes:
    shape = b"".join(field(2, field(1, size)) for size in tensor.shape)
    said = field(1, tensor.dtype) + field(2, shape)
    if tensor.shard:
        said += field(3, tensor.shard)
    said += field(4, offset if tensor.offset is None else tensor.offset)
    said += field(5, len(tensor.raw) if tensor.size is None else tensor.size)
    crc = checksum(tensor.raw) if tensor.crc is None else tensor.crc
    return said + number(6 * 8 + 5) + struct.pack("<I", crc) + tensor.more


Pairs = Sequence[tuple[bytes, bytes]]


def block(pairs: Pairs, interval: int = 16) -> bytes:
    data, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(pairs):
        shared = 0
        if i % interval == 0:
            restarts.append(len(data))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        data += number(shared) + number(len(key) - shared) + number(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return data + b"".join(struct.pack("<I", r) for r in [*restarts, len(restarts)])


def sealed(content: bytes, kind: int = 0) -> bytes:
    """A block as it stands in a file: its kind, its checksum."""
    return content + bytes([kind]) + struct.pack("<I", checksum(content + bytes([kind])))


def table(pairs: Pairs, per_block: int = 1000, interval: int = 16, kind: int = 0) -> bytes:
    """Blocks of `per_block` entries; the index has the last key of each, which is as good as a shorter one."""
    return blocks(
        [(pairs[i][0], block(pairs[i : i + per_block], interval)) for i in range(0, len(pairs), per_block)], kind
    )


def blocks(contents: Pairs, kind: int = 0) -> bytes:
    """A file of these data blocks."""
    file, handles = b"", []
    for key, content in contents:
        handles.append((key, number(len(file)) + number(len(content))))
        file += sealed(content, kind)
    return closed(file, block(handles, 1))


def closed(file: bytes, index: bytes, handle: bytes | None = None) -> bytes:
    """`file` with a metaindex, an index and a footer; `handle` tells where the index is said to be."""
    metaindex = number(len(file)) + number(8)
    file += sealed(block([]))
    place = number(len(file)) + number(len(index)) if handle is None else handle
    return file + sealed(index) + (metaindex + place).ljust(40, b"\0") + MAGIC


def write(
    prefix: Path,
    tensors: Sequence[Tensor],
    head: bytes | None = None,
    make: Callable[[Pairs], bytes] = table,
    shards: int = 1,
) -> Path:
    """Write the files of a checkpoint; returns `prefix`."""
    data = [b""] * shards
    pairs = [(b"", header(shards) if head is None else head)]
    for tensor in sorted(tensors, key=lambda t: t.name.encode()):
        place = min(max(tensor.shard, 0), shards - 1)
        pairs.append((tensor.name.encode(), entry(tensor, len(data[place]))))
        data[place] += tensor.raw
    prefix.with_name(f"{prefix.name}.index").write_bytes(make(pairs))
    for i, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{i:05d}-of-{shards:05d}").write_bytes(content)
    return prefix
