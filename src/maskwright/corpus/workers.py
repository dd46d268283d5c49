"""Documents shared out over processes in chunks; results come back in the order of the documents.

A task is a small picklable description of the work. Each process starts it once, which is when a
tokenizer is loaded, and then gives it chunk after chunk.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from maskwright.errors import BadInput, MaskwrightError
from maskwright.text.readers import RawDocument

CHUNK = 2**19  # characters sent to a worker at a time

Documents = list[RawDocument]
Result = TypeVar("Result")
ResultOut = TypeVar("ResultOut", covariant=True)
Tag = TypeVar("Tag", bound=Hashable)


class Task(Hashable, Protocol[ResultOut]):
    """What is to be done to chunks of documents; equal tasks are the same work."""

    def start(self) -> Callable[[Documents], ResultOut]:
        """Load what the work needs, in the process that does it."""
        ...


def chunks(documents: Iterable[tuple[Tag, RawDocument]]) -> Iterator[tuple[Tag, Documents]]:
    """Documents of the same tag gathered into chunks; under each tag they stay in order."""
    gathered: dict[Tag, Documents] = {}
    sizes: dict[Tag, int] = {}
    for tag, document in documents:
        gathered.setdefault(tag, []).append(document)
        sizes[tag] = sizes.get(tag, 0) + len(document.text) + 100
        if sizes[tag] >= CHUNK:
            yield tag, gathered.pop(tag)
            sizes[tag] = 0
    yield from gathered.items()


class Workers:
    """`count` processes, begun when there is work for them; 1 works in this one.

    With more than one, the program that comes here must be under `if __name__ == "__main__":`.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise BadInput(f"workers is {count}: give a number from 1")
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, task: Task[Result], documents: Iterable[tuple[Tag, RawDocument]]) -> Iterator[tuple[Tag, Result]]:
        """The task done to all documents, chunk by chunk, in order; the tag of each chunk beside its result."""
        if self._count == 1:
            work = task.start()
            for tag, chunk in chunks(documents):
                yield tag, work(chunk)
            return
        try:
            yield from self._in_order(task, documents)
        except BrokenProcessPool:
            raise MaskwrightError(
                "a worker process died, most likely for want of memory: "
                "start the same command again with fewer --workers, what is finished is kept"
            ) from None

    def _in_order(
        self, task: Task[Result], documents: Iterable[tuple[Tag, RawDocument]]
    ) -> Iterator[tuple[Tag, Result]]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin)
        waiting: deque[tuple[Tag, Future[Result]]] = deque()
        for tag, chunk in chunks(documents):
            waiting.append((tag, self._pool.submit(_do, task, chunk)))
            if len(waiting) >= 2 * self._count + 2:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


_started: dict[Task[Any], Callable[[Documents], Any]] = {}  # the task that a worker process is at


def _begin() -> None:
    """Runs once in each worker: it leaves signals to the parent, and ends when the parent does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            with contextlib.suppress(Exception):
                parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _do(task: Task[Result], documents: Documents) -> Result:
    if task not in _started:
        _started.clear()
        _started[task] = task.start()
    return _started[task](documents)
