"""Our side: `maskwright finetune` itself, its steps timed from where its bar is told of them.

Everything that a step does is in the time, batches and lines of the log too. Reading the table and encoding its texts,
evaluation and what is saved are not.
"""

import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maskwright.config import checked
from maskwright.lab.bench.clock import Times, peak_mib, told
from maskwright.progress import Stage, silent
from maskwright.tasks.finetune import finetune
from maskwright.tasks.recipe import Recipe
from maskwright.training.metrics import read_metrics
from maskwright.training.run import keep_memory

WARM_UP, LEAST = 3, 5
STEPS = 1_000_000
STAGE = "finetune"
"""What the bar of the steps is called."""
JUDGED = 32
"""Examples to judge by: a run wants some, and here nothing is asked of them."""


class Enough(Exception):
    """All is measured."""


class Stopwatch:
    """A `Progress` that notes when each step was done, and ends the run after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun = time.perf_counter(), time.process_time()
        self.wall: list[float] = []
        self.cpu: list[float] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "items") -> Generator[Stage, None, None]:
        """Steps are counted, and nothing else."""
        if name == STAGE:
            self.begun = time.perf_counter(), time.process_time()
            yield self
        else:
            with silent.stage(name) as stage:
                yield stage

    def say(self, line: str) -> None:
        """Nobody listens."""

    def advance(self, n: int = 1, note: str | None = None) -> None:
        """A step is done where `n` is 1."""
        if not n:
            return
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())
        if len(self.wall) > WARM_UP + LEAST and self.wall[-1] - self.wall[WARM_UP] >= self.seconds:
            raise Enough

    @property
    def spent(self) -> dict[str, float]:
        """Seconds of all steps, by the clock and of processors; up to now where nothing went by steps.

        The last is taken for an average one: its end is told after the evaluation and the checkpoint behind it.
        """
        end, share = (time.perf_counter(), time.process_time()), 1.0
        if (count := len(self.wall)) > 1:
            end, share = (self.wall[-2], self.cpu[-2]), count / (count - 1)
        return {"seconds": share * (end[0] - self.begun[0]), "cpu_seconds": share * (end[1] - self.begun[1])}

    @property
    def times(self) -> Times:
        """Of the steps after the first ones."""
        walls, cpus = (
            [b - a for a, b in zip(at[WARM_UP:], at[WARM_UP + 1 :], strict=False)] for at in (self.wall, self.cpu)
        )
        return Times(walls, cpus)


def measure(
    *,
    model: str,
    examples: str,
    batch: int,
    rate: float,
    length: int,
    dropout: float,
    precision: str = "bf16",
    seconds: float = 0.0,
    out: str | None = None,
) -> dict[str, Any]:
    """Tokens and examples a second by all steps but the first ones.

    out   where a model of a few steps is left instead, for predictions; nothing is measured then
    """
    keep_memory()
    rows = Path(examples).read_text("utf-8").splitlines(keepends=True)
    steps = 2 if out else STEPS
    watch = Stopwatch(seconds)
    with tempfile.TemporaryDirectory(prefix="maskwright-bench-") as temporary:
        folder, dev = Path(out or f"{temporary}/run"), Path(temporary) / "dev.jsonl"
        dev.write_text("".join(rows[:JUDGED]), "utf-8")
        made = {
            "model": model,
            "data": {"train": examples, "dev": str(dev), "max_length": length},
            "dropout": dropout,
            "epochs": steps / -(-len(rows) // batch),
            "optimizer": {"rate": rate},
            "training": {
                "batch_sequences": batch, "micro_sequences": batch, "precision": precision, "log_every": 5,
                "evaluate_every": STEPS + 1, "save_every": STEPS + 1,
            },
        }  # fmt: skip
        try:
            finetune(checked(Recipe, made, "bench"), folder, allocator="kept", progress=watch)
        except Enough:
            return {**rates(watch.times, batch, _tokens(folder)), "real": 1.0}
    return {"steps": steps}


def rates(times: Times, examples: int, tokens: float) -> dict[str, Any]:
    """Of steps of so many examples, and tokens on average: a mean, for batches are of many lengths."""
    wall, cpu = sum(times.wall) / len(times.wall), sum(times.cpu) / len(times.cpu)
    return {
        "examples_per_second": examples / wall,
        "tokens_per_second": tokens / wall,
        "tokens_per_cpu_second": tokens / max(cpu, 1e-9),
        "steps": len(times.wall),
        "peak_mib": peak_mib(),
    }


def _tokens(folder: Path) -> float:
    """Of a step on average, special ones included."""
    last = read_metrics(folder)[-1]
    return last["tokens"] / last["step"]


if __name__ == "__main__":
    told(measure)
