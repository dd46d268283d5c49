"""Where the tasks of a build run: in processes of this machine, on Ray, or on Slurm.

A build is a few stages, each a number of independent tasks that read from the work folder and leave one finished
file there. So an engine has little to do: run the tasks whose file is not there yet, somewhere, and say who failed.
What comes out cannot depend on the engine, as no task knows which one runs it.

    local   engines/local.py   the default: processes on this machine
    ray     engines/ray.py     a Ray cluster whose nodes share the folder's file system
    slurm   engines/slurm.py   a job array; the nodes share the file system too
"""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from maskwright.progress import Progress

EngineName = Literal["local", "ray", "slurm"]


class Stage(Protocol):
    """One step of a build for all units of the input. Small and picklable: what it needs lies in the work folder.

    A stage is also a step of a datatrove pipeline, which is anything that is called with data, rank and world size:
    `LocalPipelineExecutor(pipeline=[stage], tasks=len(stage.sizes()))` runs it.
    """

    @property
    def work(self) -> Path:
        """The work folder."""
        ...

    @property
    def name(self) -> str:
        """What the reader is told: "Reading"."""
        ...

    @property
    def unit(self) -> str:
        """What sizes are counted in: "bytes"."""
        ...

    def sizes(self) -> list[int]:
        """How much there is to do in each task; as many numbers as there are tasks."""
        ...

    def remaining(self) -> list[int]:
        """The tasks whose finished file is not there yet."""
        ...

    def is_done(self, task: int) -> bool:
        """Whether that of one task is."""
        ...

    def run(self, task: int) -> Iterator[int]:
        """Do one task, yielding amounts of work as they are done; at its end its file is there, whole and durable."""
        ...

    def __call__(self, data: object = None, rank: int = 0, world_size: int = 1) -> Iterator[int]:
        """`run(rank)`, as datatrove calls a step."""
        ...


class Engine(Protocol):
    """Runs tasks. A context manager: what it started is gone when the block is left, however it is left."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def run(self, stage: Stage, tasks: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Do these tasks; yields (task, work done since the last time), the task's rest when it has finished.

        Raises BadInput as a task does, and MaskwrightError when one could not be finished.
        """
        ...


def open_engine(name: EngineName, workers: int, **settings: Any) -> Engine:
    """The engine of that name with so many workers; its module is imported here."""
    module: Any = importlib.import_module(f"{__name__}.{name}")
    engine: Engine = module.engine(workers, **settings)
    return engine


def run_stage(stage: Stage, engine: Engine, progress: Progress) -> None:
    """Do all tasks of a stage that are not done, with a bar over all of them."""
    sizes = stage.sizes()
    waiting = stage.remaining()
    if not waiting:
        return
    told = dict.fromkeys(waiting, 0)
    with progress.stage(stage.name, sum(sizes), stage.unit) as bar:
        bar.advance(sum(sizes) - sum(sizes[task] for task in waiting))
        for task, amount in engine.run(stage, waiting):
            amount = min(amount, sizes[task] - told[task])  # a task's size on disk is not the size of its text
            told[task] += amount
            bar.advance(amount)
