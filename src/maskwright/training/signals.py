"""SIGTERM and SIGINT as a wish: finish the step, save, leave. A second one ends the process at once."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator
from types import FrameType
from typing import Any

from torch import Tensor, nn

from maskwright.training.anew import watched

PATIENCE = 1.0
"""Seconds that a step or an evaluation may go on after a signal; saving needs the rest of ten."""
ECHO = 1.0
"""Seconds in which a SIGTERM that comes again is the same wish, where a watcher (`anew`) passes signals on: `timeout`,
systemd and Slurm send theirs to it and to us."""


class Abandoned(Exception):
    """A signal asked to leave, and what was being computed would have held it up: it will be computed anew."""


class Stop:
    """Whether, and by which signal, the run was asked to stop."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._at = 0.0

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def age(self) -> float:
        """Seconds since the signal; 0 before it."""
        return time.monotonic() - self._at if self else 0.0

    def hurry(self) -> None:
        """Raise Abandoned if a signal came longer than `PATIENCE` ago."""
        if self.age > PATIENCE:
            raise Abandoned

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        if received == self.signal == signal.SIGTERM and watched() and self.age < ECHO:
            return
        if self.signal is not None:
            # The default action, not an exception: nothing may hold up the second wish.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._at = time.monotonic()
        self.signal = received
        # os.write: a handler may interrupt a print, and a buffered stream refuses to be entered twice.
        with contextlib.suppress(OSError):
            os.write(2, f"\n{received.name}: finishing this step and saving; once more to leave at once\n".encode())


@contextlib.contextmanager
def hurried(module: nn.Module, stop: Stop) -> Generator[None]:
    """Let `stop.hurry` be asked at every layer, forwards and backwards: a large step takes longer than the patience."""

    def on_the_way_back(grad: Tensor) -> None:
        stop.hurry()

    def on_the_way(layer: nn.Module, given: Any, output: Any) -> None:
        stop.hurry()
        first: Tensor = output[0] if isinstance(output, tuple) else output
        if first.requires_grad:
            first.register_hook(on_the_way_back)

    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    handles = [layer.register_forward_hook(on_the_way) for layers in lists for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def stop_signals() -> Generator[Stop]:
    """Yields a `Stop` that becomes true with the first SIGTERM or SIGINT; puts the old handlers back.

    Outside the main thread Python allows no handlers; there the `Stop` stays false.

        with stop_signals() as stop:
            for step in ...:
                ...
                if stop:
                    break
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    old = {number: signal.signal(number, stop._on_signal) for number in numbers}  # pyright: ignore[reportPrivateUsage]
    try:
        yield stop
    finally:
        for number, handler in old.items():
            # None: a handler that was not set from Python and cannot be set again from it
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
