"""Which files are read: files, folders, zip archives, URLs and the standard input.

Of a folder, its subfolders and a zip archive, the files are read whose names end as `READ_FROM_FOLDERS` says, sorted by
path. What begins with a dot is skipped, and so are empty files. A file that is named itself is read whatever its name.
A URL may stand for a file, a folder, or (with `*`) a pattern of files. "-" is the standard input.

A folder that `datasets` of Hugging Face saved is known by its `state.json`: of its .arrow files those are read that
this file lists, and none may be missing. (Other .arrow files are passed over: corpora of our own are such.)
"""

import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.errors import BadInput
from maskwright.text import archives, remote
from maskwright.text.opening import STANDARD_INPUT, InputFile, archive, open_input

__all__ = ["STANDARD_INPUT", "Found", "InputFile", "find_inputs", "look_for_inputs", "open_input"]

READ_FROM_FOLDERS = re.compile(
    r"(?:\.(?:txt|text|jsonl|ndjson|csv|tsv|warc|wet)(?:\.(?:gz|zst|bz2|xz))?"
    r"|\.parquet|\.zip"
    r"|pages-(?:articles|meta)[^/]*\.xml(?:-p\d+p\d+)?(?:\.(?:gz|zst|bz2|xz|7z))?)$",  # 7z is refused, not passed over
    re.IGNORECASE,
)
_READ = ".txt .text .jsonl .ndjson .csv .tsv .parquet .warc .wet .zip, dumps of Wikipedia, also .gz .zst .bz2 .xz"
_STATE = "state.json"


class Found(NamedTuple):
    """The files that will be read, and the names of those beside them that will not, because of their names."""

    files: list[InputFile]
    passed_over: list[str]

    def described(self) -> str | None:
        """What was passed over, in a line; None for nothing.

        >>> Found([], ["b/photo.png", "notes.md"]).described()
        '2 files were passed over because of their names, such as b/photo.png'
        """
        if not self.passed_over:
            return None
        return f"{len(self.passed_over)} files were passed over because of their names, such as {self.passed_over[0]}"


def find_inputs(inputs: Sequence[str | Path]) -> list[InputFile]:
    """The files that `inputs` name, in the order given, each once; those of a folder sorted by path.

    Raises `BadInput` for what does not exist or cannot be reached, for a folder or archive without text and for a
    file that is empty.
    """
    return look_for_inputs(inputs).files


def look_for_inputs(inputs: Sequence[str | Path]) -> Found:
    """As `find_inputs`, with what was passed over."""
    if not inputs:
        raise BadInput("no text was given: name a file, a folder, a URL, or - for the standard input")
    found: dict[tuple[str, str | None], InputFile] = {}
    passed_over: list[str] = []
    for given in map(str, inputs):
        files, others = _found_at(given)
        passed_over += others
        for file in files:
            place = (
                file.path if file.path == STANDARD_INPUT or remote.is_url(file.path) else os.path.realpath(file.path)
            )
            found.setdefault((place, file.member), file)
    return Found(list(found.values()), passed_over)


def _found_at(given: str) -> Found:
    if given == STANDARD_INPUT:
        return Found([InputFile(STANDARD_INPUT, None, True, label="standard input")], [])
    listed = _behind_url(given) if remote.is_url(given) else _at_path(given)
    files: list[InputFile] = []
    others = list(listed.passed_over)
    for file in listed.files:
        if _is_zip(file):
            inside = _in_archive(file)
            files += inside.files
            others += inside.passed_over
        else:
            files.append(file)
    if not files:
        passed = f"{len(others)} files have other names, such as {others[0]}" if others else "it has no files"
        raise BadInput(
            f"{given} has no text: {passed}; of a folder or archive, {_READ} are read "
            "(name a file itself to read it all the same)"
        )
    filled = [file for file in files if file.size != 0]
    if not filled:
        raise BadInput(f"{given} has no text: all of its {len(files)} text files are empty")
    return Found(filled, others)


def _at_path(path: str) -> Found:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path} does not exist") from None
    if not stat.S_ISDIR(status.st_mode):
        file = InputFile(path, status.st_size if stat.S_ISREG(status.st_mode) else None, True)
        if file.size == 0:
            raise BadInput(f"{file.name} is empty")
        return Found([file._replace(label=os.path.basename(file.name))], [])
    return _walk(path)


def _walk(folder: str) -> Found:
    """Text files in `folder`, sorted by path, and the others."""
    files: list[InputFile] = []
    others: list[str] = []

    def refuse(error: OSError) -> None:
        raise error

    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        listed = _listed_by_datasets(parent) if _STATE in names else set[str]()
        for name in names:
            path = os.path.join(parent, name)
            if name.startswith(".") or not os.path.isfile(path):
                continue
            label = os.fsencode(os.path.relpath(path, folder)).decode("utf-8", "replace")
            if name in listed or READ_FROM_FOLDERS.search(name):
                files.append(InputFile(path, os.path.getsize(path), False, label=label))
            else:
                others.append(label)
    return Found(sorted(files, key=lambda file: file.path.split(os.sep)), sorted(others))


def _listed_by_datasets(folder: str) -> set[str]:
    """The names that the `state.json` of a saved data set lists, compared with what is there, never opened by."""
    path = os.path.join(folder, _STATE)
    try:
        with open(path, encoding="utf-8") as stream:
            state = json.loads(stream.read(1 << 20))
        entries = cast(list[Any], state.get("_data_files", []))
        names = {str(entry["filename"]) for entry in entries}
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return set()  # not theirs
    for name in sorted(names):
        if os.path.basename(name) != name or not os.path.isfile(os.path.join(folder, name)):
            raise BadInput(f"{folder} is a data set of which a part is missing: {path} lists {name[:200]!r}")
    return names


def _behind_url(url: str) -> Found:
    files, named = remote.remote_files(url)
    if named and files[0].size == 0:
        raise BadInput(f"{url} is empty")
    read: list[InputFile] = []
    others: list[str] = []
    for file in files:
        parts = file.below.split("/")
        if named or "*" in url or READ_FROM_FOLDERS.search(parts[-1]):
            if not any(part.startswith(".") for part in parts):
                read.append(InputFile(file.url, file.size, named, label=file.below))
        else:
            others.append(file.below)
    return Found(read, others)


def _is_zip(file: InputFile) -> bool:
    """By the name, or for a file of this machine that is named itself, by the first bytes."""
    if file.path.lower().endswith(".zip"):
        return True
    if not (file.named and file.is_local):
        return False
    with open(file.path, "rb") as stream:
        return stream.read(4) == archives.MAGIC


def _in_archive(file: InputFile) -> Found:
    """The members of an archive that are read; the only one whatever its name."""
    if file.size is None:
        raise BadInput(f"{file.name} is a zip archive of unknown size, as from a pipe: store it, and give its path")
    members = archives.members(archive(file), file.name)
    read, others = [], []
    for member in members:
        label = f"{file.label}/{member.name}"
        if len(members) == 1 or (READ_FROM_FOLDERS.search(member.name) and not member.name.lower().endswith(".zip")):
            read.append(InputFile(file.path, member.size, False, member=member.name, label=label))
        else:
            others.append(label)
    return Found(read, others)
