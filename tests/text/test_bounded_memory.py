"""Memory stays bounded, however long the text or one line of it: measured in processes of their own."""

import bz2
import contextlib
import csv
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.text.inputs import texts

READ = """
import sys
from maskwright.errors import BadInput
from maskwright.lab.bench.clock import peak_mib
from maskwright.text.readers import find_inputs, read_raw
early = characters = 0
message = ""
try:
    for raw in read_raw(find_inputs([sys.argv[1]])[0], sys.argv[2], "en"):
        characters += len(raw.text)
        early = early or (characters > 20_000_000 and int(peak_mib()))
except BadInput as error:
    message = str(error)
print(characters, int(early), int(peak_mib()), message)
"""


def outcome(path: str | Path, shape: str, stdin: Iterable[bytes] = ()) -> tuple[int, int, int, str]:
    """Characters read, the peak of memory (MiB) after 20 M of them and at the end, and the message of a refusal."""
    command = [sys.executable, "-c", READ, str(path), shape]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):
            for piece in stdin:
                process.stdin.write(piece)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        characters, early, late, *message = process.stdout.read().decode().split(" ", 3)
    return int(characters), int(early), int(late), message[0].strip() if message else ""


@pytest.mark.parametrize(
    ("shape", "begin", "message"),
    [
        ("auto", b"It rained.\n", "standard input line 2 is longer than 64 MiB"),
        ("jsonl", b'{"text": "', "standard input line 1 is longer than 64 MiB"),
        ("csv", b"text\n", "standard input line 2 is longer than 64 MiB"),
        ("wikipedia", b"<mediawiki><page><text>", "is in a page of more than 64 Mi"),
        ("wikipedia", b"<mediawiki><page a='", "holds a tag that does not end within 4 MiB"),
        ("warc", b"WARC/1.0\r\nx: ", "standard input record 1 (byte 0) has a header of more than 64 KiB"),
    ],
)
def test_a_line_of_two_gigabytes(shape: str, begin: bytes, message: str) -> None:
    def line() -> Iterator[bytes]:
        yield begin
        for _ in range(2048):
            yield b"x" * (1 << 20)

    _, _, peak, said = outcome("-", shape, line())
    assert message in said
    assert peak < 500


def test_a_quote_of_two_gigabytes() -> None:
    def table() -> Iterator[bytes]:
        yield b'text\n"'
        for _ in range(2048):
            yield b"It rained. She smiled. He bowed.\n" * (1 << 15)

    _, _, peak, said = outcome("-", "csv", table())
    assert "standard input line 2 is no row of csv: field larger than field limit" in said
    assert peak < 500


def test_a_hole_of_half_a_gigabyte_in_a_file_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as stream:
        stream.write(b'{"text": "It rained."}\n' * 100_000)
        stream.truncate(1 << 29)
    program = (
        "import sys; from maskwright.lab.bench.clock import peak_mib; from maskwright.text.pieces import pieces\n"
        "from maskwright.text.readers import find_inputs\n"
        "print(len(pieces(find_inputs([sys.argv[1]]), shape='jsonl')), int(peak_mib()))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    count, peak = map(int, done.stdout.split())
    assert count == 1 and peak < 200
    assert "a.jsonl line 100001 is longer than 64 MiB" in outcome(path, "jsonl")[3]


def write_parquet(path: Path, rows: list[str], times: int) -> None:
    block = pa.table({"text": rows})
    with pq.ParquetWriter(path, block.schema, use_dictionary=False) as writer:
        writer.write_table(pa.concat_tables([block] * times), row_group_size=1 << 30)


def write_arrow(path: Path, rows: list[str], times: int) -> None:
    block = pa.table({"text": rows})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, block.schema) as writer:
        for _ in range(times):
            writer.write_table(block)


def write_csv(path: Path, rows: list[str], times: int) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text"])
        for _ in range(times):
            writer.writerows([row] for row in rows)


def write_dump(path: Path, rows: list[str], times: int) -> None:
    pages = "".join(f"<page><title>x</title><ns>0</ns><revision><text>{row}</text></revision></page>" for row in rows)
    with bz2.open(path, "wb", 1) as stream:
        stream.write(b"<mediawiki>")
        for _ in range(times):
            stream.write(pages.replace("&", "&amp;").encode())
        stream.write(b"</mediawiki>")


def write_crawl(path: Path, rows: list[str], times: int) -> None:
    header = "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
    block = b"".join(header.format(len(row.encode())).encode() + row.encode() + b"\r\n\r\n" for row in rows)
    with path.open("wb") as stream:
        for _ in range(times):
            stream.write(block)


def write_zip(path: Path, rows: list[str], times: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.txt", "w") as one,
    ):
        for _ in range(times):
            one.write("\n\n".join(rows).encode() + b"\n\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.parquet", write_parquet),
        ("a.arrow", write_arrow),
        ("a.csv", write_csv),
        ("a.xml.bz2", write_dump),
        ("a.warc", write_crawl),
        ("a.zip", write_zip),
    ],
)
def test_memory_does_not_grow_with_the_text(
    tmp_path: Path, name: str, write: Callable[[Path, list[str], int], None]
) -> None:
    """200 MB of text: the peak of memory is that of the first tenth, within 32 MiB."""
    rows = texts("en")
    write(tmp_path / name, rows, 200_000_000 // sum(map(len, rows)))
    characters, early, late, message = outcome(tmp_path / name, "auto")
    assert message == ""
    assert characters > 0.95 * 200_000_000
    assert late <= early + 32
    assert late < 400
