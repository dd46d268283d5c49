"""Checkpoints that are damaged or lie: one line of BadInput each, soon, and in little memory."""

import os
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskwright.checkpoints.tensor_bundle import open_bundle
from maskwright.errors import BadInput
from tests.checkpoints.bundle_bytes import (
    BFLOAT16,
    MAGIC,
    Tensor,
    block,
    blocks,
    closed,
    entry,
    field,
    floats,
    header,
    number,
    sealed,
    table,
    write,
)

X = floats("x", 2, 3)
GOOD = [floats("bert/a", 4, 2), floats("bert/b", 3), Tensor("half", BFLOAT16, (2,), b"\x80\x3f\x20\xc0")]
HEAD = (b"", header())
ENTRY = (b"x", entry(X, 0))
GOOD_BLOCK = block([HEAD, ENTRY])


def read_all(path: Path) -> None:
    bundle = open_bundle(path)
    for name in bundle.names():
        bundle.read(name)


def refused(path: Path) -> str:
    """The line that reading `path` is refused with, within five seconds and 64 MB."""
    tracemalloc.start()
    begin = time.perf_counter()
    try:
        with pytest.raises(BadInput) as caught:
            read_all(path)
        seconds, peak = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.parent) in message
    assert len(message) < 500 + 2 * len(str(path))
    assert seconds < 5
    assert peak < 64 * 2**20
    return message


def raw_entry(shared: int, key: bytes, value: bytes, unshared: int | None = None, length: int | None = None) -> bytes:
    lengths = (shared, len(key) if unshared is None else unshared, len(value) if length is None else length)
    return b"".join(map(number, lengths)) + key + value


def one_block(data: bytes, *restarts: int, count: int | None = None) -> bytes:
    """An index file with one data block of these bytes."""
    points = restarts or (0,)
    tail = struct.pack(f"<{len(points) + 1}I", *points, len(points) if count is None else count)
    return blocks([(b"z", data + tail)])


def indexed(place: bytes) -> bytes:
    """An index file whose index block has `place` for the place of the data block."""
    return closed(sealed(GOOD_BLOCK), block([(b"z", place)], 1))


GIANT = 2**60
TABLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut short"),
    "another kind of file": (b"\x89PNG" * 40, "another kind of file"),
    "magic alone": (bytes(40) + MAGIC, "does not end before the footer"),
    "index block of 2**60 bytes": (closed(b"", block([]), number(0) + number(GIANT)), "1,152,921,504,606,846,976"),
    "index block at 2**60": (closed(b"", block([]), number(GIANT) + number(8)), "does not end before the footer"),
    "data block of 2**60 bytes": (indexed(number(0) + number(GIANT)), "does not end before the footer"),
    "data block at 2**63": (indexed(number(2**63) + number(9)), "does not end before the footer"),
    "place that does not end": (indexed(b"\xff" * 20), "does not end or is too large"),
    "place that is no pair": (indexed(number(0)), "does not end"),
    "number of 70 bits": (closed(b"", block([]), b"\xff" * 9 + b"\x7f" + number(1)), "too large"),
    "snappy": (table([HEAD, ENTRY], kind=1), "packed with snappy"),
    "unknown kind": (table([HEAD, ENTRY], kind=9), "unknown kind 9"),
    "no block": (closed(b"", block([])), "its first entry is not the header"),
    "empty block": (blocks([(b"a", block([HEAD, ENTRY])), (b"z", block([]))]), "is empty"),
    "no header": (table([ENTRY]), "not the header"),
    "names in disorder": (table([HEAD, (b"y", b""), ENTRY]), "not in order"),
    "a name twice": (table([HEAD, ENTRY, ENTRY]), "not in order"),
    "a block twice": (
        closed(sealed(GOOD_BLOCK), block([(b"y", number(0) + number(40)), (b"z", number(0) + number(40))])),
        "overlap",
    ),
    "shared bytes of the first key": (one_block(raw_entry(5, b"x", b"")), "shares 5 bytes with one of 0"),
    "shared bytes of no key": (one_block(raw_entry(0, b"a", b"") + raw_entry(2, b"x", b"")), "shares 2 bytes"),
    "shared 2**60 bytes": (one_block(raw_entry(0, b"", b"") + raw_entry(GIANT, b"x", b"")), "shares"),
    "key of 2**60 bytes": (one_block(raw_entry(0, b"x", b"", unshared=GIANT)), "longer than 1,024"),
    "value of 2**60 bytes": (one_block(raw_entry(0, b"x", b"", length=GIANT)), "are left"),
    "key of 2,000 bytes": (one_block(raw_entry(0, b"x" * 2000, b"")), "2,000 bytes is longer"),
    "restart within an entry": (one_block(raw_entry(0, b"abc", b""), 0, 2), "within an entry"),
    "restarts in disorder": (one_block(raw_entry(0, b"abc", b""), 0, 2, 1), "not in order"),
    "restart points that do not fit": (one_block(raw_entry(0, b"abc", b""), count=2**32 - 1), "no room"),
    "no restart point": (one_block(raw_entry(0, b"abc", b""), count=0), "no room"),
    "too long": (bytes(8 * 2**20 + 1), "more than an index has"),
    "too many names": (table([(b"%06d" % i, b"") for i in range(20_001)], 500), "more than 20,000 entries"),
}


