"""The one training loop, for pretraining and fine-tuning alike.

What step `k` trains on and every draw in it is a function of the seed and `k`, so the loop keeps no
random state, and going on from a checkpoint is going on, bit for bit. The gradient of a step is that of
all its micro-batches joined: each adds its sums divided by the counts of the whole step.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from signal import Signals
from typing import Literal, TypeVar

import torch
from pydantic import Field, model_validator

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.progress import Progress, silent
from maskwright.training.buckets import Buckets, summing
from maskwright.training.course import Course
from maskwright.training.evaluation import Window
from maskwright.training.finite import BEFORE, NotFiniteError, blame
from maskwright.training.memory import NoMemoryError, enough_memory, enough_to_move
from maskwright.training.metrics import MetricsLog, NoLog
from maskwright.training.optimizers import Optimizer
from maskwright.training.passes import AsWritten, Pass, Sums
from maskwright.training.ranks import ALONE, Ranks, Tree
from maskwright.training.run_folder import RunFolder
from maskwright.training.schedules import Schedule, schedule
from maskwright.training.signals import Abandoned, Stop, hurried, stop_signals
from maskwright.training.work import Carries, Joined, Share, Work, numbers_from, share_of

Made = TypeVar("Made")
Precision = Literal["bf16", "float32", "fp8"]
Graphs = Literal["never", "always"]


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
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens that make one update, packed: rows of micro_tokens are filled to their end with whole sequences, and
    batch_sequences and micro_sequences are not read. none: sequences are not packed."""
    micro_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a packed row, which is computed at once; none: batch_tokens."""
    groups: int | None = Field(default=None, ge=1, le=4096)
    """Sum a step's micro-batches in so many groups, and these in pairs: 1, 2, 4 ... processes, up to so many, then make
    the same weights bit for bit. none: one group for each process."""
    shard: Literal["none", "optimizer", "parameters"] = "none"
    """optimizer: each process keeps and saves a piece of master and optimizer, 12 of a weight's 18 bytes in bf16.
    parameters: a piece of all there is, a layer is whole in its turn (FSDP); with all optimizers but muon."""
    clip: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Longest gradient; longer ones are scaled down to it. none: never."""
    precision: Precision = "bf16"
    """Of the arithmetic: bf16, float32 or, as an experiment, fp8, in which linear maps of layers multiply 8-bit floats
    and all else is bf16. Weights and optimizer are float32 in all, and evaluation is, but with shard parameters."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Make kernels of what layers do behind attention. auto: on a GPU, where it takes some seconds once; on a CPU they
    are no faster."""
    graphs: Graphs = "never"
    """always: on a GPU, record a pass forward and back once for each shape, and play it back. For packed rows, which
    have few shapes, in steps of some ten thousand tokens, which would wait for Python."""
    recompute: Literal["none", "attention", "layers"] = "none"
    """What is computed a second time on the way back, to hold less meanwhile: none, attention or layers, all but the
    last. Loss and gradient are the same bit for bit."""
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

    @property
    def row_tokens(self) -> int | None:
        """Tokens of a packed row; None where sequences are not packed."""
        return self.batch_tokens and (self.micro_tokens or self.batch_tokens)

    @property
    def batch_rows(self) -> int | None:
        """Packed rows of a step; None where sequences are not packed."""
        return self.batch_tokens and self.batch_tokens // (self.micro_tokens or self.batch_tokens)

    def check_not_packed(self) -> None:
        """BadInput where sequences would be packed that have places of their own, in lanes or as answers of a task."""
        if self.batch_tokens:
            raise BadInput("training.batch_tokens packs sequences, and here these keep their places: leave it out")

    @model_validator(mode="after")
    def _whole_rows(self) -> "TrainingConfig":
        if self.micro_tokens and (not self.batch_tokens or self.batch_tokens % self.micro_tokens):
            raise BadInput(
                f"training.micro_tokens {self.micro_tokens} are the tokens of a packed row, and training.batch_tokens "
                f"{self.batch_tokens or 'none'} those of a step: let this be a multiple of that"
            )
        return self

    @model_validator(mode="after")
    def _as_it_is_cut(self) -> "TrainingConfig":
        if self.shard == "parameters" and (self.groups or self.graphs == "always"):
            raise BadInput(
                "training.shard parameters sums gradients in the library's order and gathers layers as they come: "
                "leave training.groups and training.graphs out, or take --training.shard optimizer"
            )
        return self

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
    ranks: Ranks = ALONE,
    one_pass: Pass | None = None,
) -> Signals | None:
    """Train from where the folder's newest checkpoint is to `config.steps`; the signal that ended it before, if any.

    A work that is judged may have had enough before (`training.best`), which is an end like the other.

    Raises MaskwrightError before a loss or gradient that is not finite could reach the weights, naming
    the step and the objective, and where a step finds no memory; a checkpoint of the step before is left.

    ranks      the processes that share each step; the first of them writes
    one_pass   computes each micro-batch; None: `AsWritten`
    """
    device = optimizer.flat.master.device
    buckets = summing(optimizer.flat, ranks, config.groups) if config.graphs == "never" else None
    one_pass = one_pass or AsWritten(work, device)
    if ranks.size > 1 and isinstance(work, Carries | Joined):
        raise BadInput("memories and texts that are all compared stay in one process: run this one alone")
    counts = numbers_from(work, folder.step) if ranks.size > 1 else [1]
    ranks.check(config.groups, counts)
    if (line := ranks.uneven(config.groups, counts)) is not None:
        if optimizer.flat.together:
            raise BadInput(f"{line}; with training.shard parameters all must compute as many")
        progress.say(line)
    rate = schedule(config.schedule, warmup_steps=round(config.warmup_share * config.steps), total_steps=config.steps)
    course = Course(work, optimizer, folder, rate, ranks)
    # a signal may have come when the step was done and its line, with an evaluation, was not yet written
    owed = bool(course.window.sums) and config.logs(course.done)
    work.module.train()
    with (
        log_of(folder, folder.step - owed, tensorboard, ranks) as log,
        stop_signals() as stop,
        ranks.noticing(),
        hurried(work.module, stop) if ranks.size == 1 else nullcontext(),
        progress.stage(name, config.steps - folder.step, "steps") as bar,
    ):
        course.start_clock(log)
        try:
            if owed:
                course.write_line(log, bar, look=config.looks(course.done), stop=stop)
                if course.enough:
                    course.save(log, config.keep)
            end = folder.step if course.enough else config.steps

            def made(step: int) -> Share:
                return share_of(work, step, ranks, config.groups).readied(one_pass.ready)

            for step, share in ahead(made, folder.step, end):
                with enough_memory(step, share.sequences):
                    sums, tokens, norm = gradients(work, optimizer, share, config, step, stop, ranks, one_pass, buckets)
                with enough_to_move(step):
                    optimizer.step(rate(step))
                course.count(sums, tokens, norm)
                if config.logs(course.done):
                    course.write_line(log, bar, look=config.looks(course.done), stop=stop)
                # read once: a signal that comes while we save is for the step after. Ranks leave together
                leave = bool(ranks.sum_numbers([float(bool(stop))], device)[0])
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
        except (NotFiniteError, NoMemoryError) as error:
            # a rank that finds no memory is alone with it, and the others do not come to save
            if course.unsaved and (ranks.size == 1 or isinstance(error, NotFiniteError)):
                course.save(log, config.keep + 1)  # one more, so that no older one goes for one that leads nowhere
            raise
    return None if course.enough or course.done == config.steps else stop.signal or Signals.SIGTERM


