"""What a finished folder holds: damage is found, and named."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from maskwright.errors import BadInput
from maskwright.manifest import canonical, verify_manifest, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "x"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "sub" / "b.txt").write_text("红楼梦", encoding="utf-8")
    (folder / ".lock").write_text("no content")
    write_manifest(folder, {"tokenizer": "abc"})
    return folder


def test_says_what_is_there(folder: Path):
    manifest = verify_manifest(folder)
    assert manifest["tokenizer"] == "abc"
    assert [(f["name"], f["size"]) for f in manifest["files"]] == [("a.bin", 2560), ("sub/b.txt", 9)]
    expected = subprocess.run(["sha256sum", folder / "sub" / "b.txt"], capture_output=True, text=True, check=True)
    assert manifest["files"][1]["sha256"] == expected.stdout.split()[0]


@pytest.mark.parametrize("name", ["a.bin", "sub/b.txt", "manifest.json"])
def test_damage_is_found_and_named(folder: Path, name: str):
    path, base = folder / name, Path(name).name
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BadInput, match=base):
            verify_manifest(folder)
    path.write_bytes(whole + b"\n")
    with pytest.raises(BadInput, match=base):
        verify_manifest(folder)
    for bit in range(0, len(whole) * 8, 37 if len(whole) < 2000 else 97):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(BadInput, match=rf"{base}: its checksum"):
            verify_manifest(folder)
    path.unlink()
    with pytest.raises(BadInput, match=f"{base}: missing"):
        verify_manifest(folder)
    path.mkdir()
    with pytest.raises(BadInput, match=rf"{base}: not a plain file \(a folder\)"):
        verify_manifest(folder)
    path.rmdir()
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(whole)
    path.symlink_to(elsewhere)
    with pytest.raises(BadInput, match=rf"{base}: not a plain file \(a link\)"):
        verify_manifest(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadInput, match=f"{base}: not a plain file"):
        verify_manifest(folder)


def test_sizes_alone_overlook_a_flipped_bit_but_no_lost_byte(folder: Path):
    (folder / "a.bin").write_bytes(bytes(2560))
    verify_manifest(folder, checksums=False)
    (folder / "a.bin").write_bytes(bytes(2559))
    with pytest.raises(BadInput, match="2,559 bytes where the manifest says 2,560"):
        verify_manifest(folder, checksums=False)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "sub/../../outside", "", "a//b", "."])
def test_no_name_leads_out_of_the_folder(folder: Path, name: str):
    (folder.parent / "outside").write_text("secret")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][0]["name"] = name
    sign(folder, manifest)
    with pytest.raises(BadInput, match="leads out of the folder"):
        verify_manifest(folder)


def test_no_folder_on_the_way_is_a_link(folder: Path):
    shutil.move(folder / "sub", folder.parent / "moved")
    (folder / "sub").symlink_to(folder.parent / "moved")
    with pytest.raises(BadInput, match="sub: not a plain folder"):
        verify_manifest(folder)


def test_a_later_format_is_refused_by_number(folder: Path):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["format"] = 2
    sign(folder, manifest)
    with pytest.raises(BadInput, match="format 2 is not 1"):
        verify_manifest(folder)


def sign(folder: Path, manifest: dict) -> None:
    """Someone who forges a manifest can also forge its checksum."""
    manifest.pop("sha256")
    manifest["sha256"] = hashlib.sha256(canonical(manifest)).hexdigest()
    (folder / "manifest.json").write_bytes(canonical(manifest))
