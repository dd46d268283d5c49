"""Which files are read: files, folders and the standard input, opened and decompressed.

Of a folder, the files whose names end in `.txt`, `.text`, `.jsonl` or `.ndjson`, alone or with `.gz` or `.zst`
behind, are read, those of its subfolders too, sorted by path. What begins with a dot is skipped, and so are empty
files. A file that is named itself is read whatever its name. "-" is the standard input.
"""

import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from maskwright.errors import BadInput
from maskwright.text.compression import decompressed

READ_FROM_FOLDERS = re.compile(r"\.(?:txt|text|jsonl|ndjson)(?:\.gz|\.zst)?$", re.IGNORECASE)
STANDARD_INPUT = "-"
_PIECE = 1 << 18


class InputFile(NamedTuple):
    """One file to read. Picklable, so that files can be shared out over processes (the standard input cannot).

    path    as given or found, "-" for the standard input
    size    bytes on disk, compressed or not; None where it has no size (the standard input, a pipe)
    named   given by itself, not found in a folder: then being empty is an error
    shown   what messages call it, where that is not the path
    """

    path: str
    size: int | None
    named: bool
    shown: str | None = None

    @property
    def name(self) -> str:
        """What messages call it: the path, with what is not UTF-8 in it replaced."""
        if self.shown is not None:
            return self.shown
        if self.path == STANDARD_INPUT:
            return "standard input"
        return os.fsencode(self.path).decode("utf-8", "replace")


def find_inputs(inputs: Sequence[str | Path]) -> list[InputFile]:
    """The files that `inputs` name, in the order given, each once; those of a folder sorted by path.

    Raises `BadInput` for what does not exist, for a folder without text and for a file that is empty.
    """
    if not inputs:
        raise BadInput("no text was given: name a file, a folder, or - for the standard input")
    found: dict[str, InputFile] = {}
    for given in map(str, inputs):
        for file in [InputFile("-", None, True)] if given == STANDARD_INPUT else _found_at(given):
            found.setdefault(os.path.realpath(file.path) if file.path != STANDARD_INPUT else "-", file)
    return list(found.values())


def _found_at(path: str) -> list[InputFile]:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path} does not exist") from None
    if not stat.S_ISDIR(status.st_mode):
        file = InputFile(path, status.st_size if stat.S_ISREG(status.st_mode) else None, True)
        if file.size == 0:
            raise BadInput(f"{file.name} is empty")
        return [file]
    files, others = _walk(path)
    if not files:
        passed = f"{len(others)} files have other names, such as {others[0]}" if others else "it has no files"
        raise BadInput(
            f"{path} has no text: {passed}; of a folder, .txt .text .jsonl .ndjson, also .gz and .zst, are read "
            "(name a file itself to read it all the same)"
        )
    filled = [file for file in files if file.size != 0]
    if not filled:
        raise BadInput(f"{path} has no text: all of its {len(files)} text files are empty")
    return filled


def _walk(folder: str) -> tuple[list[InputFile], list[str]]:
    """Text files in `folder`, sorted by path, and the names of the other files."""
    files: list[InputFile] = []
    others: list[str] = []

    def refuse(error: OSError) -> None:
        raise error

    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            path = os.path.join(parent, name)
            if name.startswith(".") or not os.path.isfile(path):
                continue
            if READ_FROM_FOLDERS.search(name):
                files.append(InputFile(path, os.path.getsize(path), False))
            else:
                others.append(os.fsencode(name).decode("utf-8", "replace"))
    return sorted(files, key=lambda file: file.path.split(os.sep)), sorted(others)


def open_input(file: InputFile) -> Iterator[bytes]:
    """The content of `file`, unpacked, in pieces of bounded size. Raises as `compression.decompressed` does."""
    if file.path == STANDARD_INPUT:
        yield from decompressed(_pieces(sys.stdin.buffer), file.name)
        return
    with open(file.path, "rb") as stream:
        yield from decompressed(_pieces(stream), file.name)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece
