"""The limit of `bench batches`: how fast one processor copies numbers that lie in memory, and do nothing else."""

from typing import Any

import numpy as np

from maskwright.lab.bench.clock import time_steps, told

BYTES = 2**26
"""More than its caches hold."""


def measure(*, seconds: float) -> dict[str, Any]:
    """Bytes copied a second, by the fastest of the copies."""
    source, target = np.ones(BYTES, np.uint8), np.zeros(BYTES, np.uint8)
    times = time_steps(lambda: np.copyto(target, source), seconds=seconds)
    return {"bytes_per_second": BYTES / min(times.wall)}


if __name__ == "__main__":
    told(measure)
