"""Packages of each registry, as small as a test needs them."""

import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

CONTROL = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"


def a_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Also a wheel, which is one."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def a_tar(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    """A .tar.gz, as npm's packages and sdists are."""
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            packed.addfile(entry)
    return path


def a_debian_package(path: Path, files: dict[str, bytes]) -> Path:
    """Made by dpkg itself."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not there")
    tree = path.with_suffix("")
    for name, content in {"DEBIAN/control": CONTROL.encode(), **files}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    subprocess.run(["dpkg-deb", "-Zxz", "--build", tree, path], check=True, capture_output=True)
    return path