def gradients(
    work: Work,
    optimizer: Optimizer,
    share: Share,
    config: TrainingConfig,
    step: int,
    stop: Stop,
    ranks: Ranks = ALONE,
    one_pass: Pass | None = None,
    buckets: Buckets | None = None,
) -> tuple[Window, int, float]:
    """Leave the clipped gradient of the joined micro-batches in `optimizer.flat.gradient`.

    Their sums, their tokens, and the gradient's norm: of the whole step, of which this process computes its share.

    buckets   sum the gradient over the ranks while it is computed; None: it is summed in the end
    """
    of_batches, tokens = counted(work, share, ranks)
    counts = {name: count or 1 for name, count in joined(of_batches.values()).items()}
    flat, device = optimizer.flat, optimizer.flat.master.device
    one_pass = one_pass or AsWritten(work, device)
    ready = share.ready or share.readied(one_pass.ready).ready
    summed: dict[int, Sums] = {}

    def stream(place: int) -> DropoutStream:
        return DropoutStream(config.seed, "dropout", step, place, device=device)

    if isinstance(work, Joined):
        work.look_over([ready.get(place, batch) for place, batch in share.made.items()], stream)
    tree = Tree(flat.gradient) if len(share.groups) > 1 else None
    for group in share.groups:
        if not group:
            flat.gradient.zero_()
            if buckets is not None:
                buckets.begin(first=False)
        for place in group:
            if ranks.size == 1:
                stop.hurry()
            first, last = place == group.start, place == group[-1]
            if buckets is not None and last:
                buckets.begin(first=first)
            summed[place] = one_pass(ready[place], partial(stream, place), counts)
            if buckets is None or not last:
                flat.collect(first=first)
        if tree is not None:
            tree.add()
    if tree is not None:
        tree.finish()
    if buckets is not None:
        buckets.finish()  # before anything else is exchanged: on another rank all of them may have begun by now
    else:
        flat.sum_gradient(ranks, as_tree=config.groups is not None)
    length = flat.length()  # begun before the losses are asked for: a GPU is waited for once
    sums, found = Window(), brought(summed)
    names = [(place, name) for place, its in of_batches.items() for name in its]
    told = iter(ranks.sum_numbers([number for at in names for number in found.get(at, (0.0, 0.0))], device))
    for place, name in names:
        loss, correct = next(told), next(told)
        if not math.isfinite(loss):
            raise NotFiniteError(f"step {step + 1}: the loss of {name} is {loss}; {BEFORE}")
        sums.add(name, loss, of_batches[place][name], correct)
    norm = float(length)
    flat.shorten(norm, config.clip)
    if not math.isfinite(norm):
        raise NotFiniteError(blame(work, share.own, config.seed, step, ranks))
    return sums, tokens, norm


