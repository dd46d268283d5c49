"""CRC-32C, the checksum of TensorFlow's checkpoints, by numpy alone.

Castagnoli's polynomial (RFC 3720 section 12.1 and appendix B.4), bits reflected. A checksum is linear: that of
a message is the exclusive or of those of its words, each shifted past the bytes that follow it. So thousands
of words are taken at a time, and a shift past many bytes is two lookups a word. It is no secret and no
signature: it finds damage, not forgery.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78  # reflected
_ONES = 0xFFFFFFFF
_LANES = 2**13  # words taken at a time: what keeps them and their tables within a core's own cache
_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of `data`, a contiguous buffer of bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    raw = np.frombuffer(data, np.uint8)
    width = min(4 * _LANES, max(4, 1 << (len(raw) - 1).bit_length()))  # bytes in a row of words
    head = len(raw) % width
    words = np.zeros(width // 4, np.uint32)  # zeros before a message change nothing
    words.view(np.uint8)[width - head :] = raw[:head]
    for row in raw[head:].view("<u4").reshape(-1, width // 4):
        words = _shifted(words, _log2(width)) ^ row
    while len(words) > 1:
        half = len(words) // 2
        words = _shifted(words[:half], _log2(4 * half)) ^ words[half:]
    return _past(_ONES, len(raw)) ^ _past(int(words[0]), 4) ^ _ONES


def masked(crc: int) -> int:
    """As TensorFlow and LevelDB store it, so that a checksum of data with checksums in it is no special one.

    >>> hex(masked(0))
    '0xa282ead8'
    """
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _ONES


def _log2(power: int) -> int:
    return power.bit_length() - 1


def _past(state: int, num_bytes: int) -> int:
    """`state` after `num_bytes` zero bytes."""
    for power in range(num_bytes.bit_length()):
        if num_bytes >> power & 1:
            state = _applied(_shift(power), state)
    return state


def _shifted(words: Words, power: int) -> Words:
    """Each word after 2 ** `power` zero bytes."""
    low, high = _tables(power)
    indices = np.bitwise_and(words, 0xFFFF, dtype=np.intp, casting="unsafe")
    result = low.take(indices)
    np.right_shift(words, 16, out=indices, casting="unsafe")
    result ^= high.take(indices)
    return result


@cache
def _tables(power: int) -> tuple[Words, Words]:
    """What the lower and the upper 16 bits of a state become after 2 ** `power` zero bytes."""
    low = high = np.zeros(1, np.uint32)
    columns = _shift(power)
    for lower, upper in zip(columns[:16], columns[16:], strict=True):
        low = np.concatenate([low, low ^ np.uint32(lower)])
        high = np.concatenate([high, high ^ np.uint32(upper)])
    return low, high


@cache
def _shift(power: int) -> tuple[int, ...]:
    """What each of the 32 bits of a state becomes after 2 ** `power` zero bytes."""
    if power:
        before = _shift(power - 1)
        return tuple(_applied(before, column) for column in before)
    columns: list[int] = []
    for bit in range(32):
        state = 1 << bit
        for _ in range(8):
            state = (state >> 1) ^ (_POLYNOMIAL if state & 1 else 0)
        columns.append(state)
    return tuple(columns)


def _applied(columns: tuple[int, ...], state: int) -> int:
    result = 0
    for bit, column in enumerate(columns):
        if state >> bit & 1:
            result ^= column
    return result
