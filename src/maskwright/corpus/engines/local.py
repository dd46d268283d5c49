"""Processes on this machine; one worker is this process itself.

Workers are told their tasks one by one through a pipe, and tell their progress through it. A pool of the standard
library would do, but for two things: the tasks of a worker that was killed (for want of memory, say) must not be
waited for, and when this process is stopped its workers must not go on.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from maskwright.corpus.engines import Stage
from maskwright.errors import BadInput, MaskwrightError

DONE = -1  # what a worker sends instead of an amount when its task is finished
WHOLE = 2**62  # more than any task's size: the rest of it


def engine(workers: int) -> "LocalEngine":
    """Processes of this machine."""
    return LocalEngine(workers)


class LocalEngine:
    """`workers` processes, begun when there is work for them; 1 works in this one.

    With more than one, the program that comes here must be under `if __name__ == "__main__":`.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise BadInput(f"workers is {workers}: give a number from 1")
        self._count = workers
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def run(self, stage: Stage, tasks: Sequence[int]) -> Iterator[tuple[int, int]]:
        """As `Engine.run`."""
        if self._count == 1:
            for task in tasks:
                for amount in stage.run(task):
                    yield task, amount
                yield task, WHOLE
        else:
            yield from self._in_processes(stage, deque(tasks))

    def _in_processes(self, stage: Stage, waiting: deque[int]) -> Iterator[tuple[int, int]]:
        while len(self._workers) < min(self._count, len(waiting)):
            self._workers.append(_Worker())
        busy = {worker: waiting.popleft() for worker in self._workers[: len(waiting)]}
        for worker, task in busy.items():
            worker.give(stage, task)
        while busy:
            for worker in self._heard_from(busy):
                task = busy[worker]
                amount = worker.told(task)
                yield task, WHOLE if amount == DONE else amount
                if amount == DONE:
                    del busy[worker]
                    if waiting:
                        busy[worker] = waiting.popleft()
                        worker.give(stage, busy[worker])

    @staticmethod
    def _heard_from(busy: "dict[_Worker, int]") -> "list[_Worker]":
        by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in busy}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe))]


class _Worker:
    """A process that does tasks one after the other."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._is_up = False  # until it was heard of
        self._process: BaseProcess = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # or the end of the process would not be the end of the pipe

    def give(self, stage: Stage, task: int) -> None:
        try:
            self.pipe.send((stage, task))
        except OSError:
            raise self._died(task) from None

    def told(self, task: int) -> int:
        """The amount of work it tells of, or DONE. Raises what the task raised."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            raise self._died(task) from None
        self._is_up = True
        if isinstance(message, BaseException):
            raise message
        return int(message)

    def _died(self, task: int) -> MaskwrightError:
        self._process.join(5)
        code = self._process.exitcode
        if code == 1 and not self._is_up:
            return MaskwrightError(
                f"the worker for unit {task} did not start, for the reason it gave above: if a script started it, "
                'put what the script does under `if __name__ == "__main__":`; what is finished is kept'
            )
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        return MaskwrightError(
            f"the worker at unit {task} died {how}, most likely for want of memory: "
            "start the same command again, with fewer --workers; what is finished is kept"
        )

    def stop(self) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.join()


def _work(pipe: Connection) -> None:
    """What a worker process does. It leaves signals to its parent, and ends when the parent's end of the pipe does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        while True:
            stage, task = pipe.recv()
            try:
                for amount in stage.run(task):
                    pipe.send(amount)
                pipe.send(DONE)
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:  # noqa: BLE001 - it is raised again on the other side
                pipe.send(error if isinstance(error, BadInput | MaskwrightError | OSError) else _told(error))
    except (EOFError, OSError):  # nobody is there any more
        os._exit(1)


def _told(error: Exception) -> MaskwrightError:
    """An error of our own making, which might not survive the way through a pipe, with where it happened."""
    import traceback

    at = traceback.extract_tb(error.__traceback__)[-1]
    return MaskwrightError(f"{type(error).__name__}: {error} ({os.path.basename(at.filename)} line {at.lineno})")