def counted(work: Work, share: Share, ranks: Ranks) -> tuple[dict[int, Mapping[str, float]], int]:
    """Predictions of each micro-batch of the step, by its place and by objective; and the tokens of all."""
    own = share.own
    counts = {place: work.counts(batch) for place, batch in own.items()}
    told = ranks.gather((counts, sum(batch.num_tokens for batch in own.values())))
    of_all = {place: its for counts, _ in told for place, its in counts.items()}
    return dict(sorted(of_all.items())), sum(tokens for _, tokens in told)


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


def brought(summed: Mapping[int, Sums]) -> dict[tuple[int, str], tuple[float, float]]:
    """Loss and hits by micro-batch and objective, from the device in one piece: it is waited for once a step."""
    names = [(place, name) for place, its in summed.items() for name in its]
    if not names:
        return {}
    rows: list[list[float]] = torch.stack([summed[place][name] for place, name in names]).tolist()
    return {name: (loss, correct) for name, (loss, correct) in zip(names, rows, strict=True)}


def log_of(folder: RunFolder, at_step: int, tensorboard: bool, ranks: Ranks) -> MetricsLog | NoLog:
    """The run's log, of the rank that writes; of the others none."""
    return MetricsLog(folder.path, at_step=at_step, tensorboard=tensorboard) if ranks.first else NoLog()


def ahead(make: Callable[[int], Made], first: int, end: int) -> Iterator[tuple[int, Made]]:
    """What is made for steps `first` to `end`, each while the one before is computed."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        waiting = pool.submit(make, first) if first < end else None
        for step in range(first, end):
            assert waiting is not None
            made = waiting.result()
            waiting = pool.submit(make, step + 1) if step + 1 < end else None
            yield step, made
