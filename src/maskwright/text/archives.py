"""Members of zip archives, read where they lie: nothing is ever written under a name that an archive gives.

A member is a file like any other, packed or not, of any shape; an archive inside an archive is passed over.
"""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from maskwright.errors import BadInput
from maskwright.text.compression import Expansion

MAGIC = b"PK\x03\x04"
_PIECE = 1 << 18
_ENCRYPTED = 1  # the bit of an entry's flags
_FAILURES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
    RuntimeError,
)


class Member(NamedTuple):
    """A file in an archive: its name there, and its bytes in packed form."""

    name: str
    size: int


def open_archive(stream: BinaryIO, name: str) -> zipfile.ZipFile:
    """The archive in `stream`, its directory read. Raises `BadInput` where it is none, damaged, or cut off."""
    try:
        return zipfile.ZipFile(stream)
    except BadInput:  # of a server
        raise
    except _FAILURES as error:
        raise BadInput(f"{name} is no zip archive, damaged, or cut off: {error}") from None


def members(archive: zipfile.ZipFile, name: str) -> list[Member]:
    """The files in the archive, in order, without those that systems leave beside files (`.x`, `__MACOSX/x`).

    Raises `BadInput` for an archive that is empty, or that names places outside itself.
    """
    entries = [entry for entry in archive.infolist() if entry.filename and not entry.filename.endswith("/")]
    if not entries:
        raise BadInput(f"{name} is an archive without a file in it")
    found: list[Member] = []
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if ".." in parts or not parts or parts[0] == "/" or parts[0].endswith(":"):
            raise BadInput(f"{name} has a member {entry.filename[:200]!r}, outside of itself: no honest archive does")
        if entry.filename.isprintable() and not any(part.startswith((".", "__MACOSX")) for part in parts):
            found.append(Member(entry.filename, entry.compress_size))
    return found


def unzipped(archive: zipfile.ZipFile, member: str, name: str) -> Iterator[bytes]:
    """The bytes of a member, in pieces; `name` is what messages call it.

    Raises `BadInput` where it is encrypted, damaged or packed in an unknown way, and where it swells beyond measure.
    """
    try:
        entry = archive.getinfo(member)
    except KeyError:
        raise BadInput(f"{name} is no longer in its archive: was it changed while it was read?") from None
    if entry.flag_bits & _ENCRYPTED:
        raise BadInput(f"{name} is encrypted: unpack the archive with its password, and give the folder")
    expansion = Expansion(name)
    expansion.packed = entry.compress_size
    try:
        with archive.open(entry) as content:
            while piece := content.read(_PIECE):
                expansion.add(len(piece))
                yield piece
    except BadInput:
        raise
    except _FAILURES as error:
        done = expansion.unpacked
        raise BadInput(f"{name} is damaged: zip fails after {done} unpacked bytes ({error})") from None
