"""The processes that torchrun started: which of them this is, and how they are joined."""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Generator

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from maskwright.errors import BadInput
from maskwright.training import signs_of_life
from maskwright.training.agreement import agree_on_devices
from maskwright.training.ranks import ALONE, Ranks


def rank_said() -> int:
    """Which of several processes this is, as torchrun says before they know of each other; 0 for a single one."""
    return int(os.environ.get("RANK", "0"))


def size_said() -> int:
    """How many processes a run has, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def all_ranks() -> Generator[tuple[Ranks, torch.device | None]]:
    """The processes that torchrun started, joined, and the GPU of this one; a single process otherwise."""
    size = size_said()
    if size == 1:
        yield ALONE, None
        return
    if "MASTER_ADDR" not in os.environ:
        raise BadInput(f"WORLD_SIZE is {size}, and nobody says where the others are: use torchrun, or unset it")
    device = None
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    # Its default arguments hold the group that is there when it is first imported, as torch's optimizers do. Gloo's
    # threads would then live until the interpreter ends, and one that frees a tensor so late aborts the process.
    importlib.import_module("torch.distributed.nn.functional")
    store, rank, _ = next(rendezvous("env://", timeout=signs_of_life.PATIENCE))
    # after a restart the launcher's store still holds the addresses of the processes before
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = PrefixStore(f"attempt {attempt}", store)
    agree_on_devices(store, rank, size, device)
    dist.init_process_group(
        "gloo" if device is None else "nccl",
        store=store, rank=rank, world_size=size, timeout=signs_of_life.PATIENCE,
    )  # fmt: skip
    try:
        yield Ranks(rank, size, signs_of_life.SignsOfLife(store, rank, size)), device
    finally:
        _forget_cut_tensors()
        dist.destroy_process_group()


def _forget_cut_tensors() -> None:
    """What torch remembers of operations on them (`fully_sharded`) holds on to the group, and so to gloo's threads."""
    if "torch.distributed.tensor" not in sys.modules:
        return
    gc.collect()
    debug = importlib.import_module("torch.distributed.tensor.debug")
    if (clear := getattr(debug, "_clear_sharding_prop_cache", None)) is not None:
        clear()
