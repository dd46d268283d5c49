"""The one training loop, for pretraining and fine-tuning alike.

What step `k` trains on and every draw in it is a function of the seed and `k`, so the loop keeps no
random state, and going on from a checkpoint is going on, bit for bit.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from signal import Signals
from typing import TypeVar

from maskwright.errors import BadInput
from maskwright.progress import Progress, silent
from maskwright.training.buckets import summing
from maskwright.training.course import Course
from maskwright.training.finite import NotFiniteError
from maskwright.training.gradients import gradients
from maskwright.training.memory import NoMemoryError, enough_memory, enough_to_move
from maskwright.training.metrics import MetricsLog, NoLog
from maskwright.training.optimizers import Optimizer
from maskwright.training.passes import AsWritten, Pass
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.run_folder import RunFolder
from maskwright.training.schedules import schedule
from maskwright.training.signals import Abandoned, hurried, stop_signals
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Carries, Joined, Share, Work, numbers_from, share_of

Made = TypeVar("Made")


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
