"""What a training process does about its memory before it begins."""

import ctypes
from types import SimpleNamespace

import pytest

from maskwright.machine import THRESHOLDS
from maskwright.training.run import keep_memory

TRIM, MAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """What a libc that takes everything was told; nothing is set around it."""
    for name in (*THRESHOLDS, "GLIBC_TUNABLES", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    return libc(monkeypatch, most={})


def libc(monkeypatch: pytest.MonkeyPatch, most: dict[int, int]) -> dict[int, int]:
    told: dict[int, int] = {}

    def mallopt(name: int, value: int) -> int:
        if value > most.get(name, value):
            return 0
        told[name] = value
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    return told


def test_memory_is_kept(told: dict[int, int]) -> None:
    assert keep_memory()
    assert told == {TRIM: 2**31 - 1, MAP: 2**31 - 1}


def test_an_older_libc_is_told_the_most_it_takes(told: dict[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    told = libc(monkeypatch, most={MAP: 2**25})
    assert keep_memory()
    assert told == {TRIM: 2**31 - 1, MAP: 2**25}


def test_one_refusal_does_not_spare_the_other_call(told: dict[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    told = libc(monkeypatch, most={MAP: 0})
    assert not keep_memory()
    assert told == {TRIM: 2**31 - 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
        ("GLIBC_TUNABLES", "glibc.cpu.x=1:glibc.malloc.trim_threshold=1"),
        ("LD_PRELOAD", "/usr/lib/libjemalloc.so.2"),
        ("LD_PRELOAD", "libtcmalloc_minimal.so.4"),
    ],
)
def test_what_the_user_chose_stays(
    told: dict[int, int], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert not keep_memory()
    assert told == {}


@pytest.mark.parametrize(("name", "value"), [("MALLOC_ARENA_MAX", "2"), ("GLIBC_TUNABLES", "glibc.cpu.x=1")])
def test_other_settings_say_nothing_about_it(
    told: dict[int, int], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert keep_memory()
    assert told
