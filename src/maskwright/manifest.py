"""manifest.json: what a finished folder holds, each file with its size and checksum, and the list with its own."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from maskwright.durable import write_file
from maskwright.errors import BadInput

MANIFEST = "manifest.json"
FORMAT = 1
LIMIT = 64 * 2**20  # bytes; a longer one is not read into memory


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical(data: Mapping[str, Any]) -> bytes:
    """The bytes of a manifest: JSON as nobody writes it by chance, so that an edit shows."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_manifest(
    folder: str | Path, facts: Mapping[str, Any] | None = None, known: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Writes `manifest.json` (call it last): name, size and sha256 of every file in `folder`, below it too.

    `facts` are further JSON entries the caller wants kept with them ("format", "files" and "sha256"
    are taken). The last entry, "sha256", is that of the manifest without it, so that a flipped bit in
    the manifest itself is found. Files whose names begin with a dot are no content.
    `known` are the sha256 of files whose writers told them; they are not read once more.
    """
    folder, known = Path(folder), known or {}
    files = sorted(
        p
        for p in folder.rglob("*")
        if not p.is_dir() and not any(x.startswith(".") for x in p.relative_to(folder).parts)
    )
    listed = [
        {"name": name, "size": p.stat().st_size, "sha256": known.get(name) or sha256(p)}
        for p in files
        if (name := p.relative_to(folder).as_posix()) != MANIFEST
    ]
    manifest: dict[str, Any] = {"format": FORMAT, **(facts or {}), "files": listed}
    manifest["sha256"] = hashlib.sha256(canonical(manifest)).hexdigest()
    write_file(folder / MANIFEST, canonical(manifest))
    return manifest


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of `folder`, its own checksum verified; BadInput says what is wrong with it."""
    path = Path(folder) / MANIFEST
    _check_plain(Path(folder), MANIFEST)
    if (size := path.stat().st_size) > LIMIT:
        raise BadInput(f"{path}: {size:,} bytes is more than a manifest can have ({LIMIT:,})")
    raw = _readable(path)
    try:
        loaded: Any = json.loads(raw)
        manifest = cast(dict[str, Any], loaded) if isinstance(loaded, dict) else {}
        body = {key: value for key, value in manifest.items() if key != "sha256"}
        sound = raw == canonical(manifest) and manifest["sha256"] == hashlib.sha256(canonical(body)).hexdigest()
    except (ValueError, KeyError, RecursionError):
        sound, manifest = False, {}
    if not sound:
        raise BadInput(f"{path}: its checksum does not match; the file is damaged, cut short or was edited")
    if manifest.get("format") != FORMAT:
        raise BadInput(f"{path}: format {manifest.get('format')!r} is not {FORMAT}, the one this version reads")
    return manifest


def verify_manifest(folder: str | Path, *, checksums: bool = True) -> dict[str, Any]:
    """Compares the files of `folder` with its manifest (without `checksums`: kinds and sizes only); returns it.

    BadInput names the first bad file and why: missing, not a plain file, wrong size, wrong checksum.
    Links are refused and no name leads out of the folder.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for entry in manifest["files"]:
        name, path = entry["name"], folder / entry["name"]
        _check_plain(folder, name)
        if (size := path.stat().st_size) != entry["size"]:
            raise BadInput(f"{path}: {size:,} bytes where the manifest says {entry['size']:,}; the file is not whole")
        if checksums:
            try:
                digest = sha256(path)
            except OSError as error:
                raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
            if digest != entry["sha256"]:
                raise BadInput(f"{path}: its checksum (sha256) does not match the manifest; the file is damaged")
    return manifest


def _check_plain(folder: Path, name: str) -> None:
    """Raises BadInput unless `folder/name` is a plain file reached without links."""
    parts = name.split("/")
    if not name or name.startswith("/") or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise BadInput(f"{folder / MANIFEST}: the name {name!r} leads out of the folder")
    path = folder
    for number, part in enumerate(parts, start=1):
        path = path / part
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadInput(f"{path}: missing") from error
        except OSError as error:
            raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
        if not (stat.S_ISREG(mode) if number == len(parts) else stat.S_ISDIR(mode)):
            kind = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "something else"
            raise BadInput(
                f"{path}: not a plain file ({kind})" if number == len(parts) else f"{path}: not a plain folder"
            )


def _readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
