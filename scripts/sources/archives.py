"""Reading packages without unpacking them: nothing that an archive holds is ever written under a name it chose."""

import gzip
import io
import re
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

LARGEST_MEMBER = 256 << 20  # bytes, unpacked


class BadArchive(Exception):
    """An archive holds what no package of ours should hold."""


def members(archive: Path, wanted: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the plain files in a .whl, .zip, .tar.gz, .tgz or .deb whose whole names match `wanted`.

    In the archive's order; names without a leading "./". Links and devices are passed over. Raises `BadArchive` for a
    name that is absolute or leads upwards, even if nobody wants it, for a member that is larger than
    `LARGEST_MEMBER`, and for a damaged archive.
    """
    pattern = re.compile(wanted)
    try:
        if archive.suffix in (".whl", ".zip"):
            yield from _zip_members(archive, pattern)
        elif archive.suffix == ".deb":
            yield from _deb_members(archive, pattern)
        else:
            with archive.open("rb") as file:
                yield from _tar_members(file, "r|*", archive, pattern)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise BadArchive(f"{archive} is damaged ({error}): remove it to fetch it again") from None


def member(archive: Path, wanted: str) -> bytes:
    """The content of the only member whose name matches."""
    found = list(members(archive, wanted))
    if len(found) != 1:
        raise BadArchive(f"{archive.name} has {len(found)} files like {wanted}, not one: is it another version?")
    return found[0][1]


def unzipped(content: bytes) -> bytes:
    """What a gzip file (.gz, .dz) holds, if that is no more than `LARGEST_MEMBER`."""
    with gzip.open(io.BytesIO(content)) as file:
        return _limited(file, "a gzip file")


def _zip_members(archive: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            name = _safe_name(entry.filename, archive)
            if not entry.is_dir() and pattern.fullmatch(name):
                with packed.open(entry) as file:
                    yield name, _limited(file, f"{archive.name}: {name}")


def _deb_members(archive: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield from _tar_members(process.stdout, "r|", archive, pattern)
        while process.stdout.read(1 << 20):  # the padding behind the last member
            pass
    if process.returncode:
        raise BadArchive(f"{archive} is damaged (dpkg-deb failed): remove it to fetch it again")


def _tar_members(stream: IO[bytes], mode: str, archive: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=stream, mode=mode) as packed:  # type: ignore[call-overload]
        for entry in packed:
            name = _safe_name(entry.name, archive)
            if entry.isreg() and pattern.fullmatch(name):
                file = packed.extractfile(entry)
                assert file is not None
                yield name, _limited(file, f"{archive.name}: {name}")


def _safe_name(name: str, archive: Path) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise BadArchive(f"{archive.name} has a file named {name!r}, which leads out of its folder")
    return str(path)


def _limited(file: IO[bytes] | gzip.GzipFile, name: str) -> bytes:
    content = file.read(LARGEST_MEMBER + 1)
    if len(content) > LARGEST_MEMBER:
        raise BadArchive(f"{name} unpacks to more than {LARGEST_MEMBER >> 20} MiB")
    return content
