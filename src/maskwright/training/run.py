"""A pretraining run from its recipe to its finished model, in one folder."""

import contextlib
import ctypes
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any, NamedTuple

import torch

from maskwright.config import Config, plain
from maskwright.corpus.checking import Checking
from maskwright.errors import BadInput
from maskwright.layers import fp8
from maskwright.layers.attention import why_not_flash, why_padded
from maskwright.layers.capability import capability_of, lacking
from maskwright.layers.compiled import can_compile, compile_layers, missing
from maskwright.layers.pre_norm_layer import PreNormLayer
from maskwright.layers.recompute import recompute
from maskwright.layers.transformer_layer import Layer
from maskwright.machine import allocator_settings, other_allocator
from maskwright.progress import Progress, silent
from maskwright.training import fully_sharded
from maskwright.training.agreement import check_alike, terms
from maskwright.training.launch import all_ranks
from maskwright.training.loop import train
from maskwright.training.memory import HALVED
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.replays import passes_of
from maskwright.training.run_folder import MAY_CHANGE, RunFolder, environment, followed
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Work, judge_of

PRECISIONS = {"bf16": torch.bfloat16, "float32": torch.float32, "fp8": torch.bfloat16}
"""What the network reads its weights in."""


def keep_memory() -> bool:
    """Let the allocator of this process keep what tensors free, for the next step; whether it could be told.

    glibc returns a large tensor to the system when it is freed, and every step then faults its pages in anew:
    training 2 x 128 is twice as fast without. For processes of our own only, never on import. Another
    allocator, and what the user has set, are left alone.
    """
    if other_allocator() or allocator_settings():
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    trim_threshold, mmap_threshold, most = -1, -3, 2**31 - 1
    half_heap = 2**25  # the most that glibc before 2.35 takes: larger tensors are mapped and unmapped there
    mapped = bool(mallopt(mmap_threshold, most)) or bool(mallopt(mmap_threshold, half_heap))
    return bool(mallopt(trim_threshold, most)) and mapped


def device_for() -> torch.device:
    """The device to train on: the first GPU, else the CPU; CUDA_VISIBLE_DEVICES chooses among several, or none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """What the device is called: last bits differ from one kind to the next.

    >>> device_name(torch.device("cpu"))
    'cpu'
    """
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def compiles(wanted: str, device: torch.device) -> bool:
    """Whether a run's layers are compiled, see `TrainingConfig.compile`.

    >>> compiles("auto", torch.device("cpu")), compiles("always", torch.device("cpu"))
    (False, True)
    """
    return wanted == "always" or (wanted == "auto" and device.type == "cuda" and can_compile())


def check_precision(precision: str, capability: tuple[int, int] | None) -> None:
    """BadInput for bf16 or fp8 on a GPU that has no such arithmetic.

    capability   see `capability_of`
    """
    if line := lacking(precision, capability):
        raise BadInput(f"{line}: take --training.precision {'float32' if precision == 'bf16' else 'bf16'}")


def say_what_is_slower(
    training: TrainingConfig, device: torch.device, progress: Progress, network: torch.nn.Module | None = None
) -> None:
    """Where the device, this torch, or the network's shape has not what the precision would be fast with."""
    width = None if network is None else head_width(network)
    if device.type == "cuda" and training.precision != "float32":
        if reason := why_padded(device):
            progress.say(f"sequences are padded inside attention, which is slower: {reason}")
        elif width is not None and (reason := why_not_flash(device, PRECISIONS[training.precision], width)):
            progress.say(f"attention is torch's kernel, which is slower than those of maskwright: {reason}")
    if training.precision == "fp8" and device.type == "cpu":
        progress.say("training.precision fp8 on a CPU: the same numbers, multiplied as bf16, and slower")


