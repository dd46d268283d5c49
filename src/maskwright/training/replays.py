"""Passes that are recorded once for each shape of a batch and played back: CUDA's graphs.

A GPU waits for Python where its kernels are short. Recorded, a whole pass forward and back is one call. What is
recorded reads and writes the same memory each time, so a batch is filled up to one of few shapes (`static_shapes`) and
copied to where the recording reads, and the gradients are found where it wrote them. Dropout comes from the device's
generator, which every pass sets to its address before it is played.

How to record is a function, so that all else here is tested without a GPU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.progress import Progress, silent
from maskwright.training.passes import AsWritten, Pass, Sums, mean_loss, sums_of
from maskwright.training.pretraining import Pretraining
from maskwright.training.static_shapes import Shape, can_fill, filled, shape_in, shape_of
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Carries, Joined, Work

MOST = 64
"""Recordings. A batch of another shape is computed as it is written, filled up all the same: what was recorded before
changes no result."""
WARM = 3
"""Times that a pass is computed before it is recorded: libraries choose and allocate, kernels are compiled."""

Play = Callable[[], object]
Record = Callable[[Callable[[], None]], Play]
"""Makes of a function one that does the same again, on the same memory."""


@dataclass(slots=True)
class Recording:
    """A pass and the memory that it reads and writes.

    batch, counts   what it reads: a batch of its shape, and (K,) predictions of the whole step by objective
    names, sums     what it writes: the K objectives, and (K, 2) of each the loss and the hits
    moved           parameters that have a gradient
    """

    batch: Batch
    counts: Tensor
    stream: DropoutStream
    names: list[str]
    sums: Tensor
    moved: list[str]
    play: Play


class Replays:
    """The passes of a pretraining work."""

    def __init__(self, work: Work, device: torch.device, record: Record) -> None:
        assert isinstance(work.module, Pretraining)
        self.work, self.device, self.record = work, device, record
        self.positions = work.module.encoder.config.longest
        self.parameters = {name: p for name, p in work.module.named_parameters() if p.requires_grad}
        self.recordings: dict[tuple[Shape, tuple[str, ...]], Recording] = {}
        self._gradients: dict[str, Tensor] = {}
        self._written = AsWritten(work, device)

    def __call__(self, batch: Batch, stream: Callable[[], DropoutStream], counts: Mapping[str, float]) -> Sums:
        """See `Pass`."""
        if not can_fill(batch):
            return self._written(batch, stream, counts)
        key = shape_in(batch), tuple(batch.tensors())
        if key not in self.recordings:
            if len(self.recordings) >= MOST:
                return self._written(batch, stream, counts)
            self.recordings[key] = self._recorded(batch, stream(), counts)
        recording = self.recordings[key]
        for name, values in batch.tensors().items():
            getattr(recording.batch, name).copy_(values, non_blocking=True)
        for count, name in zip(recording.counts, recording.names, strict=True):
            count.fill_(counts[name])  # a copy from memory that is not page-locked would wait for the device
        recording.stream = stream()
        recording.play()
        for name in recording.moved:
            gradient = self._gradients[name]
            # on a CPU, in tests, whoever collects gradients holds them, and here the next pass is written over them
            self.parameters[name].grad = gradient.clone() if gradient.device.type == "cpu" else gradient
        return dict(zip(recording.names, recording.sums.clone(), strict=True))

    def ready(self, batch: Batch) -> Batch:
        """See `Pass`: filled up to one of few shapes."""
        if can_fill(batch):
            batch = filled(batch, shape_of(batch, self.positions))
        return batch.ready_for(self.device)

    def _recorded(self, batch: Batch, stream: DropoutStream, counts: Mapping[str, float]) -> Recording:
        own = {name: values.to(self.device, copy=True) for name, values in batch.tensors().items()}
        names = list(self.work.module.heads)  # type: ignore[arg-type]
        sums = torch.zeros(len(names), 2, dtype=torch.float64, device=self.device)
        divisors = torch.tensor([counts[name] for name in names], dtype=torch.float32, device=self.device)
        made = Recording(replace(batch, **own), divisors, stream, names, sums, [], lambda: None)

        def written() -> None:
            tallies = self.work.tallies(made.batch, made.stream)
            mean_loss(tallies, dict(zip(names, divisors, strict=True))).backward()  # pyright: ignore[reportUnknownMemberType]
            sums.copy_(torch.stack([*sums_of(tallies).values()]))
            made.moved = [name for name, parameter in self.parameters.items() if parameter.grad is not None]
            self._keep(made.moved)

        made.play = self.record(written)
        return made

    def _keep(self, names: list[str]) -> None:
        """Bring these gradients to where those of all recordings are: each has no memory of its own for them."""
        found = {name: grad for name in names if (grad := self.parameters[name].grad) is not None}
        for name in found.keys() - self._gradients.keys():
            self._gradients[name] = torch.empty_like(found[name])
        torch.ops.aten._foreach_copy_([self._gradients[name] for name in found], list(found.values()))
        for name in found:
            self.parameters[name].grad = None


class OnCuda:
    """Records as CUDA graphs, which share their memory: one is played at a time."""

    def __init__(self) -> None:
        self._stream, self._pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()

    def __call__(self, written: Callable[[], None]) -> Play:
        """See `Record`."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM):
                written()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # the thread that makes batches may ask for pinned memory meanwhile, which is no error of ours
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            written()
        return graph.replay


def why_not(work: Work, training: TrainingConfig, device: torch.device) -> str | None:
    """Why passes cannot be recorded, in a line; None where they can."""
    if device.type != "cuda":
        return "CUDA graphs are a GPU's"
    if not isinstance(work.module, Pretraining) or isinstance(work, Carries | Joined):
        return "this work keeps a state from step to step, or is no pretraining"
    if "sbo" in work.module.heads:
        return "batches with spans cannot be filled up to few shapes"
    if training.recompute != "none":
        return f"training.recompute {training.recompute} asks the generator where it stands"
    if any(not parameter.requires_grad for parameter in work.module.parameters()):
        return "some weights are fixed, and are copied to other memory with each evaluation"
    return None


def passes_of(work: Work, training: TrainingConfig, device: torch.device, progress: Progress = silent) -> Pass:
    """The passes of a run: played back where `training.graphs` says so and they can be; says it where they cannot."""
    if training.graphs == "always":
        if (reason := why_not(work, training, device)) is None:
            return Replays(work, device, OnCuda())
        progress.say(f"training.graphs always: computed as it is written, since {reason}")
    return AsWritten(work, device)
