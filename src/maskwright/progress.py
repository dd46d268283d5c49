"""How a long stage tells how far it is: bars with speed and time left, or lines where there is no terminal.

A stage never prints by itself: it takes a `Progress` and is silent by default.

    def build(..., progress: Progress = silent) -> None:
        with progress.stage("tokenise", total=len(documents), unit="documents") as stage:
            for document in documents:
                ...
                stage.advance()
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import Task


class Stage(Protocol):
    """A stage under way."""

    def advance(self, n: int = 1, note: str | None = None) -> None:
        """Count `n` more units done; `note` (such as "loss 3.21") stands behind the bar until the next one."""
        ...


class Progress(Protocol):
    """Where stages report to."""

    def stage(self, name: str, total: int | None = None, unit: str = "items") -> AbstractContextManager[Stage]:
        """Begin a stage of `total` units, None when nobody knows how many. Stages may nest."""
        ...

    def say(self, line: str) -> None:
        """One line for the reader, above any bar."""
        ...


class _SilentStage:
    def advance(self, n: int = 1, note: str | None = None) -> None:
        """Nothing to tell."""


class _Silent:
    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "items") -> Generator[Stage, None, None]:
        yield _SilentStage()

    def say(self, line: str) -> None:
        """Nobody listens."""


silent: Progress = _Silent()


def rich_progress(stream: TextIO | None = None) -> Progress:
    """Bars on stderr when it is a terminal that can move its cursor, plain lines otherwise.

    Colour follows NO_COLOR (rich reads it). stdout is never written to: it is for results.
    """
    from rich.console import Console

    console = Console(stderr=True) if stream is None else Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return _Bars(console)
    return PlainLines(stream)


def quantity(number: float) -> str:
    """A count or a speed for people: three figures below a thousand, whole above.

    >>> quantity(0.123456), quantity(45.678), quantity(1234567.8)
    ('0.123', '45.7', '1,234,568')
    """
    return f"{number:,.0f}" if number >= 1000 or float(number).is_integer() else f"{number:.3g}"


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(4.2), duration(75), duration(7322)
    ('4.2 s', '1 min 15 s', '2 h 02 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class PlainLines:
    """A line every `every` seconds and one at the end of each stage: for logs, pipes and dumb terminals."""

    def __init__(
        self, stream: TextIO | None = None, *, every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._every = every
        self._clock = clock

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "items") -> Generator[Stage, None, None]:
        """One stage; an error inside it ends with the line "stopped after"."""
        stage = _PlainStage(self, name, total, unit, self._every, self._clock)
        try:
            yield stage
        except BaseException:
            stage.end("stopped after")
            raise
        stage.end("done,")

    def say(self, line: str) -> None:
        """One line, at once: a log is read while it grows."""
        stream = sys.stderr if self._stream is None else self._stream
        stream.write(line + "\n")
        stream.flush()


class _PlainStage:
    def __init__(
        self, lines: PlainLines, name: str, total: int | None, unit: str, every: float, clock: Callable[[], float]
    ) -> None:
        self._lines, self._name, self._total, self._unit = lines, name, total, unit
        self._every, self._clock = every, clock
        self._began = self._told = clock()
        self._done = 0
        self._note: str | None = None

    def advance(self, n: int = 1, note: str | None = None) -> None:
        self._done += n
        self._note = note or self._note
        now = self._clock()
        if now - self._told >= self._every:
            self._told = now
            self._lines.say(self._line(now))

    def _line(self, now: float) -> str:
        speed = self._done / max(now - self._began, 1e-9)
        share = f"/{self._total:,} {self._unit} ({self._done / self._total:.0%})" if self._total else f" {self._unit}"
        parts = [f"{self._name}: {self._done:,}{share}", f"{quantity(speed)} {self._unit}/s"]
        if self._total and speed > 0:
            parts.append(f"{duration(max(self._total - self._done, 0) / speed)} left")
        return ", ".join([*parts, self._note] if self._note else parts)

    def end(self, how: str) -> None:
        seconds = self._clock() - self._began
        line = f"{self._name}: {how} {self._done:,} {self._unit} in {duration(seconds)}"
        if self._done and seconds > 0:
            line += f" ({quantity(self._done / seconds)} {self._unit}/s)"
        self._lines.say(f"{line}, {self._note}" if self._note else line)


class _Bars:
    """One live display shared by all open stages; it ends with the last of them."""

    def __init__(self, console: object) -> None:
        self._bars = _rich_bars(console)
        self._open = 0

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "items") -> Generator[Stage, None, None]:
        if self._open == 0:
            self._bars.start()
        self._open += 1
        task = self._bars.add_task(name, total=total, unit=unit, note="")
        try:
            yield _BarStage(self._bars, task)
            if total is None:  # what was unknown is known now: the bar is full, not an endless pulse
                self._bars.update(task, total=self._bars.tasks[self._bars.task_ids.index(task)].completed)
        finally:
            self._bars.stop_task(task)
            self._open -= 1
            if self._open == 0:
                self._bars.stop()
                self._bars = _rich_bars(self._bars.console)

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


class _BarStage:
    def __init__(self, bars: "RichBars", task: int) -> None:
        self._bars, self._task = bars, task

    def advance(self, n: int = 1, note: str | None = None) -> None:
        from rich.progress import TaskID

        self._bars.advance(TaskID(self._task), n)
        if note is not None:
            self._bars.update(TaskID(self._task), note=note)


def _rich_bars(console: object) -> "RichBars":
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBars
    from rich.text import Text

    class Counts(ProgressColumn):
        def render(self, task: "Task") -> Text:
            total = "" if task.total is None else f"/{task.total:,.0f}"
            return Text(f"{task.completed:,.0f}{total} {task.fields['unit']}")

    class Speed(ProgressColumn):
        def render(self, task: "Task") -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{quantity(speed)}/s", style="cyan")

    assert isinstance(console, Console)
    return RichBars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        Counts(),
        Speed(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
        console=console,
        redirect_stdout=False,  # or results printed beside a bar would end on stderr
    )
