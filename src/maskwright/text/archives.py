"""Members of zip archives, read where they lie: nothing is ever written under a name that an archive gives.

A member is a file like any other, packed or not, of any shape; an archive inside an archive is passed over.
"""

import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from maskwright.errors import BadInput
from maskwright.text.compression import Expansion

MAGIC = b"PK\x03\x04"
_PIECE = 1 << 18
_FAILURES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, RuntimeError)


class Member(NamedTuple):
    """A file in an archive: its name there, and its bytes in packed form."""

    name: str
    size: int


def members(stream: BinaryIO, name: str) -> list[Member]:
    """The files in the archive, in order, without those that systems leave beside files (`.x`, `__MACOSX/x`).

    Raises `BadInput` for an archive that is damaged or cut off, empty, or that names places outside itself.
    """
    with _archive(stream, name) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if not entries:
        raise BadInput(f"{name} is an archive without a file in it")
    found: list[Member] = []
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
            raise BadInput(
                f"{name} has a member {entry.filename[:200]!r}, a place outside of it: no honest archive does"
            )
        if entry.filename.isprintable() and not any(part.startswith((".", "__MACOSX")) for part in parts):
            found.append(Member(entry.filename, entry.compress_size))
    return found


def unzipped(stream: BinaryIO, member: str, name: str) -> Iterator[bytes]:
    """The bytes of `member` of the archive in `stream`, in pieces; `name` is what messages call the member.

    Raises `BadInput` where it is encrypted, damaged or packed in an unknown way, and where it swells beyond measure.
    """
    with _archive(stream, name) as archive:
        try:
            entry = archive.getinfo(member)
        except KeyError:
            raise BadInput(f"{name} is no longer in its archive: was it changed while it was read?") from None
        if entry.flag_bits & 1:
            raise BadInput(f"{name} is encrypted: unpack the archive with its password, and give the folder")
        expansion = Expansion(name)
        expansion.packed = entry.compress_size
        done = 0
        try:
            content = archive.open(entry)
            while piece := content.read(_PIECE):
                done += len(piece)
                expansion.add(len(piece))
                yield piece
        except BadInput:
            raise
        except _FAILURES as error:
            raise BadInput(f"{name} is damaged: zip fails after {done} unpacked bytes ({error})") from None


@contextmanager
def _archive(stream: BinaryIO, name: str) -> Generator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(stream)
    except _FAILURES as error:
        raise BadInput(f"{name} is no zip archive, damaged, or cut off: {error}") from None
    with archive:
        yield archive
