"""SentencePiece's model files (google/sentencepiece, sentencepiece_model.proto), read by a small parser of our own.

Only what a Unigram tokenizer needs is taken out; every length is checked against what is there. The library itself is
not asked: a crafted model made it write beyond its memory (CVE-2026-1260, before 0.2.1).
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from maskwright.errors import BadInput
from maskwright.tokenizers.json_file import read_bytes

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_UNIGRAM = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Piece(NamedTuple):
    """A piece, the logarithm of its probability, and its type: NORMAL, CONTROL ..."""

    text: str
    score: float
    type: int


class SentencePieceModel(NamedTuple):
    """What a .model of type Unigram says.

    pieces   in order of their ids
    unk_id   the id of the unknown piece
    charsmap its normalization rules, compiled; b"" where there are none
    """

    pieces: list[Piece]
    unk_id: int
    charsmap: bytes


def read_model(path: Path) -> SentencePieceModel:
    """A .model of type Unigram. BadInput for a file cut short, for another type, and for what is not read."""
    return parse_model(read_bytes(path), str(path))


def parse_model(data: bytes, where: str) -> SentencePieceModel:
    """As `read_model`, from bytes."""
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for field, value in _fields(data, where):
        if field == 1:
            pieces.append(_piece(_message(value, where), f"{where}: piece {len(pieces)}"))
        elif field == 2:
            trainer = dict(_fields(_message(value, where), where))
        elif field == 3:
            normalizer = dict(_fields(_message(value, where), where))
    if not pieces:
        raise BadInput(f"{where}: no pieces; a SentencePiece model was expected")
    if (kind := trainer.get(3, _UNIGRAM)) != _UNIGRAM:
        raise BadInput(f"{where}: model type {kind} is not Unigram (1), the only one that is read")
    if trainer.get(24) or trainer.get(35):
        raise BadInput(
            f"{where}: white space as a suffix and fallback to bytes are not read; ALBERT and XLNet have neither"
        )
    if not all(normalizer.get(field, 1) for field in (3, 4, 5)):
        raise BadInput(f"{where}: only models that put a space in front and make several spaces one are read")
    unknown = [index for index, piece in enumerate(pieces) if piece.type == UNKNOWN]
    if len(unknown) != 1:
        raise BadInput(f"{where}: {len(unknown)} pieces are the unknown one; there must be one")
    if any(piece.type == BYTE for piece in pieces):
        raise BadInput(f"{where}: pieces that stand for bytes are not read; ALBERT and XLNet have none")
    charsmap = normalizer.get(2, b"")
    charsmap = charsmap if isinstance(charsmap, bytes) else b""
    check_charsmap(charsmap, where)
    return SentencePieceModel(pieces, unknown[0], charsmap)


def check_charsmap(charsmap: bytes, where: str | Path) -> None:
    """Raise BadInput unless no walk through the compiled rules can leave them.

    They are a double-array trie in units of four bytes, its size in front, and the texts it leads to, each ended by a
    zero byte (darts-clone, `DoubleArrayUnit`).
    """
    if not charsmap:
        return
    wrong = BadInput(f"{where}: its normalization rules are damaged")
    size = int.from_bytes(charsmap[:4], "little")
    if len(charsmap) < 8 or size % 4 or not 0 < size <= len(charsmap) - 4:
        raise wrong
    units = np.frombuffer(charsmap, dtype="<u4", count=size // 4, offset=4).astype(np.int64)
    texts = charsmap[4 + size :]
    # A walk starts at unit 0, and steps on any byte from a unit to one within the 256 from its offset on.
    steps = (units != 0) & (units >> 31 == 0)
    steps[0] = True
    targets = np.arange(len(units)) ^ ((units >> 10) << ((units & (1 << 9)) >> 6))
    if (targets[steps] | 0xFF).max() >= len(units):
        raise wrong
    # A unit with bit 8 ends a rule: the unit at its offset says where the text begins that takes the place.
    leads = units[targets[steps & (units >> 8 & 1 == 1)]] & 0x7FFFFFFF
    if len(leads) and (leads.max() >= len(texts) or not texts.endswith(b"\0")):
        raise wrong
    try:
        texts.decode("utf-8")
    except UnicodeDecodeError:
        raise wrong from None
    if (np.frombuffer(texts, dtype=np.uint8)[leads] & 0xC0 == 0x80).any():
        raise wrong


def _piece(data: bytes, where: str) -> Piece:
    text, score, kind = "", 0.0, NORMAL
    for field, value in _fields(data, where):
        if field == 1:
            try:
                text = _message(value, where).decode("utf-8")
            except UnicodeDecodeError:
                raise BadInput(f"{where} is not UTF-8") from None
        elif field == 2:
            score = struct.unpack("<f", _message(value, where, size=4))[0]
        elif field == 3 and isinstance(value, int):
            kind = value
    if not math.isfinite(score):
        raise BadInput(f"{where}, {text!r}, has the score {score}; a finite number was expected")
    if not NORMAL <= kind <= BYTE:
        raise BadInput(f"{where}, {text!r}, is of type {kind}, which there is not")
    return Piece(text, score, kind)


def _message(value: int | bytes, where: str, *, size: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise BadInput(f"{where}: a field is not of its type; a SentencePiece model was expected")
    return value


def _fields(data: bytes, where: str) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a protobuf message: an integer, or the bytes of anything else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at, where)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at, where)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at, where)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise BadInput(f"{where}: byte {at} begins no field; a SentencePiece model was expected")
        if key >> 3 == 0 or size > len(data) - at:
            raise BadInput(
                f"{where}: cut short, or no SentencePiece model: a field of {size} bytes with {len(data) - at} left"
            )
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int, where: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise BadInput(f"{where}: cut short in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadInput(f"{where}: a number of more than ten bytes; a SentencePiece model was expected")
