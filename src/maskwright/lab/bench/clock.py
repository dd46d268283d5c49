"""Timing within one process, and its peak of memory."""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Times(NamedTuple):
    """Seconds of each step: by the clock on the wall, and of processors at work (all threads together)."""

    wall: list[float]
    cpu: list[float]

    def told(self, tokens: int | Sequence[int]) -> dict[str, Any]:
        """Tokens a second by the median step, and for each second of a processor.

        tokens   of each step
        """
        counts = [tokens] * len(self.wall) if isinstance(tokens, int) else tokens

        def rate(seconds: list[float]) -> float:
            return statistics.median(n / max(taken, 1e-9) for n, taken in zip(counts, seconds, strict=True))

        return {
            "tokens_per_second": rate(self.wall),
            "tokens_per_cpu_second": rate(self.cpu),
            "steps": len(self.wall),
            "step_seconds": self.wall,
            "peak_mib": peak_mib() if (cards := gpus()) is None else cards.max_memory_allocated() / 2**20,
        }


def time_steps(step: Callable[[], object], *, seconds: float, warm_up: int = 3, least: int = 3) -> Times:
    """Steps for about so long; the first ones (allocation, caches, kernel choices) are dropped."""
    for _ in range(warm_up):
        step()
    wait()
    times = Times([], [])
    begin = before = time.perf_counter()
    busy_before = time.process_time()
    while len(times.wall) < least or before - begin < seconds:
        step()
        wait()
        now, busy = time.perf_counter(), time.process_time()
        times.wall.append(now - before)
        times.cpu.append(busy - busy_before)
        before, busy_before = now, busy
    return times


def gpus() -> Any:
    """`torch.cuda` where there is a GPU and torch was imported: what reads text is measured without it."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def wait() -> None:
    """Until a GPU has done what it was given."""
    if (cards := gpus()) is not None:
        cards.synchronize()


def peak_mib() -> float:
    """The most memory this process ever held, in MiB.

    From /proc where there is one: the system's own count carries over from the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / 2**20 if sys.platform == "darwin" else most / 2**10


def seconds_lived() -> float:
    """Seconds since this process began, by the clock on the wall; of Linux."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def own_mib() -> float:
    """MiB of memory that are this process's own: files that it only reads through maps, which the system may take back,
    are not counted. Of Linux; 0 elsewhere."""
    try:
        return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        return 0.0


def told(measure: Callable[..., dict[str, Any]]) -> None:
    """The main of a measuring process: arguments as JSON on its command line, the result as JSON on stdout."""
    result = measure(**json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(result) + "\n")