def head_width(network: torch.nn.Module) -> int | None:
    """Columns of an attention head in its layers; None where there are none."""
    layers = (module for module in network.modules() if isinstance(module, Layer | PreNormLayer))
    return next((layer.query_key_value.out_features // (3 * layer.heads) for layer in layers), None)


def compile_as_wanted(network: torch.nn.Module, wanted: str, device: torch.device, progress: Progress = silent) -> None:
    """Compile the layers of a run where `compiles` says so; where nothing can be compiled, say it and leave them."""
    if not compiles(wanted, device):
        return
    why = missing(device) if wanted == "always" else None
    if why is None:
        compile_layers(network)
    else:
        progress.say(f"training.compile {wanted}: nothing can be compiled here ({why}); computed as it is written")


def as_wanted(
    network: torch.nn.Module,
    training: TrainingConfig,
    device: torch.device,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> torch.dtype:
    """Let a network compute on the device as a run does, and before its parameters are laid out.

    Its precision, what is compiled, what is computed twice, and of what each rank has its rows only; returns what it
    reads its weights in.
    """
    in_pieces = training.shard == "parameters" and ranks.size > 1
    if not in_pieces:
        network.to(device)
    if training.precision == "fp8":
        fp8.in_fp8(network)
    compile_as_wanted(network, training.compile, device, progress)
    recompute(network, training.recompute)
    if in_pieces:
        fully_sharded.cut(network, ranks, device, PRECISIONS[training.precision])
    return PRECISIONS[training.precision]


@contextlib.contextmanager
def held(
    out: Path, opened: Callable[[], contextlib.AbstractContextManager[RunFolder]], ranks: Ranks
) -> Generator[RunFolder]:
    """The run's folder: opened by the first rank, and looked into by the others once that went well."""
    folders: list[RunFolder] = []
    with contextlib.ExitStack() as stack:

        def open_it() -> int:
            folders.append(stack.enter_context(opened()))
            return folders[0].step

        step = ranks.each(lambda: open_it() if ranks.first else 0)[0]
        ranks.each(lambda: None if ranks.first else folders.append(followed(out, step)))
        seen = ranks.gather(folders[0].mark)
        if (other := next((rank for rank, mark in enumerate(seen) if mark != seen[0]), None)) is not None:
            raise BadInput(
                f"rank {other} has in {out} another checkpoint of step {step:,} than the first rank, which goes on "
                "from its own: let them share the folder, or copy the checkpoint"
            )
        yield folders[0]


class Fingerprints(NamedTuple):
    """Of what a run learns from: a corpus or the examples of a task, and the tokenizer that made tokens of it."""

    corpus: str
    tokenizer: str


def _no_factors(module: Any) -> Mapping[str, float]:
    return {}


def run(
    recipe: Config,
    data: Fingerprints,
    out: Path,
    build: Callable[[bool], Work],
    finish: Callable[[Work, Optimizer, RunFolder], None],
    *,
    optimizer: OptimizerConfig,
    training: TrainingConfig,
    name: str = "pretrain",
    allocator: str = "default",
    may_change: Collection[str] = MAY_CHANGE,
    factors: Callable[[Any], Mapping[str, float]] = _no_factors,
    halves: bool = False,
    checking: Checking | None = None,
    progress: Progress = silent,
) -> Signals | None:
    """Train in `out` what `build` makes, from the newest checkpoint there if there is one.

    Returns None when all is done, else the signal that asked to stop before.

    build     makes the network and its data; told whether the network needs its first weights
    name      what is done, for the bar
    finish    writes what a finished run leaves: its report, and last its model
    factors   what the rates of a network's parameters are multiplied with, by name
    halves    micro-batches may differ from those of before, see `training.memory`
    checking  that what is learned from is as it was written: nothing is saved before that is known
    """

    def shared(ranks: Ranks, own: torch.device | None) -> Signals | None:
        device = own or device_for()
        if ranks.size > 1:
            check_alike(ranks.gather(terms(recipe, **data._asdict())))
        ranks.each(lambda: check_precision(training.precision, capability_of(device)))
        now = environment(
            corpus=data.corpus,
            tokenizer=data.tokenizer,
            device=device_name(device),
            allocator=allocator,
            ranks=ranks.size,
            **({"micro_sequences": training.micro_sequences} if halves else {}),
        )
        others = {*may_change, *HALVED} if halves else may_change
        opened = partial(RunFolder.open, out, plain(recipe), now, may_change=others, progress=progress)
        with held(out, opened, ranks) as found:
            folder = replace(found, checking=checking)
            finished = ranks.each(folder.model.is_dir)[0]
            if finished and folder.resumed is None:  # or it would be trained again, and its log lost
                progress.say(f"{out}: finished already, and its checkpoints are gone; the model is {folder.model}")
                return None
            if finished and (folder.had_enough or folder.step >= training.steps):
                progress.say(f"{out}: finished already, {folder.step:,} steps; the model is {folder.model}")
                return None
            work = build(folder.resumed is None)
            say_what_is_slower(training, device, progress, work.module)
            dtype = as_wanted(work.module, training, device, progress, ranks)
            sharers = ALONE if training.shard == "none" else ranks
            moved = Optimizer(work.module, optimizer, dtype, factors(work.module), sharers)
            passes = passes_of(work, training, device, progress)
            stopped = train(work, moved, training, folder, name=name, progress=progress, ranks=ranks, one_pass=passes)
            if stopped:
                return stopped
            if (judge := judge_of(work)) is not None:
                judge.best.restore(moved.flat)
            with moved.flat.gathered():
                if ranks.first:
                    finish(work, moved, folder)
        return None

    with all_ranks() as joined:
        return shared(*joined)  # whose network, which may hold on to the group, is gone before that
