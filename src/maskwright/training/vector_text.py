"""Files in word2vec's format, text and binary: what word2vec.c writes, and gensim, GloVe's converters and others.

A line "count size", then for each token its name, a space, and its numbers: in text "0.1 -0.2 ..." and a line feed, in
binary `size` little-endian float32, perhaps followed by a line feed. A file whose name ends in .bin is binary.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from maskwright.errors import BadInput

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
LONGEST_NAME = 10_000  # bytes of a token


def read_vectors(path: Path, vocabulary: Sequence[str], size: int) -> tuple[Integers, Floats]:
    """(ids, (len(ids), size) vectors) of the tokens of the vocabulary that stand in a file of word2vec's format.

    The first vector of a token counts; ## pieces are looked up as they are written. BadInput, naming the line, for
    rows of another length, numbers that are none, and more or fewer rows than the first line says.
    """
    places = {token.encode(): place for place, token in enumerate(vocabulary)}
    found: dict[int, Floats] = {}
    with path.open("rb") as file:
        count = _check_head(file.readline(LONGEST_NAME), size, path)
        rows = (_binary if path.suffix == ".bin" else _text)(file, count, size, path)
        for number, (token, numbers) in enumerate(rows, start=1):
            place = places.get(token)
            if place is None or place in found:
                continue
            vector = _parsed(numbers, size)
            if vector is None:
                shown = token.decode(errors="replace")
                raise BadInput(f"{_where(path, number)} ({shown!r:.60}) does not hold {size} finite numbers")
            found[place] = vector
    if len(found) < 2:
        raise BadInput(f"{path}: none of its tokens stand in the vocabulary: was it trained on another tokenizer?")
    vectors = np.stack(list(found.values()))
    if not np.ptp(vectors, axis=0).any():
        raise BadInput(f"{path}: its {len(found):,} vectors of known tokens are all the same")
    return np.array(list(found), dtype=np.int64), vectors


def write_vectors(path: Path, tokens: Sequence[str], vectors: Floats) -> int:
    """A text file that gensim's KeyedVectors loads, to the same bits; returns how many tokens the format cannot hold.

    Those are tokens with a space in them, and they are left out.
    """
    kept = [row for row, token in enumerate(tokens) if " " not in token]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(kept)} {vectors.shape[1]}\n")
        for row in kept:
            numbers = " ".join(f"{value:.9g}" for value in vectors[row].tolist())  # nine figures bring float32 back
            file.write(f"{tokens[row]} {numbers}\n")
    return len(tokens) - len(kept)


def _check_head(line: bytes, size: int, path: Path) -> int:
    """How many rows the file says it has."""
    head = line.split()
    if len(head) != 2 or not all(part.isdigit() and len(part) < 12 for part in head):
        raise BadInput(f"{path}: line 1 is no 'count size' pair, so this is no file of word2vec's")
    count, wide = map(int, head)
    if wide != size:
        raise BadInput(f"{path}: vectors of {wide} numbers, but the model's hidden size is {size}")
    return count


def _text(file: BinaryIO, count: int, size: int, path: Path) -> Iterator[tuple[bytes, list[bytes] | bytes]]:
    row = 0
    for row, line in enumerate(file, start=1):
        token, *numbers = line.rstrip().split(b" ")
        if len(numbers) != size:
            raise BadInput(
                f"{_where(path, row)} holds {len(numbers)} numbers, not {size}: "
                "the file is damaged, or binary and its name does not end in .bin"
            )
        if row > count:
            raise BadInput(f"{path}: line 1 says {count:,} vectors, and there are more: correct it")
        yield token, numbers
    if row < count:
        raise BadInput(f"{path}: line 1 says {count:,} vectors, and there are {row:,}: the file is cut off")


def _binary(file: BinaryIO, count: int, size: int, path: Path) -> Iterator[tuple[bytes, list[bytes] | bytes]]:
    wide = 4 * size
    for row in range(1, count + 1):
        token = bytearray()
        while (byte := file.read(1)) != b" ":
            if not byte or len(token) >= LONGEST_NAME:
                raise BadInput(
                    f"{path}: line 1 says {count:,} vectors, and after {row - 1:,} no token follows: "
                    "the file is cut off, or is text and its name ends in .bin"
                )
            token += byte
        numbers = file.read(wide)
        if len(numbers) != wide:
            raise BadInput(f"{path}: the file ends inside vector {row:,} of {count:,}: it is cut off")
        yield bytes(token.lstrip(b"\n")), numbers
    if file.read(2).strip():
        raise BadInput(f"{path}: line 1 says {count:,} vectors, and there are more: correct it")


def _parsed(numbers: list[bytes] | bytes, size: int) -> Floats | None:
    """The vector, None where it is not of finite numbers."""
    try:
        binary = isinstance(numbers, bytes)
        vector = np.frombuffer(numbers, "<f4").astype(np.float32) if binary else np.array(numbers, dtype=np.float32)
    except ValueError:
        return None
    return vector if vector.shape == (size,) and np.isfinite(vector).all() else None


def _where(path: Path, row: int) -> str:
    return f"{path}: vector {row:,}" if path.suffix == ".bin" else f"{path}: line {row + 1:,}"
