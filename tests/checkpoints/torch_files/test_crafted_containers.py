"""Containers that contradict themselves, swell, hide something, or are no torch file at all."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from maskwright.checkpoints.torch_files.guarded import Limits, read_torch_file
from maskwright.errors import BadInput
from tests.checkpoints.torch_files.crafted import (
    FLOATS,
    P,
    old,
    refusal,
    refused_by_reading,
    table,
    tensor,
    unreadable,
    words_or_file,
    zipped,
)

GOOD = P + table({"a": tensor()}) + b"."
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
Spoil = Callable[[bytearray], object]


def torch_zip() -> bytes:
    """As torch itself writes it: sizes stand behind the entries and in zip64 records."""
    held = io.BytesIO()
    torch.save({"a": torch.arange(6.0).reshape(2, 3)}, held)
    return held.getvalue()


def spoilt(content: bytes, spoil: Spoil) -> bytes:
    changed = bytearray(content)
    spoil(changed)
    return bytes(changed)


def at_central(entry: str, offset: int, form: str, value: int) -> Spoil:
    """Overwrites a field of the directory's entry."""

    def spoil(content: bytearray) -> None:
        place = content.rindex(entry.encode()) - 46
        assert content[place : place + 4] == CENTRAL
        struct.pack_into(form, content, place + offset, value)

    return spoil


def at_local(entry: str, offset: int, form: str, value: int) -> Spoil:
    """Overwrites a field of the entry's own header."""

    def spoil(content: bytearray) -> None:
        place = content.index(entry.encode()) - 30
        assert content[place : place + 4] == LOCAL
        struct.pack_into(form, content, place + offset, value)

    return spoil


def at_end(offset: int, form: str, value: int) -> Spoil:
    return lambda content: struct.pack_into(form, content, content.rindex(END) + offset, value)


def at_end_64(offset: int, value: int) -> Spoil:
    return lambda content: struct.pack_into("<Q", content, content.rindex(b"PK\x06\x06") + offset, value)


def both(*spoils: Spoil) -> Spoil:
    return lambda content: [spoil(content) for spoil in spoils]


DATA = "archive/data/0"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (at_central(DATA, 16, "<I", 7), "another size in its own header"),  # the checksum
        (
            both(at_central(DATA, 16, "<I", 7), at_local(DATA, 14, "<I", 7)),
            "checksum of its zip entry 'archive/data/0'",
        ),
        (lambda content: content.__setitem__(content.index(FLOATS), 1), "checksum of its zip entry 'archive/data/0'"),
        (at_central(DATA, 8, "<H", 1), "'archive/data/0' is encrypted"),
        (at_local(DATA, 6, "<H", 1), "another name or kind in its own header"),
        (at_central(DATA, 8, "<H", 0x40), "is encrypted"),
        (at_central(DATA, 10, "<H", 8), "is compressed"),
        (at_local(DATA, 8, "<H", 8), "another name or kind in its own header"),
        (at_local(DATA, 30, "<B", ord("b")), "another name or kind in its own header"),
        (at_local(DATA, 43, "<B", ord("1")), "another name or kind in its own header"),
        (at_central(DATA, 20, "<I", 23), "is compressed"),
        (both(at_central(DATA, 20, "<I", 23), at_central(DATA, 24, "<I", 23)), "another size in its own header"),
        (both(at_central(DATA, 20, "<I", 999), at_central(DATA, 24, "<I", 999)), "reaches into the next"),
        (both(at_central(DATA, 20, "<I", 2**32 - 1), at_central(DATA, 24, "<I", 2**32 - 1)), "zip64 field is missing"),
        (at_local(DATA, 22, "<I", 23), "another size in its own header"),
        (at_central(DATA, 42, "<I", 0), "is not where the directory says"),
        (at_central(DATA, 42, "<I", 10**9), "another size in its own header"),
        (at_central("archive/data.pkl", 42, "<I", 10**9), "begins at byte 205"),
        (at_central(DATA, 42, "<I", 206), "another size in its own header"),
        (at_central("archive/data.pkl", 42, "<I", 205), "begins at byte 205"),
        (at_central(DATA, 42, "<I", 2**32 - 1), "zip64 field is missing"),
        (at_central("archive/data.pkl", 42, "<I", 1), "begins at byte 1"),
        (at_central(DATA, 28, "<H", 200), "directory is cut off"),
        (at_central(DATA, 30, "<H", 200), "directory is cut off"),
        (at_central(DATA, 34, "<H", 1), "of another kind"),
        (at_end(4, "<H", 1), "of several parts"),
        (at_end(8, "<H", 1), "of several parts"),
        (both(at_end(8, "<H", 1), at_end(10, "<H", 1)), "more in it than its entries"),
        (both(at_end(8, "<H", 3), at_end(10, "<H", 3)), "claims 3 entries"),
        (both(at_end(8, "<H", 60_000), at_end(10, "<H", 60_000)), "claims 60,000 entries"),
        (both(at_end(8, "<H", 0xFFFF), at_end(10, "<H", 0xFFFF)), "zip64 directory is missing"),
        (at_end(12, "<I", 2**31), "zip directory claims"),
        (at_end(16, "<I", 2**31), "zip directory claims"),
        (at_end(16, "<I", 2**32 - 1), "zip64 directory is missing"),
        (at_end(20, "<H", 1), "a comment"),
        (lambda content: content.extend(b"x"), "something behind its end"),
        (lambda content: content.extend(zipped(GOOD)), "zip directory claims"),
        (lambda content: content.__delitem__(slice(-30, None)), "cut off"),
        (lambda content: content.__delitem__(slice(60, None)), "cut off"),
        (lambda content: content.__delitem__(slice(4, None)), "cut off"),
        (lambda content: content.__setitem__(slice(0, 0), GOOD), "refers to storages that should not"),
        (lambda content: content.__setitem__(slice(0, 0), old(GOOD)), "outside of itself"),
    ],
    ids=words_or_file,
)
def test_a_zip_that_contradicts_itself(spoil: Spoil, words: str) -> None:
    assert words in unreadable(spoilt(zipped(GOOD), spoil))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (at_end_64(24, 2**40), "zip64 record is of another kind"),
        (both(at_end_64(24, 2**40), at_end_64(32, 2**40)), "of the same"),
        (both(at_end_64(24, 2**40), at_end_64(32, 2**40), at_end(10, "<H", 0xFFFF), at_end(8, "<H", 0xFFFF)), "claims"),
        (both(at_end_64(40, 2**63), at_end(12, "<I", 2**32 - 1)), "claims"),
        (both(at_end_64(48, 2**63), at_end(16, "<I", 2**32 - 1)), "claims"),
        (at_end_64(4, 2**40), "of another kind"),
        (
            lambda content: struct.pack_into("<Q", content, content.rindex(b"PK\x06\x07") + 8, 0),
            "do not follow each other",
        ),
        (
            lambda content: struct.pack_into("<I", content, content.index(b"PK\x07\x08") + 8, 1),
            "another size behind it",
        ),
        (
            lambda content: struct.pack_into("<I", content, content.index(b"PK\x07\x08") + 4, 1),
            "another size behind it",
        ),
    ],
    ids=words_or_file,
)
def test_torchs_own_records_spoilt(tmp_path: Path, spoil: Spoil, words: str) -> None:
    assert words in refused_by_reading(tmp_path, spoilt(torch_zip(), spoil))


