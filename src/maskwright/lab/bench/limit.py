"""The limit of a machine: the rate of large matrix products, in floating-point operations a second.

The best of the sizes tried, each by its median: a share of the limit is then never flattered.
"""

import statistics
from typing import Any

import torch

from maskwright.lab.bench.clock import time_steps, told
from maskwright.training.run import device_for

SIDES = (1024, 2048, 4096)
SIDES_ON_GPU = (4096, 8192)


def measure(*, seconds: float = 1.0, precision: str = "bf16") -> dict[str, Any]:
    """Operations a second, and for each second of a processor."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    device = device_for()
    sides = SIDES if device.type == "cpu" else SIDES_ON_GPU
    draws = torch.Generator(device).manual_seed(0)
    rates: dict[str, float] = {}
    busy: dict[str, float] = {}
    for side in sides:
        left, right = (torch.randn(side, side, generator=draws, device=device).to(dtype) for _ in range(2))
        out = torch.empty(side, side, dtype=dtype, device=device)

        def step(left: torch.Tensor = left, right: torch.Tensor = right, out: torch.Tensor = out) -> None:
            torch.mm(left, right, out=out)

        times = time_steps(step, seconds=seconds / len(sides))
        rates[str(side)] = 2 * side**3 / statistics.median(times.wall)
        busy[str(side)] = 2 * side**3 / statistics.median(times.cpu)
    return {
        "flops_per_second": max(rates.values()),
        "flops_per_cpu_second": max(busy.values()),
        "by_side": rates,
    }


if __name__ == "__main__":
    told(measure)
