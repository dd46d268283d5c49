"""Vectors on their way out, as many as come: JSON lines, or one .npy file that grows.

A file is there whole or not at all; memory does not grow with the number of vectors.
"""

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from maskwright.durable import staged_file
from maskwright.errors import BadInput

Write = Callable[[Sequence[str], npt.NDArray[np.float32]], None]
KINDS = (".npy", ".jsonl")


def check_name(out: Path | None) -> None:
    """Raises BadInput for a file of a kind that is not written, or in a folder that is not there."""
    if out is None:
        return
    if out.suffix not in KINDS:
        raise BadInput(f"{out}: vectors are written to {' or '.join(KINDS)} files: choose one of these endings")
    if not out.parent.is_dir():
        raise BadInput(f"{out}: there is no folder {out.parent}: make it first")


@contextmanager
def vectors_to(out: Path | None, width: int) -> Generator[Write]:
    """Yields a function that takes texts and their vectors (N, width), any number of times, in order.

    out   None: JSON lines on standard output, {"text": ..., "vector": [...]}; a .jsonl file: the same;
          a .npy file: the vectors alone, float32, a row a text
    """
    check_name(out)
    if out is None:

        def to_stdout(texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
            sys.stdout.write(_lines(texts, vectors))

        yield to_stdout
        return
    with staged_file(out) as file:
        yield from _npy(file, width) if out.suffix == ".npy" else _jsonl(file)


def _jsonl(file: BinaryIO) -> Generator[Write]:
    def write(texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        file.write(_lines(texts, vectors).encode())

    yield write


def _npy(file: BinaryIO, width: int) -> Generator[Write]:
    """numpy leaves room in the header for the number of rows to grow, so it is written anew at the end."""
    rows = 0

    def header() -> None:
        facts: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, facts)

    def write(texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        nonlocal rows
        rows += len(vectors)
        file.write(np.ascontiguousarray(vectors, "<f4").tobytes())

    header()
    begin = file.tell()
    yield write
    file.seek(0)
    header()
    assert file.tell() == begin, "the header has outgrown its place"


def _lines(texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> str:
    """Nine figures bring every float32 back bit for bit."""
    return "".join(
        json.dumps({"text": text, "vector": [float(f"{x:.9g}") for x in vector]}, ensure_ascii=False) + "\n"
        for text, vector in zip(texts, vectors.tolist(), strict=True)
    )