def test_what_swells_is_not_unpacked(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", GOOD)
        archive.writestr("archive/data/0", bytes(50_000_000))
    assert len(held.getvalue()) < 60_000
    assert "is compressed, torch's are not" in refused_by_reading(tmp_path, held.getvalue())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"archive/data/0": b"other"}, "'archive/data/0' stands twice"),
        ({"archive/data.pkl": GOOD}, "'archive/data.pkl' stands twice"),
        ({"other/data.pkl": GOOD}, "a zip with 2 data.pkl"),
        ({"archive/constants.pkl": b"\x80\x02)."}, "a TorchScript program"),
        ({"archive/byteorder": b"big"}, "byte order b'big'"),
        ({"archive/d\u0430ta": b""}, "of another kind than torch writes"),
    ],
    ids=words_or_file,
)
def test_entries_beside_the_usual_ones(tmp_path: Path, more: dict[str, bytes], words: str) -> None:
    assert words in refused_by_reading(tmp_path, zipped(GOOD, more=more))


def test_more_entries_than_any_model_has(tmp_path: Path) -> None:
    local = struct.pack("<4s5H3I2H", LOCAL, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"x"
    central = [
        struct.pack("<4s6H3I5H2I", CENTRAL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, at * len(local)) + b"x"
        for at in range(2**17)
    ]
    start, size = len(central) * len(local), sum(map(len, central))
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 0, 0, 0, 0, len(central), len(central), size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + size, 1)
    end = struct.pack("<4s4H2IH", END, 0, 0, 0xFFFF, 0xFFFF, size, start, 0)
    content = local * len(central) + b"".join(central) + record + locator + end
    assert "claims 131,072 entries" in refused_by_reading(tmp_path, content)


def test_bytes_behind_the_pickle_of_a_zip(tmp_path: Path) -> None:
    assert "5 bytes follow behind its pickle" in refused_by_reading(tmp_path, zipped(GOOD + b"extra"))


def test_a_torchscript_program(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    assert "a TorchScript program" in refused_by_reading(tmp_path, path.read_bytes())


def tar() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            raw = pickle.dumps(0, 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tar(), "a tar of torch's first versions"),
        (b"", "has 0 bytes"),
        (b"\x80", "damaged"),
        (b"PK\x03\x04", "cut off"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "a page of HTML"),
        (b"\x1f\x8b\x08" + bytes(30), "packed by gzip"),
        (b"hello, world", "begins with b'hello, w'"),
        (bytes(1000), "begins with"),
    ],
    ids=words_or_file,
)
def test_other_files(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refusal(tmp_path, content)


def test_places_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name, words in {
        "pipe": "is no file",
        "folder": "is no file",
        "loop": "cannot be read",
        "none": "No such",
    }.items():
        with pytest.raises(BadInput, match=words):
            read_torch_file(tmp_path / name, out=tmp_path / "out")
    with pytest.raises(BadInput, match="is no file"):
        read_torch_file("/dev/zero", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    content = zipped(GOOD)
    message = refusal(tmp_path, content, Limits(largest_file=len(content) - 1))
    assert f"1 to {len(content) - 1:,} are read" in message


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(zipped(GOOD))
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadInput, match="out exists already"):
        read_torch_file(tmp_path / "model.bin", out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
