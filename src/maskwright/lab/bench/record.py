"""Measurements kept as they come: a bench that was cut off has what it measured, and goes on behind it."""

import hashlib
import json
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import maskwright
from maskwright.errors import BadInput
from maskwright.machine import cpu_name

MEASURED = "measured.jsonl"
WORK = "work"


class Record:
    """The measurements of a folder, a line each: what was asked, and what came of it.

    A measurement is found again by all that it depends on: what was asked, the processor, and the code.
    Raises BadInput for a path that is a file.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._known: dict[str, dict[str, Any]] = {}
        if folder is None:
            return
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder} is a file: measurements are kept in a folder, give a path for one")
        folder.mkdir(parents=True, exist_ok=True)  # now, and not when something was measured
        if (folder / MEASURED).exists():
            for line in (folder / MEASURED).read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # it was being written when the machine stopped
                self._known[entry["key"]] = entry["result"]

    def find(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """What was measured of it before."""
        return self._known.get(_key(asked)) if self.folder is not None else None

    def add(self, asked: Mapping[str, Any], result: dict[str, Any]) -> None:
        """Keep it."""
        if self.folder is None:
            return
        with (self.folder / MEASURED).open("a", encoding="utf-8") as file:
            file.write("\n" if file.tell() and not self._ends_a_line() else "")
            file.write(json.dumps({"key": _key(asked), **asked, "result": result}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._known[_key(asked)] = result

    @contextmanager
    def place(self) -> Generator[Path]:
        """A folder for what sides read and write: in the record's, or for this time only."""
        if self.folder is not None:
            (self.folder / WORK).mkdir(parents=True, exist_ok=True)
            yield self.folder / WORK
            return
        with tempfile.TemporaryDirectory(prefix="maskwright-bench-") as temporary:
            yield Path(temporary)

    def _ends_a_line(self) -> bool:
        assert self.folder is not None
        return (self.folder / MEASURED).read_bytes().endswith(b"\n")


NOWHERE = Record(None)
"""Keeps nothing."""


def _key(asked: Mapping[str, Any]) -> str:
    other = asked["environment"].get("PYTHONPATH")
    code = _code(Path(other) / "maskwright" if other else Path(maskwright.__file__).parent)
    depends = json.dumps([asked, cpu_name(), code], sort_keys=True)
    return hashlib.sha256(depends.encode()).hexdigest()


@cache
def _code(root: Path) -> str:
    """A fingerprint of the package's code there."""
    sums = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        sums.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return sums.hexdigest()
