"""The wire format of protocol buffers, as far as TensorFlow's checkpoints need it: varints and flat fields.

protobuf.dev, *Encoding*. A message is data from elsewhere: each length is compared with the bytes that are
there before anything is taken, and what cannot be read raises `Malformed`, which names no file.
"""

import struct

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}  # bytes
_LONGEST_VARINT = 10  # bytes; seven bits in each


class Malformed(ValueError):
    """Bytes that are no message; whoever knows the file turns it into a BadInput."""


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """(value below 2 ** 64, position after it).

    >>> read_varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    value = 0
    for index, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, position + index + 1
    raise Malformed(f"the number at byte {position:,} does not end or is too large")


def varint(value: int) -> bytes:
    """A whole number from 0 to 2 ** 64 - 1.

    >>> list(varint(300))
    [172, 2]
    """
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class Message:
    """The fields of one message by their numbers.

    As protocol buffers have it, absent numbers are 0, of a number that stands twice the last counts, and a
    field of another kind than the one asked for is a field that is not known, and passed over.
    """

    def __init__(self, data: bytes) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._parts: dict[int, list[bytes]] = {}
        position = 0
        while position < len(data):
            tag, position = read_varint(data, position)
            position = self._take(tag >> 3, tag & 7, data, position)

    def number(self, field: int) -> int:
        """An int32, an int64 or an enum: varints in two's complement of 64 bits."""
        value = self._numbers.get((field, _VARINT), 0)
        return value - 2**64 if value >= 2**63 else value

    def fixed32(self, field: int) -> int:
        """Four bytes, little-endian."""
        return self._numbers.get((field, _FIXED32), 0)

    def parts(self, field: int) -> list[bytes]:
        """Each occurrence of a field of bytes: of a repeated one, its items."""
        return self._parts.get(field, [])

    def message(self, field: int) -> "Message":
        """A message inside; one that stands in several pieces is their concatenation."""
        return Message(b"".join(self.parts(field)))

    def _take(self, field: int, kind: int, data: bytes, position: int) -> int:
        """Keep the field that begins at `position`; returns the position after it."""
        if not 0 < field < 2**29:
            raise Malformed(f"no field has the number {field}")
        if kind == _VARINT:
            self._numbers[field, kind], position = read_varint(data, position)
            return position
        if kind == _BYTES:
            length, position = read_varint(data, position)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise Malformed(f"field {field} has the unknown kind {kind}")
        if length > len(data) - position:
            raise Malformed(f"field {field} has {length:,} bytes where {len(data) - position:,} are left")
        value = data[position : position + length]
        if kind == _BYTES:
            self._parts.setdefault(field, []).append(value)
        else:
            self._numbers[field, kind] = int.from_bytes(value, "little")
        return position + length


def number_field(field: int, value: int) -> bytes:
    """A varint field; nothing for 0, as proto3 has it."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def fixed32_field(field: int, value: int) -> bytes:
    """Four bytes, little-endian; nothing for 0."""
    return varint(field << 3 | _FIXED32) + struct.pack("<I", value) if value else b""


def bytes_field(field: int, value: bytes) -> bytes:
    """A message or a string, an empty one too."""
    return varint(field << 3 | _BYTES) + varint(len(value)) + value
