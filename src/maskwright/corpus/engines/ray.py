"""A Ray cluster whose nodes share the file system of the work folder.

Each task of a stage is a task of Ray, which starts it again elsewhere when its worker or its node is lost. The
cluster is the one that RAY_ADDRESS names or that runs on this machine, else one is started here for the build.
"""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from maskwright.corpus.engines import Stage
from maskwright.corpus.engines.local import WHOLE
from maskwright.errors import BadInput, MaskwrightError

RETRIES = 3  # of a task whose worker was lost


def engine(workers: int) -> "RayEngine":
    """Tasks of a Ray cluster."""
    return RayEngine(workers)


class RayEngine:
    """At most `workers` tasks at a time."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise BadInput(f"workers is {workers}: give a number from 1")
        try:
            import ray  # pyright: ignore[reportMissingImports] - an extra
        except ImportError:
            raise BadInput("--engine ray needs Ray: run `pip install 'maskwright[ray]'`") from None
        self._ray: Any = ray
        self._count = workers
        self._started = False

    def __enter__(self) -> Self:
        if not self._ray.is_initialized():
            try:
                self._connect()
            except ConnectionError as error:
                raise BadInput(f"no Ray cluster can be reached: {str(error).splitlines()[0]}") from None
        return self

    def _connect(self) -> None:
        import os

        quiet = {"log_to_driver": False, "configure_logging": False}
        try:
            self._ray.init(address="auto", **quiet)  # RAY_ADDRESS, or the one on this machine
        except ConnectionError:
            if os.environ.get("RAY_ADDRESS"):
                raise
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that begins here tells nobody of it
            self._ray.init(num_cpus=self._count, include_dashboard=False, **quiet)
        self._started = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._started:
            self._ray.shutdown()

    def run(self, stage: Stage, tasks: Sequence[int]) -> Iterator[tuple[int, int]]:
        """As `Engine.run`; a task's whole size is told when it has finished."""
        remote = self._ray.remote(max_retries=RETRIES, num_cpus=1)(do)
        waiting = list(reversed(tasks))
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < self._count:
                task = waiting.pop()
                running[remote.remote(stage, task)] = task
            finished, _ = self._ray.wait(list(running), num_returns=1)
            task = running.pop(finished[0])
            try:
                self._ray.get(finished[0])
            except self._ray.exceptions.RayTaskError as error:
                raise _cause(error) from None
            except self._ray.exceptions.RayError as error:
                raise MaskwrightError(
                    f"unit {task} was lost {RETRIES + 1} times on Ray ({type(error).__name__}), most likely for want "
                    "of memory: start the same command again with fewer --workers; what is finished is kept"
                ) from None
            yield task, WHOLE


def do(stage: Stage, task: int) -> None:
    """One task, on whichever node: not again where an earlier try of it has just finished."""
    if not stage.is_done(task):
        for _ in stage.run(task):
            pass


def _cause(error: Any) -> BaseException:
    """What the task raised, without Ray around it."""
    cause = error.cause
    return cause if isinstance(cause, BadInput | MaskwrightError | OSError) else MaskwrightError(str(error))
