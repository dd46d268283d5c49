"""What a training process does about its memory before it begins, and what it asks of its device."""

import contextlib
import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from maskwright.errors import BadInput
from maskwright.layers import attention
from maskwright.layers.capability import capability_of
from maskwright.machine import THRESHOLDS
from maskwright.training import course
from maskwright.training import run as run_module
from maskwright.training.run import check_precision, keep_memory, say_what_is_slower
from maskwright.training.training_config import TrainingConfig
from tests.models.networks import network, small

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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_ARENA_MAX", "2"),
        ("GLIBC_TUNABLES", "glibc.cpu.x=1"),
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ],
)
def test_other_settings_say_nothing_about_it(
    told: dict[int, int], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert keep_memory()
    assert told


@pytest.mark.parametrize(
    ("precision", "capability"),
    [("bf16", (8, 0)), ("bf16", (9, 0)), ("bf16", None), ("float32", (6, 1)), ("fp8", (8, 9)), ("fp8", None)],
)
def test_a_device_that_has_the_precision(precision: str, capability: tuple[int, int] | None) -> None:
    check_precision(precision, capability)


def test_a_gpu_without_bf16_is_refused() -> None:
    """A T4; torch would compute there all the same, by way of float32."""
    with pytest.raises(BadInput, match=r"has no bf16 \(compute capability 7\.5; .* take --training\.precision float32"):
        check_precision("bf16", (7, 5))
    with pytest.raises(BadInput, match=r"has no fp8 \(compute capability 8\.0; Ada, 8\.9, .*precision bf16"):
        check_precision("fp8", (8, 0))


def test_only_gpus_have_a_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    assert capability_of(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert capability_of(torch.device("cuda", 0)) == (9, 0)


def test_what_a_gpu_or_a_torch_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    progress: Any = SimpleNamespace(say=said.append)
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(attention.importlib.util, "find_spec", lambda name: None)
    say_what_is_slower(TrainingConfig(precision="float32"), gpu, progress)
    say_what_is_slower(TrainingConfig(), cpu, progress)
    assert not said
    say_what_is_slower(TrainingConfig(), gpu, progress)
    assert len(said) == 1 and "padded inside attention" in said[0] and "has no torch.nn.attention.varlen" in said[0]
    monkeypatch.setattr(run_module, "why_padded", lambda device: None)
    say_what_is_slower(TrainingConfig(), gpu, progress, network(small("bert", hidden_size=40, num_attention_heads=4)))
    assert "attention is torch's kernel" in said[-1] and "16, 32 or 64 columns, and these have 10" in said[-1]
    say_what_is_slower(TrainingConfig(precision="fp8"), cpu, progress)
    assert "fp8 on a CPU" in said[-1] and len(said) == 3


def test_ranks_that_go_on_from_different_checkpoints_are_refused(tmp_path: Path) -> None:
    class Two:
        """The first of two ranks, as far as `held` asks."""

        first = True

        def each(self, do: Any) -> list[Any]:
            return [do(), None]

        def gather(self, told: Any) -> list[Any]:
            return [told, other]

    folder = SimpleNamespace(step=7, mark="a" * 64)
    ranks: Any = Two()
    other = "a" * 64
    with run_module.held(tmp_path, lambda: contextlib.nullcontext(folder), ranks) as found:  # type: ignore[arg-type]
        assert found is folder
    other = "b" * 64
    with (
        pytest.raises(BadInput, match="rank 1 has in .* another checkpoint of step 7 than the first rank"),
        run_module.held(tmp_path, lambda: contextlib.nullcontext(folder), ranks),  # type: ignore[arg-type]
    ):
        pass


def test_seconds_are_of_training_whatever_is_saved_between_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(course.time, "perf_counter", lambda: now[0])
    clock = course.Clock(100.0, 0)
    for _ in range(3):
        now[0] += 2
        with clock.stopped():
            now[0] += 50
    now[0] += 4
    assert clock.read(1000) == (110.0, 100.0)
    now[0] += 5
    assert clock.read(1500) == (115.0, 100.0)
