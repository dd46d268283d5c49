"""What arithmetic a GPU has."""

import torch

from maskwright.layers import fp8

SINCE = {"bf16": ("Ampere", (8, 0)), "fp8": ("Ada", fp8.SINCE)}
"""The first kind of GPU that has it, and the compute capability of that."""


def capability_of(device: torch.device) -> tuple[int, int] | None:
    """What an NVIDIA GPU can do, as NVIDIA counts it; None for all else."""
    nvidia = device.type == "cuda" and torch.version.hip is None
    return torch.cuda.get_device_capability(device) if nvidia else None


def lacking(precision: str, capability: tuple[int, int] | None) -> str | None:
    """That a GPU has no such arithmetic, in words; None where it has, and for all that is no NVIDIA GPU.

    torch would make bf16 of float32, slower than that.

    >>> lacking("bf16", (7, 5))
    'this GPU has no bf16 (compute capability 7.5; Ampere, 8.0, is the first that has)'
    """
    if capability is None or precision not in SINCE or capability >= SINCE[precision][1]:
        return None
    first, since = SINCE[precision]
    here, there = (".".join(map(str, version)) for version in (capability, since))
    return f"this GPU has no {precision} (compute capability {here}; {first}, {there}, is the first that has)"
