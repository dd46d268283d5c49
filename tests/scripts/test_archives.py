"""Packages are read without unpacking them, and without running what is in them."""

import gzip
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sources import archives
from sources.archives import BadArchive, member, members, unzipped
from sources.pickles import read_plain_pickle
from tests.scripts.tiny_packages import a_debian_package, a_tar, a_zip


def test_wanted_files_come_in_the_order_of_the_archive(tmp_path: Path) -> None:
    files = {"p/b.txt": b"2", "p/a.txt": b"1", "p/c.py": b"3"}
    wanted = [("p/b.txt", b"2"), ("p/a.txt", b"1")]
    assert list(members(a_tar(tmp_path / "p.tar.gz", files), r"p/.*\.txt")) == wanted
    assert list(members(a_zip(tmp_path / "p.whl", files), r"p/.*\.txt")) == wanted
    assert member(tmp_path / "p.whl", ".*py") == b"3"
    with pytest.raises(BadArchive, match="2 files like"):
        member(tmp_path / "p.whl", ".*txt")


def test_a_debian_package_is_read_as_dpkg_unpacks_it(tmp_path: Path) -> None:
    archive = a_debian_package(tmp_path / "x.deb", {"usr/share/x/a.txt": b"It rained."})
    assert list(members(archive, ".*")) == [("usr/share/x/a.txt", b"It rained.")]


@pytest.mark.parametrize("name", ["../a.txt", "p/../../a.txt", "/etc/a.txt", "p\\..\\a.txt"])
def test_a_name_that_leads_out_is_refused_even_if_nobody_wants_it(tmp_path: Path, name: str) -> None:
    for archive in (a_tar(tmp_path / "p.tgz", {name: b"x"}), a_zip(tmp_path / "p.zip", {name: b"x"})):
        with pytest.raises(BadArchive, match="leads out of its folder"):
            list(members(archive, "nothing"))


@pytest.mark.parametrize("keep", [0.2, 0.9])
@pytest.mark.parametrize("pack", [a_tar, a_zip, a_debian_package])
def test_a_damaged_archive_is_named_with_the_way_out(tmp_path: Path, pack: Any, keep: float) -> None:
    ending = {a_tar: "tgz", a_zip: "whl", a_debian_package: "deb"}[pack]
    archive = pack(tmp_path / f"p.{ending}", {"a": bytes(range(256)) * 4000, "b": os.urandom(1000)})
    archive.write_bytes(archive.read_bytes()[: int(keep * archive.stat().st_size)])
    with pytest.raises(BadArchive, match=f"p.{ending} is damaged .*: remove it to fetch it again"):
        list(members(archive, ".*"))


def test_links_are_passed_over(tmp_path: Path) -> None:
    archive = a_tar(tmp_path / "p.tgz", {"a.txt": b"x"}, {"b.txt": "/etc/passwd", "c.txt": "../../x"})
    assert list(members(archive, r".*\.txt")) == [("a.txt", b"x")]


def test_what_swells_beyond_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    for archive in (a_tar(tmp_path / "p.tgz", {"a": b"x" * 1001}), a_zip(tmp_path / "p.zip", {"a": b"x" * 1001})):
        with pytest.raises(BadArchive, match="unpacks to more than"):
            list(members(archive, "a"))
    assert unzipped(gzip.compress(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(BadArchive, match="unpacks to more than"):
        unzipped(gzip.compress(b"x" * 1001))


PLAIN = {"text": ["一", "two"], "n": (1, 2.5, True, None), "b": b"x", "s": {1, 2}, "big": 1 << 100}


@pytest.mark.parametrize("protocol", [4, 5])
def test_containers_strings_and_numbers_are_read(protocol: int) -> None:
    assert read_plain_pickle(pickle.dumps(PLAIN, protocol)) == PLAIN


class Shell:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/never-made",)


class Extended:
    def __reduce__(self) -> Any:
        return eval, ("1",)


@pytest.mark.parametrize(
    "thing",
    [
        Shell(),
        Extended(),
        np.arange(3),
        np.float64(1),
        OrderedDict(a=1),
        Path("x"),
        complex(1, 2),
        [1, Shell()],
        range(3),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_anything_else_is_refused_before_it_is_looked_up(thing: Any, protocol: int) -> None:
    with pytest.raises(pickle.UnpicklingError, match="only lists, dicts, strings and numbers"):
        read_plain_pickle(pickle.dumps(thing, protocol))


def test_instances_and_extensions_have_no_opcode_of_their_own() -> None:
    for crafted in (b"(ios\nsystem\n.", b"cos\nsystem\n(S'true'\ntR.", b"\x80\x02\x82\x01."):
        with pytest.raises((pickle.UnpicklingError, ValueError)):
            read_plain_pickle(crafted)
    with pytest.raises(pickle.UnpicklingError, match="outside of itself"):
        read_plain_pickle(b"Pabc\n.")
