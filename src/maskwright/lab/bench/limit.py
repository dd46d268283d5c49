"""The limit of a machine: the rate of large matrix products, in floating-point operations a second.

The best of the sizes tried, each by its median: a share of the limit is then never flattered.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from maskwright.lab.bench.clock import time_steps, told
from maskwright.layers.onednn import can_fuse
from maskwright.training.run import device_for

Product = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], object]
SIDES = (1024, 2048, 4096)
SIDES_ON_GPU = (4096, 8192)


def measure(*, seconds: float = 1.0, precision: str = "bf16", device: str | None = None) -> dict[str, Any]:
    """Operations a second, and for each second of a processor.

    device   where; None: on the GPU, if there is one
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    where = device_for() if device is None else torch.device(device)
    products: list[Product] = [lambda left, right, out: torch.mm(left, right, out=out)]
    if where.type == "cpu" and dtype == torch.float32 and can_fuse(dtype):  # of the two libraries the faster one
        products.append(lambda left, right, out: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""))
    sides = SIDES if where.type == "cpu" else SIDES_ON_GPU
    draws = torch.Generator(where).manual_seed(0)
    rates: dict[str, float] = {}
    busy: dict[str, float] = {}
    for side in sides:
        left, right = (torch.randn(side, side, generator=draws, device=where).to(dtype) for _ in range(2))
        out = torch.empty(side, side, dtype=dtype, device=where)
        found = [
            time_steps(partial(product, left, right, out), seconds=seconds / len(sides) / len(products))
            for product in products
        ]
        rates[str(side)] = 2 * side**3 / min(statistics.median(times.wall) for times in found)
        busy[str(side)] = 2 * side**3 / min(statistics.median(times.cpu) for times in found)
    return {
        "flops_per_second": max(rates.values()),
        "flops_per_cpu_second": max(busy.values()),
        "by_side": rates,
    }


if __name__ == "__main__":
    told(measure)
