"""The one training loop, for pretraining and fine-tuning alike.

What step `k` trains on and every draw in it is a function of the seed and `k`, so the loop keeps no
random state, and going on from a checkpoint is going on, bit for bit. The gradient of a step is that of
all its micro-batches joined: each adds its sums divided by the counts of the whole step.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from signal import Signals
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from maskwright.batch import Batch
from maskwright.config import Config
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally
from maskwright.progress import Progress, silent
from maskwright.training.course import Course
from maskwright.training.evaluation import Window, totals
from maskwright.training.finite import BEFORE, NotFiniteError, blame
from maskwright.training.metrics import MetricsLog
from maskwright.training.optimizers import Optimizer
from maskwright.training.run_folder import RunFolder
from maskwright.training.schedules import Schedule, schedule
from maskwright.training.signals import Abandoned, Stop, hurried, stop_signals
from maskwright.training.work import Joined, Work


class TrainingConfig(Config):
    """How long, how fast, how often."""

    steps: int = Field(default=1_000_000, ge=1)
    """Updates of the weights."""
    batch_sequences: int = Field(default=256, ge=1)
    """Sequences that make one update."""
    micro_sequences: int = Field(default=32, ge=1)
    """Sequences that are computed at once: memory and speed. The gradient is always that of all of them joined."""
    warmup_share: float = Field(default=0.01, ge=0, le=1)
    """Share of the steps in which the rate rises from 0."""
    schedule: Schedule = "linear"
    """linear, google, cosine or constant."""
    clip: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Longest gradient; longer ones are scaled down to it. none: never."""
    precision: Literal["bf16", "float32"] = "bf16"
    """Of the arithmetic; weights, optimizer and evaluation are float32 in both."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Make kernels of what layers do behind attention. auto: on a GPU, where that takes half a minute once."""
    seed: int = Field(default=0, ge=0)
    """Names every draw of the run."""
    log_every: int = Field(default=20, ge=1)
    """Steps from line to line in metrics.jsonl."""
    evaluate_every: int = Field(default=1_000, ge=1)
    """Steps from one look at the held-out documents to the next; it stands in the next line that is logged."""
    held_out_sequences: int | None = Field(default=2_048, ge=1)
    """Held-out sequences looked at, the same each time. none: all."""
    save_every: int = Field(default=1_000, ge=1)
    """Steps from checkpoint to checkpoint."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints kept."""

    def logs(self, done: int) -> bool:
        """Whether a line is written after `done` steps."""
        return done % self.log_every == 0 or done == self.steps

    def looks(self, done: int) -> bool:
        """Whether that line tells of the held-out documents: the first one at or after each `evaluate_every` steps."""
        line_before = (done - 1) // self.log_every * self.log_every
        return done // self.evaluate_every > line_before // self.evaluate_every or done == self.steps


def train(
    work: Work,
    optimizer: Optimizer,
    config: TrainingConfig,
    folder: RunFolder,
    *,
    name: str = "pretrain",
    progress: Progress = silent,
    tensorboard: bool = True,
) -> Signals | None:
    """Train from where the folder's newest checkpoint is to `config.steps`; the signal that ended it before, if any.

    A work that is judged may have had enough before (`training.best`), which is an end like the other.

    Raises MaskwrightError before a loss or gradient that is not finite could reach the weights, naming
    the step and the objective; a checkpoint of the step before is left.
    """
    rate = schedule(config.schedule, warmup_steps=round(config.warmup_share * config.steps), total_steps=config.steps)
    course = Course(work, optimizer, folder, rate)
    # a signal may have come when the step was done and its line, with an evaluation, was not yet written
    owed = bool(course.window.sums) and config.logs(course.done)
    work.module.train()
    with (
        MetricsLog(folder.path, at_step=folder.step - owed, tensorboard=tensorboard) as log,
        stop_signals() as stop,
        hurried(work.module, stop),
        progress.stage(name, config.steps - folder.step, "steps") as bar,
    ):
        course.start_clock(log)
        try:
            if owed:
                course.write_line(log, bar, look=config.looks(course.done), stop=stop)
                if course.enough:
                    course.save(log, config.keep)
            for step, batches in ahead(work.batches, folder.step, folder.step if course.enough else config.steps):
                sums, norm = gradients(work, optimizer, batches, config, step, stop)
                optimizer.step(rate(step))
                course.count(sums, sum(batch.num_tokens for batch in batches), norm)
                if config.logs(course.done):
                    course.write_line(log, bar, look=config.looks(course.done), stop=stop)
                leave = bool(stop)  # read once: a signal that comes while we save is for the step after
                ended = course.enough or course.done == config.steps
                if leave or ended or course.done % config.save_every == 0:
                    course.save(log, config.keep)
                bar.advance(1)
                if leave or ended:
                    break
        except Abandoned:
            if course.unsaved:
                course.save(log, config.keep)
            return stop.signal
        except NotFiniteError:
            if course.unsaved:
                course.save(log, config.keep + 1)  # one more, so that no older one goes for one that leads nowhere
            raise
    return None if course.enough or course.done == config.steps else stop.signal


def gradients(
    work: Work, optimizer: Optimizer, batches: Sequence[Batch], config: TrainingConfig, step: int, stop: Stop
) -> tuple[Window, float]:
    """Leave the clipped gradient of the joined micro-batches in `optimizer.flat.gradient`; their sums, and its norm."""
    counts = joined(work.counts(batch) for batch in batches)
    device = optimizer.flat.master.device
    sums = Window()

    def stream(place: int) -> DropoutStream:
        return DropoutStream(config.seed, "dropout", step, place, device=device)

    if isinstance(work, Joined):
        work.look_over(batches, stream)
    for place, batch in enumerate(batches):
        stop.hurry()
        tallies = work.tallies(batch.to(device), stream(place))
        loss = mean_loss(tallies, counts)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        optimizer.flat.collect(first=place == 0)
        for name, (loss_sum, count, correct) in totals(tallies).items():
            if not math.isfinite(loss_sum):
                raise NotFiniteError(f"step {step + 1}: the loss of {name} is {loss_sum}; {BEFORE}")
            sums.add(name, loss_sum, count, correct)
    norm = float(optimizer.flat.clip(config.clip))
    if not math.isfinite(norm):
        raise NotFiniteError(blame(work, batches, config.seed, step))
    return sums, norm


def joined(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The counts of a step from those of its micro-batches.

    >>> joined([{"mlm": 3, "nsp": 1}, {"mlm": 4, "nsp": 0}])
    {'mlm': 7, 'nsp': 1}
    """
    whole: dict[str, float] = {}
    for of_batch in counts:
        for name, count in of_batch.items():
            whole[name] = whole.get(name, 0) + count
    return whole


def mean_loss(tallies: dict[str, Tally], counts: Mapping[str, float]) -> Tensor:
    """The micro-batch's share of the step's loss: each objective's sum over the count of the whole step."""
    return torch.stack([tally.loss_sum / (counts[name] or 1) for name, tally in tallies.items()]).sum()


def ahead(make: Callable[[int], Sequence[Batch]], first: int, end: int) -> Iterator[tuple[int, Sequence[Batch]]]:
    """The batches of steps `first` to `end`, each made while the one before is computed."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        waiting = pool.submit(make, first) if first < end else None
        for step in range(first, end):
            assert waiting is not None
            batches = waiting.result()
            waiting = pool.submit(make, step + 1) if step + 1 < end else None
            yield step, batches
