"""The clock of a side: when to look, where its rate is, when it ends.

Both sides decay their rates to nothing at the end of their time, not after a number of steps that somebody guessed:
the share of the time that is spent says where the rate is. So neither is cut off before its schedule ends, however
fast the machine is and whatever else it does.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import Any

from maskwright.lab.bench.clock import peak_mib, wait
from maskwright.lab.bench.race.curve import Curve, Point
from maskwright.training.schedules import Schedule, schedule

GRAIN = 100_000
"""Parts of the time that a rate tells apart."""
Scores = tuple[Mapping[str, float], Mapping[str, float]]
"""Losses and accuracies by kind of test."""


class Clock:
    """Seconds of training, by the wall and of processors; it can be stopped."""

    def __init__(self, seconds: float = 0.0, cpu_seconds: float = 0.0) -> None:
        self._spent = seconds, cpu_seconds
        self._since: tuple[float, float] | None = None
        self.go()

    def read(self) -> tuple[float, float]:
        """(seconds, seconds of processors) so far."""
        if self._since is None:
            return self._spent
        wall, cpu = perf_counter() - self._since[0], process_time() - self._since[1]
        return self._spent[0] + wall, self._spent[1] + cpu

    def stop(self) -> None:
        """Count no more, once a GPU has done what it was given."""
        wait()
        self._spent, self._since = self.read(), None

    def go(self) -> None:
        """Count on, if it stood."""
        if self._since is None:
            self._since = perf_counter(), process_time()


class Racer:
    """A side under way. Its clock begins when it is made: after imports and reading data, before its first weights.

    path       of its curve, written after each look
    terms      of the curve
    budget     seconds that it has
    looks      how often it looks at the held-out text, evenly over its time
    spawned    `time.monotonic()` when its process was started
    before     what an interrupted run left: it goes on from its last point, and its clock stands until its first step
    """

    def __init__(
        self,
        path: Path,
        terms: Mapping[str, Any],
        *,
        budget: float,
        looks: int,
        spawned: float,
        before: Curve | None = None,
    ) -> None:
        self.path, self.terms, self.budget, self.looks = path, terms, budget, looks
        self.points: list[Point] = list(before.points) if before else []
        self.lead = before.lead if before else monotonic() - spawned
        self.begun = before.begun if before else 0.0
        self.clock = Clock()
        if before:
            self.clock = Clock(before.points[-1].seconds, before.points[-1].cpu_seconds)
            self.clock.stop()

    def begin_steps(self) -> bool:
        """What is made before the first step, such as word vectors, is in the time; rates begin here.

        False where nothing is left for steps: the side has ended without a point.
        """
        if not self.points:
            self.begun = self.clock.read()[0]
        if self.begun >= self.budget:
            self._write(finished=True)
            return False
        return True

    @property
    def share(self) -> float:
        """Of the time for steps, what is spent: 0 to 1."""
        return min(1.0, max(0.0, (self.clock.read()[0] - self.begun) / (self.budget - self.begun)))

    def rate(self, name: Schedule, warmup_share: float) -> Callable[[], float]:
        """The factor of the rates now."""
        at = schedule(name, warmup_steps=round(warmup_share * GRAIN), total_steps=GRAIN)
        return lambda: at(round(self.share * GRAIN))

    @property
    def due(self) -> bool:
        """Whether it is time to look."""
        return self.share >= (len(self.points) + 1) / self.looks

    @contextmanager
    def standing(self) -> Generator[None]:
        """The clock stands meanwhile."""
        self.clock.stop()
        try:
            yield
        finally:
            self.clock.go()

    def note(self, step: int, tokens: int, scores: Scores) -> None:
        """Write down what a look found, while the clock stands."""
        seconds, cpu_seconds = self.clock.read()
        losses, accuracy = scores
        self.points.append(
            Point(step=step, tokens=tokens, seconds=seconds, cpu_seconds=cpu_seconds, losses=losses, accuracy=accuracy)
        )
        self._write(finished=self.share >= 1)

    def _write(self, *, finished: bool) -> None:
        Curve(
            terms=self.terms, lead=self.lead, begun=self.begun, points=self.points, finished=finished,
            peak_mib=peak_mib(),
        ).write(self.path)  # fmt: skip


def mean_scores(sums: Mapping[str, Sequence[tuple[float, float, float]]]) -> Scores:
    """Losses and accuracies from each batch's (sum of losses, hidden tokens, hits), by kind of test.

    >>> mean_scores({"blocks": [(6.0, 2, 1), (3.0, 1, 1)]})
    ({'blocks': 3.0}, {'blocks': 0.6666666666666666})
    """
    joined = {kind: [sum(column) for column in zip(*batches, strict=True)] for kind, batches in sums.items()}
    return (
        {kind: loss / count for kind, (loss, count, _) in joined.items()},
        {kind: hits / count for kind, (_, count, hits) in joined.items()},
    )
