"""A folder as one file, read without being unpacked."""

import zipfile
from pathlib import Path

import pytest

import maskwright as mw
from maskwright.errors import BadInput
from maskwright.inference.graphs.one_file import read_zip, write_zip


def folder_of(path: Path, **files: bytes) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_files_come_back_and_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", one=b"1" * 100_000, two=b"")
    write_zip(folder, tmp_path / "a.zip")
    assert read_zip(tmp_path / "a.zip") == {"one": b"1" * 100_000, "two": b""}
    assert zipfile.ZipFile(tmp_path / "a.zip").testzip() is None
    write_zip(folder_of(tmp_path / "b", two=b"", one=b"1" * 100_000), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_no_export_wrote_is_a_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.bin", b"0" * 10_000_000)
    with pytest.raises(BadInput, match=r"model\.bin in it is compressed"):
        mw.load(tmp_path / "bomb.zip")
    write_zip(folder_of(tmp_path / "a", one=b"1234567890"), tmp_path / "a.zip")
    with pytest.raises(BadInput, match=r"has no model\.xml in it"):
        mw.load(tmp_path / "a.zip")
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "flipped.zip").write_bytes(content.replace(b"1234567890", b"1234567891"))
    (tmp_path / "short.zip").write_bytes(content[:40])
    (tmp_path / "text.zip").write_bytes(b"no archive")
    for name in ("flipped", "short", "text"):
        with pytest.raises(BadInput, match="is damaged, or no"):
            mw.load(tmp_path / f"{name}.zip")
    with pytest.raises(BadInput, match="is not there"):
        mw.load(tmp_path / "none.zip")
