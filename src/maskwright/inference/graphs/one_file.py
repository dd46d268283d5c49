"""A folder of plain files as one .zip, nothing in it compressed, and files of it without unpacking it anywhere."""

import errno
import shutil
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from maskwright.durable import check_space, staged_file
from maskwright.errors import BadInput

ZIP = ".zip"


def write_zip(folder: Path, out: Path) -> None:
    """The files of a folder, durably; the same bytes for the same files."""
    files = sorted(folder.iterdir())
    check_space(out.parent, sum(file.stat().st_size for file in files))
    with staged_file(out) as whole, ZipFile(whole, "w", ZIP_STORED) as archive:
        for file in files:
            entry = ZipInfo(file.name)  # of no date
            entry.external_attr = 0o644 << 16
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)


def read_zip(path: Path) -> dict[str, bytes]:
    """What `write_zip` wrote, by name. BadInput for another kind of file, a damaged one, or a compressed one, which
    could be larger than it looks.
    """
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                if entry.compress_type != ZIP_STORED or entry.file_size != entry.compress_size:
                    raise BadInput(f"{path}: {entry.filename} in it is compressed, which no export of ours does")
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise BadInput(f"{path}: files in it overlap, which no export of ours does")
            return {entry.filename: archive.read(entry) for entry in entries}
    except BadInput:
        raise
    except (BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that one is an offset that is none
            raise
        raise BadInput(f"{path} is damaged, or no .zip: {error}") from None
