"""Inputs cut into pieces of like size, so that many processes can read them at once.

Small files are gathered; a large file of lines of text that lies unpacked on this machine is cut where a document ends,
Parquet between row groups. Anything else (a packed file, a dump, a member of an archive) is read as one. Where pieces
are cut depends on the files and the size alone.

The documents of all pieces, in order, are those of the files read whole, except that no document crosses a cut:

- jsonl: always the same documents, as a cut is a line's end.
- sentences: the same, as a cut is an empty line; only where there is none within `_LONGEST_SEARCH` bytes, a document
  ends at a line's end instead. (Read whole, it would end after `LONGEST_DOCUMENT` characters, also at some line.)
- paragraphs: the same paragraphs, as a cut falls between two of them; but the count of characters by which prose is cut
  into documents begins anew with each piece.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO, Literal, NamedTuple

from maskwright.text.compression import packing
from maskwright.text.documents import RawDocument
from maskwright.text.formats import parquet
from maskwright.text.formats.plain import paragraph_ends
from maskwright.text.opening import InputFile, seekable
from maskwright.text.readers import Part, detect_shape, read_part
from maskwright.text.shapes import LINE_SHAPES, Shape

PIECE = 64 << 20  # bytes as they lie there
_LONGEST_SEARCH = 32 << 20  # bytes looked at for an empty line
_STEP = 1 << 20


class Piece(NamedTuple):
    """What one process reads at a time: parts of files, in order, and their bytes. Picklable."""

    parts: tuple[Part, ...]
    size: int


def pieces(files: Sequence[InputFile], size: int = PIECE, *, shape: Shape | Literal["auto"] = "auto") -> list[Piece]:
    """Cuts `files` into pieces of about `size` bytes.

    Large files of text are read through once, to count their lines. Raises `BadInput` where a large file is not
    of the shape asked for.
    """
    found: list[Piece] = []
    gathered: list[Part] = []
    weight = 0
    for part, more in (weighed for file in files for weighed in _parts(file, size, shape)):
        if gathered and weight + more > size:
            found.append(Piece(tuple(gathered), weight))
            gathered, weight = [], 0
        gathered.append(part)
        weight += more
    return [*found, Piece(tuple(gathered), weight)] if gathered else found


def read_piece(piece: Piece, language: str, *, column: str = "text") -> Iterator[RawDocument]:
    """The documents of a piece, named by the labels of their files. Raises `BadInput` as `readers.read_part`."""
    for part in piece.parts:
        yield from read_part(part, language, column=column)


def _parts(file: InputFile, size: int, shape: Shape | Literal["auto"]) -> Iterator[tuple[Part, int]]:
    """The parts of a file, each with its bytes."""
    if file.size is None or file.size <= size:
        yield Part(file, shape), file.size or 0
        return
    found = detect_shape(file, shape)
    if found == "parquet" and file.member is None:
        yield from _row_groups(file, size)
    elif found in LINE_SHAPES and file.is_local and not _is_packed(file):
        yield from _ranges(file, size, found)
    else:
        yield Part(file, shape), file.size


def _row_groups(file: InputFile, size: int) -> Iterator[tuple[Part, int]]:
    with seekable(file) as stream:
        groups = parquet.row_groups(stream, file.name)
    begin, row, rows, weight = 0, 1, 0, 0
    for group, (count, packed) in enumerate(groups, 1):
        rows += count
        weight += packed
        if weight >= size or group == len(groups):
            yield Part(file, "parquet", begin, group, row), weight
            begin, row, rows, weight = group, row + rows, 0, 0


def _ranges(file: InputFile, size: int, shape: Shape) -> Iterator[tuple[Part, int]]:
    with open(file.path, "rb") as stream:
        cuts = [0]
        while cuts[-1] + size < (file.size or 0):
            cuts.append(_end_of_document(stream, cuts[-1] + size, shape))
        if cuts[-1] != file.size or len(cuts) == 1:
            cuts.append(file.size or 0)
        line = 1
        for begin, end in pairwise(cuts):
            yield Part(file, shape, begin, end, line), end - begin
            line += _lines_between(stream, begin, end)


def _end_of_document(stream: BinaryIO, begin: int, shape: Shape) -> int:
    """The first place from `begin` on where a document may end: behind a line, before the next."""
    stream.seek(begin)
    first = at = begin + _rest_of_line(stream)
    before: bytes | None = None
    while (line := stream.readline(_STEP)) and at - begin < _LONGEST_SEARCH:
        is_begun = before is not None and not before.endswith(b"\n")  # long lines come in steps
        if not is_begun and _ends_document(before, line, shape):
            return at
        at += len(line)
        before = line
    return first if line else at


def _ends_document(before: bytes | None, line: bytes, shape: Shape) -> bool:
    """Whether a document may end between two lines; None for one of which only the end is known."""
    if shape == "jsonl" or not line.strip():
        return True
    if shape == "sentences" or before is None:
        return False
    return paragraph_ends(before.decode("utf-8", "replace"), line.decode("utf-8", "replace"))


def _rest_of_line(stream: BinaryIO) -> int:
    """Reads up to the line's end, and says how many bytes that was."""
    count = 0
    while piece := stream.readline(_STEP):
        count += len(piece)
        if piece.endswith(b"\n"):
            break
    return count


def _lines_between(stream: BinaryIO, begin: int, end: int) -> int:
    """How many lines end between two places."""
    stream.seek(begin)
    lines = 0
    while begin < end and (piece := stream.read(min(_STEP, end - begin))):
        lines += piece.count(b"\n")
        begin += len(piece)
    return lines


def _is_packed(file: InputFile) -> bool:
    with open(file.path, "rb") as stream:
        return packing(stream.read(8)) is not None
