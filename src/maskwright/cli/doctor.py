"""`maskwright doctor`: what this machine and this installation have."""

import importlib.metadata
import os
import platform
from typing import Any

from maskwright import machine
from maskwright.cli.failures import EXTRAS
from maskwright.cli.results import AsJson, show

PACKAGES = ("torch", "numpy", "tokenizers", "safetensors", "pyarrow", "pydantic")
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")


def doctor(*, json: AsJson = False) -> None:
    """Say what this machine and this installation have.

    Versions, threads, whether bfloat16 is fast here, the memory allocator, and
    which optional extras are installed.

    Examples:
        maskwright doctor
        maskwright doctor --json
    """
    show(examine(), json=json)


def examine() -> dict[str, Any]:
    """Everything doctor shows, as nested dicts."""
    from maskwright import __version__

    return {
        "maskwright": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: installed(name) for name in PACKAGES},
        "extras": {f"{module} [{extra}]": installed(module) or "not installed" for module, extra in EXTRAS.items()},
        "processor": processor(),
        "accelerator": accelerator(),
        "allocator": allocator(),
    }


def installed(module: str) -> str | None:
    """The version of a package, None when it is not there; nothing is imported."""
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(module, module))
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> dict[str, Any]:
    """Cores this process may use, torch's threads, and how bfloat16 is done."""
    import torch

    described = machine.cpu_facts()
    flags = set(described.get("flags", described.get("Features", "")).split())
    return {
        "model": machine.cpu_name(),
        "cores": machine.processors(),
        "torch threads": torch.get_num_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "features": [name for name in CPU_FLAGS if name in flags],
        "bfloat16 in hardware": bool(flags & {"amx_bf16", "avx512_bf16", "bf16"}),
        "memory GiB": _memory_gib(),
    }


def accelerator() -> dict[str, Any] | None:
    """The CUDA device torch would use, None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    return {
        "device": torch.cuda.get_device_name(),
        "devices": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "bfloat16": torch.cuda.is_bf16_supported(including_emulation=False),
    }


def allocator() -> dict[str, Any]:
    """Which allocator serves large tensors, and settings from the environment.

    glibc gives freed tensors back to the system and faults their pages in anew each step; training
    processes raise its thresholds themselves (`training.run.keep_memory`) unless another allocator or a
    setting is there.
    """
    name = machine.other_allocator() or " ".join(platform.libc_ver()).strip() or "system"
    return {"name": name, **machine.allocator_settings()}


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
