"""What this machine is: its processor, how much of it this process may use, and the allocator in charge."""

import contextlib
import os
import platform
import sys
from pathlib import Path

ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")
THRESHOLDS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
TUNABLES = "GLIBC_TUNABLES"  # of all of glibc: "glibc.malloc.trim_threshold=...:glibc.cpu...."
AMONG_TUNABLES = tuple(f"glibc.malloc.{name}=" for name in ("mmap_threshold", "mmap_max", "trim_threshold", "top_pad"))


def processors() -> int:
    """The processors this process may use.

    >>> 1 <= processors() <= os.cpu_count()
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_facts() -> dict[str, str]:
    """What Linux tells of the first processor, {"model name": ..., "flags": ...}; {} elsewhere."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
        return {name.strip(): value.strip() for name, _, value in lines}
    return {}


def cpu_name() -> str:
    """The processor as the system calls it.

    >>> cpu_name() != ""
    True
    """
    return cpu_facts().get("model name") or platform.processor() or platform.machine() or sys.platform


def other_allocator() -> str | None:
    """The allocator preloaded in place of the system's, None without one."""
    return next((name for name in ALLOCATORS if name in os.environ.get("LD_PRELOAD", "")), None)


def allocator_settings() -> dict[str, str]:
    """What the user has set of when the system's allocator gives memory back."""
    settings = {name: os.environ[name] for name in THRESHOLDS if name in os.environ}
    tunables = os.environ.get(TUNABLES, "")
    return settings | ({TUNABLES: tunables} if any(name in tunables for name in AMONG_TUNABLES) else {})