@pytest.mark.parametrize("case", TABLES)
def test_bad_tables(tmp_path: Path, case: str) -> None:
    data, wish = TABLES[case]
    (tmp_path / "model.index").write_bytes(data)
    (tmp_path / "model.data-00000-of-00001").write_bytes(X.raw)
    assert wish in refused(tmp_path / "model")


HEADERS: dict[str, tuple[bytes, str]] = {
    "big-endian": (header(endianness=1), "big-endian"),
    "of a later version": (header(version=field(2, 2)), "needs a reader of version 2"),
    "no files": (header(0), "0 files of values"),
    "minus one file": (header(-1), "-1 files of values"),
    "10**9 files": (header(10**9), "1,000,000,000 files of values"),
    "two files, of which one is there": (header(2), "model.data-00000-of-00002: missing"),
    "no message": (b"\x0f", "unknown kind 7"),
    "a group": (b"\x0b", "unknown kind 3"),
    "field 0": (b"\x00\x00", "no field has the number 0"),
    "cut short": (b"\x1a\x7f", "has 127 bytes where 0 are left"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_bad_headers(tmp_path: Path, case: str) -> None:
    head, wish = HEADERS[case]
    assert wish in refused(write(tmp_path / "model", [X], head))


LARGE = 2**40
ENTRIES: dict[str, tuple[Tensor, str]] = {
    "values changed": (X._replace(raw=X.raw[:-1] + b"\x00", crc=123), "differs from its checksum"),
    "shape [2**40, 2**40]": (X._replace(shape=(LARGE, LARGE)), "larger than any tensor's"),
    "shape [0, 2**62]": (X._replace(shape=(0, 2**62), raw=b""), "larger than any tensor's"),
    "300 dimensions": (X._replace(shape=(1,) * 300), "300 dimensions"),
    "shape [2**20, 2**20]": (X._replace(shape=(2**20, 2**20)), "its shape asks for 4,398,046,511,104"),
    "shape and size of 4 TB": (X._replace(shape=(2**20, 2**20), size=2**42), "the file has 24"),
    "shape [-1]": (X._replace(shape=(-1,)), "its shape is not known"),
    "no type": (X._replace(dtype=0), "TensorFlow's type 0"),
    "complex": (X._replace(dtype=8, shape=(3,)), "holds complex64"),
    "type 10**12": (X._replace(dtype=10**12), "TensorFlow's type 1000000000000"),
    "file 10**9": (X._replace(shard=10**9), "lies in file 1,000,000,000 of 1"),
    "file -1": (X._replace(shard=-1), "lies in file -1 of 1"),
    "past the end": (X._replace(offset=10**15), "should end at byte 1,000,000,000,000,024"),
    "one byte past the end": (X._replace(offset=1), "should end at byte 25, the file has 24"),
    "before the beginning": (X._replace(offset=-8), "has 24 bytes at -8"),
    "minus so many bytes": (X._replace(size=-24), "has -24 bytes"),
    "a name of control characters": (X._replace(name="a\nb"), "is no name"),
    "two lines of escape codes": (X._replace(name="\x1b[2J"), "is no name"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_bad_entries(tmp_path: Path, case: str) -> None:
    tensor, wish = ENTRIES[case]
    assert wish in refused(write(tmp_path / "model", [tensor]))


def test_tensors_that_share_bytes(tmp_path: Path) -> None:
    """So that all of them together are no larger than the file."""
    tensors = [X, X._replace(name="y", offset=20, size=24, raw=X.raw)]
    assert "x and y overlap" in refused(write(tmp_path / "model", tensors))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    data = table([HEAD, (b"\xff\xfe", entry(X, 0))])
    (tmp_path / "model.index").write_bytes(data)
    (tmp_path / "model.data-00000-of-00001").write_bytes(X.raw)
    assert "is no name" in refused(tmp_path / "model")


@pytest.mark.parametrize("which", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize(
    ("replace", "wish"),
    [
        (lambda path, kept: path.symlink_to(kept), "a link, which is not followed"),
        (lambda path, kept: path.mkdir(), ""),
        (lambda path, kept: os.mkfifo(path), "not a file of bytes"),
        (lambda path, kept: None, "missing"),
    ],
    ids=["link", "folder", "pipe", "nothing"],
)
def test_no_file(tmp_path: Path, which: str, replace: Callable[[Path, Path], None], wish: str) -> None:
    prefix = write(tmp_path / "model", [X])
    path = tmp_path / f"model.{which}"
    path.rename(tmp_path / "kept")
    replace(path, tmp_path / "kept")
    assert wish in refused(prefix)


def test_a_file_cut_after_it_was_opened(tmp_path: Path) -> None:
    bundle = open_bundle(write(tmp_path / "model", [X]))
    os.truncate(tmp_path / "model.data-00000-of-00001", 23)
    with pytest.raises(BadInput, match="23 are there"):
        bundle.read("x")


def test_more_than_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    bundle = open_bundle(write(tmp_path / "model", [X]))
    monkeypatch.setattr("numpy.empty", none_left)
    with pytest.raises(BadInput, match="24 bytes of one tensor do not fit in memory"):
        bundle.read("x")


def test_cut_at_every_byte(tmp_path: Path) -> None:
    for name in ("index", "data-00000-of-00001"):
        prefix = write(tmp_path / "model", GOOD)
        path = tmp_path / f"model.{name}"
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(BadInput):
                read_all(prefix)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_bit_flipped_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    """The checksums cover every byte of a table but the zeros before the magic number."""
    prefix = write(tmp_path / "model", GOOD)
    path = tmp_path / f"model.{data.draw(st.sampled_from(['index', 'data-00000-of-00001']))}"
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    padding = path.suffix == ".index" and len(content) - 48 <= place < len(content) - 8
    try:
        read_all(prefix)
        assert padding
    except BadInput as error:
        assert "\n" not in str(error)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_bytes_changed_under_a_good_checksum(tmp_path: Path, changes: list[tuple[int, int]], in_header: bool) -> None:
    """Whoever makes a bad file makes its checksums too: what is read is then within the file, or it is refused."""
    pairs = [HEAD, *((t.name.encode(), entry(t, 0)) for t in GOOD)]
    content = bytearray(block(pairs))
    for place, byte in changes:
        content[place % (60 if in_header else len(content))] = byte
    (tmp_path / "model.index").write_bytes(blocks([(b"z", bytes(content))]))
    (tmp_path / "model.data-00000-of-00001").write_bytes(b"".join(t.raw for t in GOOD))
    try:
        bundle = open_bundle(tmp_path / "model")
        assert sum(bundle.entry(name).size for name in bundle.names() if not bundle.entry(name).sliced) <= 48
        for name in bundle.names():
            bundle.read(name)
    except BadInput as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_a_block(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.index").write_bytes(blocks([(b"z", data)]))
    with pytest.raises(BadInput):
        open_bundle(tmp_path / "model")


def test_the_good_ones_are_good(tmp_path: Path) -> None:
    """The files above are good before they are spoilt."""
    read_all(write(tmp_path / "model", GOOD))
    (tmp_path / "model.data-00000-of-00001").write_bytes(X.raw)
    for data in (one_block(raw_entry(0, *HEAD) + raw_entry(0, *ENTRY)), indexed(number(0) + number(len(GOOD_BLOCK)))):
        (tmp_path / "model.index").write_bytes(data)
        read_all(tmp_path / "model")
