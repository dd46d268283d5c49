"""How far a run has come: what the loop carries from step to step, all of it in every checkpoint."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from maskwright.errors import MaskwrightError
from maskwright.progress import Stage
from maskwright.training.evaluation import Window, evaluate, told
from maskwright.training.finite import WAY_OUT
from maskwright.training.metrics import MetricsLog, NoLog
from maskwright.training.optimizers import Optimizer
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.run_folder import RunFolder
from maskwright.training.signals import Stop
from maskwright.training.work import Carries, Visits, Work, judge_of


class Course:
    """Takes up the folder's newest checkpoint, counts on from it, writes lines and checkpoints.

    done     updates so far
    tokens   seen so far
    window   sums since the last logged line
    norm     of the last gradient
    carried  the work's own state after those updates, where it has one
    best     the best look so far, where the work is judged
    """

    def __init__(
        self,
        work: Work,
        optimizer: Optimizer,
        folder: RunFolder,
        rate: Callable[[int], float],
        ranks: Ranks = ALONE,
    ) -> None:
        self.work, self.optimizer, self.folder, self.rate, self.ranks = work, optimizer, folder, rate, ranks
        judge = judge_of(work)
        self.best = None if judge is None else judge.best
        state: dict[str, Any] = {"tokens": 0, "window": {}, "gradient_norm": 0.0}
        if folder.resumed:
            state, saved = folder.resumed.state, folder.resumed.tensors
            optimizer.flat.load(optimizer.flat.own(saved["model"]))
            optimizer.load(optimizer.own(saved["optimizer"]))
            if isinstance(work, Carries):
                work.take_up({name: tensor for name, tensor in saved["carried"].items() if isinstance(tensor, Tensor)})
            if isinstance(work, Visits) and "visits" in state:
                work.know(state["visits"])
            if self.best is not None and "best" in state:
                self.best.take_up(state["best"], optimizer.flat.own(saved.get("best", saved["model"])))
            saved.clear()  # they are maps of files that will be pruned
        self.done = self._saved = folder.step
        self.tokens: int = state["tokens"]
        self.window, self.norm = Window(state["window"]), float(state["gradient_norm"])
        self._clock = Clock(0.0, self.tokens)
        self._carry()

    @property
    def unsaved(self) -> bool:
        """Whether there is more than the newest checkpoint holds."""
        return self.done > self._saved

    @property
    def enough(self) -> bool:
        """Whether what was seen of the held-out examples says to stop."""
        return self.best is not None and self.best.enough

    def count(self, sums: Window, tokens: int, norm: float) -> None:
        """One update more."""
        self.done += 1
        self.tokens += tokens
        self.window.join(sums)
        self.norm = norm
        self._carry()
        if self.folder.checking is not None:
            self.folder.checking.look()

    def start_clock(self, log: MetricsLog | NoLog) -> None:
        """From here on time is counted, beginning at what earlier processes spent."""
        self._clock = Clock(log.seconds_before, self.tokens)

    def write_line(self, log: MetricsLog | NoLog, bar: Stage, *, look: bool, stop: Stop) -> None:
        """Log the means since the last line; with `look`, beside those of the held-out documents."""
        means = self.window.means()
        seconds, speed = self._clock.read(self.tokens)
        with self._clock.stopped():
            held_out = evaluate(self.work, self.optimizer, stop, self.ranks) if look else None
        if self.best is not None and held_out is not None:
            self.best.look(self.done, held_out, self.optimizer.flat.state())
        log.log(
            step=self.done,
            tokens=self.tokens,
            loss=means.loss,
            losses=means.losses,
            accuracy=means.accuracy,
            learning_rate=self.rate(self.done - 1) * self.optimizer.rate,
            gradient_norm=self.norm,
            seconds=seconds,
            tokens_per_second=speed,
            held_out=held_out,
        )
        self.window = Window()
        bar.advance(0, note=told(means, held_out, speed))

    def save(self, log: MetricsLog | NoLog, keep: int) -> None:
        """Write a checkpoint, all sharers of the optimizer together; MaskwrightError if a weight is not finite.

        BadInput for a corpus that is damaged, which is known by then.
        """
        with self._clock.stopped():
            self._save(log, keep)

    def _save(self, log: MetricsLog | NoLog, keep: int) -> None:
        if self.folder.checking is not None:
            self.ranks.each(self.folder.checking.wait)
        flat = self.optimizer.flat
        sharers = flat.sharers
        if any(sharers.sum_numbers([float(not flat.master.isfinite().all())], flat.master.device)):
            raise MaskwrightError(
                f"step {self.done}: the update made weights that are not finite; the last checkpoint is that of "
                f"step {self._saved}; {WAY_OUT}"
            )
        log.sync()
        tensors = {"model": flat.state(), "optimizer": self.optimizer.tensors()}
        if self.carried is not None:
            tensors["carried"] = self.carried
        state: dict[str, Any] = {"tokens": self.tokens, "window": self.window.sums, "gradient_norm": self.norm}
        if isinstance(self.work, Visits):
            state["visits"] = self.work.visit_sizes(self.done)
        if self.best is not None:
            state["best"] = self.best.state()
            if beside := self.best.tensors_beside(self.done):
                tensors["best"] = beside
        if not sharers.first:  # fixed weights are whole everywhere, and the first rank's to save
            for stem in tensors.keys() - {"optimizer"}:
                tensors[stem] = {name: tensor for name, tensor in tensors[stem].items() if name in flat.places}
        if sharers.size > 1:
            self.folder.save(self.done, tensors, state, keep, sharers)
        else:  # the others wait, however long it takes
            self.ranks.each(lambda: self.folder.save(self.done, tensors, state, keep) if self.ranks.first else None)
        self._saved = self.done

    def _carry(self) -> None:
        self.carried = self.work.carried() if isinstance(self.work, Carries) else None


class Clock:
    """Seconds of training alone: what evaluation and saving take is left out."""

    def __init__(self, seconds_before: float, tokens: int) -> None:
        self._seconds, self._tokens = seconds_before, tokens
        self._counted, self._at = 0.0, time.perf_counter()

    def read(self, tokens: int) -> tuple[float, float]:
        """(seconds since step 0, tokens a second since the last reading)."""
        with self.stopped():
            speed = (tokens - self._tokens) / max(self._counted, 1e-9)
            self._seconds += self._counted
            self._counted, self._tokens = 0.0, tokens
        return self._seconds, speed

    @contextmanager
    def stopped(self) -> Generator[None]:
        """What is done meanwhile is not counted."""
        self._counted += time.perf_counter() - self._at
        try:
            yield
        finally:
            self._at = time.perf_counter()
