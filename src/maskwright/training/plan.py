"""What a run will take: a few micro-batches are computed and timed, the rest is arithmetic."""

import contextlib
import time
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from maskwright.training.fully_sharded import whole_at_once
from maskwright.training.gradients import gradients
from maskwright.training.optimizers import Optimizer
from maskwright.training.replays import Replays, passes_of
from maskwright.training.signals import Stop
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Work, whole

STRIDE = 7  # micro-batches are sorted by length; every seventh, going round, soon has all lengths among them
STEPS = 8  # whose micro-batches are tried: each has another shape, which takes time and memory of its own


class Memory(NamedTuple):
    """Bytes at the peak, by what they are for."""

    weights: int
    working_copy: int
    gradients: int
    optimizer: int
    activations: int
    """And scratch: what is left of the peak."""
    program: int
    """Python, torch and the corpus, before a network is made; 0 on a GPU."""

    @property
    def fixed(self) -> int:
        """What does not grow with the micro-batch."""
        return sum(self) - self.activations


class Measured(NamedTuple):
    """A probe of one micro-batch size. Times in seconds, sizes in bytes."""

    micro_sequences: int
    parameters: int
    step_tokens: int
    step_seconds: float
    """One update of the weights: all its micro-batches, clipping, optimizer."""
    evaluation_seconds: float
    """One look at the held-out documents."""
    memory: Memory
    checkpoint_bytes: int
    model_bytes: int
    whole_at_once: int = 0
    """Parameters, of those that ranks share, see `fully_sharded.whole_at_once`."""

    @property
    def tokens_per_second(self) -> float:
        """Of training alone."""
        return self.step_tokens / self.step_seconds


def measure(
    work: Work, optimizer: Optimizer, training: TrainingConfig, *, seconds: float = 4.0, program: int = 0
) -> Measured:
    """Time micro-batches of the first steps for about `seconds`, after a warm-up; the weights stay as they are.

    Meant for a process of its own, or the peak of memory is that of whatever went before.
    program    bytes that the process held before it made the network, see `held`
    """
    device = optimizer.flat.master.device
    batches = work.batches(0)
    stop, passes = Stop(), passes_of(work, training, device)
    gradients(work, optimizer, whole(batches[:1]), training, 0, stop, one_pass=passes)  # the longest: the most memory
    optimizer.step(0.0)  # its state too
    rest = min(_timed(device, lambda: optimizer.step(0.0)) for _ in range(3))
    evaluation = _evaluation(work, optimizer, seconds / 4)
    several = [batches, *(work.batches(step) for step in range(1, STEPS))]
    recorded: Sized = passes.recordings if isinstance(passes, Replays) else ()
    tokens, spent, place = 0, 0.0, 0
    while place < 2 or not tokens or spent < seconds:
        of_step = several[place % STEPS]
        batch = of_step[place * STRIDE % len(of_step)]
        share = whole([batch]).readied(passes.ready)
        known, began = len(recorded), time.perf_counter()
        gradients(work, optimizer, share, training, 0, stop, one_pass=passes)  # asks for the loss, so it waits
        if len(recorded) == known:  # what is recorded is so once in a run
            spent += time.perf_counter() - began
            tokens += batch.num_tokens
        place += 1
    step_tokens = sum(batch.num_tokens for batch in batches)
    # beside the computation, in a thread of its own
    making = _timed(device, lambda: whole(work.batches(1)).readied(passes.ready))
    model, state = size_of(optimizer.flat.tensors().values()), size_of(optimizer.tensors().values())
    return Measured(
        micro_sequences=training.micro_sequences,
        parameters=sum(parameter.numel() for parameter in work.module.parameters()),
        step_tokens=step_tokens,
        step_seconds=max(making, step_tokens * spent / tokens + rest),
        evaluation_seconds=evaluation,
        memory=_memory(optimizer, device, state, program),
        checkpoint_bytes=model + state,
        model_bytes=model,
        whole_at_once=whole_at_once(work.module),
    )


@torch.no_grad()
def _evaluation(work: Work, optimizer: Optimizer, seconds: float) -> float:
    """Seconds that one look at the held-out documents takes, from as many of its batches as take `seconds`."""
    device = optimizer.flat.master.device
    took, seen, tokens = 0.0, 0, 0
    with optimizer.flat.full_precision():
        for batch in work.held_out():
            tokens += batch.num_tokens
            if took < seconds:
                took += _timed(device, lambda batch=batch: work.tallies(batch.to(device), None))
                seen += batch.num_tokens
    return took * tokens / seen if seen else 0.0


def _timed(device: torch.device, do: Callable[[], object]) -> float:
    _wait(device)
    began = time.perf_counter()
    do()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(optimizer: Optimizer, device: torch.device, state: int, program: int) -> Memory:
    flat = optimizer.flat.row
    working = 0 if flat.working is flat.master else size_of([flat.working])
    known = [
        size_of([flat.master]),
        working,
        size_of([flat.gradient]) + (working or size_of([flat.gradient])),  # the sum, and each tensor's own
        state,
    ]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else held(peak=True)
    program = 0 if device.type == "cuda" else program
    return Memory(*known, activations=max(0, peak - program - sum(known)), program=program)


def size_of(tensors: "Sequence[Tensor] | object") -> int:
    """Bytes of all of them."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)  # type: ignore[attr-defined]


def held(*, peak: bool = False) -> int:
    """Bytes of memory that this process holds, or the most it ever held; 0 where the system does not say.

    From /proc: the count of getrusage carries over from the process that started this one.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:" if peak else "VmRSS:")[2].split()[0])
    return 0


def free_memory(device: torch.device) -> int | None:
    """Bytes that a new process could take on `device`; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    limits: list[int] = []
    with contextlib.suppress(OSError, IndexError, ValueError):
        limits.append(1024 * int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]))
    with contextlib.suppress(OSError, ValueError):  # a container's own limit
        group = Path("/sys/fs/cgroup")
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(limits)) if limits else None


def run_bytes(measured: Measured, keep: int) -> int:
    """Disk at the fullest: the kept checkpoints, one more while it is written, and the model."""
    return (keep + 1) * measured.checkpoint_bytes + measured.model_bytes


def hours(measured: Measured, training: TrainingConfig, done: int = 0) -> float:
    """Hours from step `done` to the end, evaluations included."""
    looks = sum(training.looks(step) for step in _lines(training, done))
    return ((training.steps - done) * measured.step_seconds + looks * measured.evaluation_seconds) / 3600


def _lines(training: TrainingConfig, done: int) -> Sequence[int]:
    """The steps after `done` at which a line is written."""
    every = training.log_every
    lines = range((done // every + 1) * every, training.steps + 1, every)
    return lines if training.steps % every == 0 or done >= training.steps else [*lines, training.steps]


def fits(before: Measured, micro_sequences: int, free: int | None, share: float = 0.9) -> bool:
    """Whether a larger micro-batch will stay within `share` of the free memory: activations grow with it."""
    if free is None:
        return True
    growth = micro_sequences / before.micro_sequences
    return before.memory.fixed + growth * before.memory.activations <= share * free
