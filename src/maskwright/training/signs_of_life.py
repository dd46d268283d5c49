"""How a rank that is slow is told from one that is lost: while it works, a thread of it counts in a common store."""

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Generator

from torch.distributed.distributed_c10d import Store

PATIENCE = dt.timedelta(seconds=80)
"""How long a rank waits for another before it gives the run up; torchrun takes 30 s more to end one that is stopped."""
BEAT = 2.0
"""Seconds from one sign of life to the next."""


class SignsOfLife:
    """Of this rank, and what it hears of the others. The first rank listens to all, the others to the first.

    store   where the ranks found each other
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self._store, self._rank, self._size = store, rank, size
        self._waits = 0

    @contextlib.contextmanager
    def given(self) -> Generator[None]:
        """A thread tells meanwhile that this rank is not lost."""
        left = threading.Event()

        def beat() -> None:
            with contextlib.suppress(RuntimeError):  # a store that is gone is noticed by who waits
                while not left.wait(BEAT):
                    self._store.add(f"beats of {self._rank}", 1)

        thread = threading.Thread(target=beat, name="beats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()

    def await_all(self) -> None:
        """Until all have come as often as this one; RuntimeError where one gives no sign of life for `PATIENCE`."""
        self._waits += 1
        heard = dict.fromkeys(range(1, self._size) if self._rank == 0 else [0], 0)
        silence = dict.fromkeys(heard, 0.0)
        self._store.add("came", 1)
        pause = 0.01
        while self._store.add("came", 0) < self._waits * self._size:
            time.sleep(pause)
            for rank, before in heard.items():
                heard[rank] = self._store.add(f"beats of {rank}", 0)
                silence[rank] = silence[rank] + pause if heard[rank] == before else 0.0
                if silence[rank] > PATIENCE.total_seconds():
                    raise RuntimeError(f"rank {rank} gave no sign of life for {silence[rank]:.0f} seconds")
            pause = min(1.5 * pause, 0.5)
