"""metrics.jsonl: one line for each logged step, equal bit for bit however often the run was stopped.

    {"step": 20, "tokens": 81920, "loss": 6.7, "losses": {"mlm": 6.0, "nsp": 0.7}, "accuracy": {"mlm": 0.07, ...},
     "learning_rate": 0.0002, "gradient_norm": 1.4,
     "held_out": {"loss": ..., "losses": {...}, "accuracy": {...}},      only where it was evaluated;
                  in fine-tuning also "measures": {"f1": ..., ...}, the one that decides first
     "timing": {"seconds": 12.3, "tokens_per_second": 35021.0}}

`step` and `tokens` are totals after that many updates. Floats are written as Python's repr, the
shortest text that reads back to the same bits; what is not finite is null. Only "timing" differs
between two runs of one recipe.

Each line reaches the operating system at once (a killed process loses none); `sync` brings it to
the disk, and belongs before every checkpoint, so that no checkpoint is ahead of its metrics.
"""

import contextlib
import importlib.util
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from maskwright import durable
from maskwright.errors import BadInput

FILE = "metrics.jsonl"
TENSORBOARD = "tensorboard"


class HeldOut(NamedTuple):
    """An evaluation on held-out documents.

    measures   what a task is judged by, the one that decides first; None in pretraining
    """

    loss: float
    losses: Mapping[str, float]
    accuracy: Mapping[str, float]
    measures: Mapping[str, float] | None = None


def read_metrics(run_dir: str | Path, *, up_to: int | None = None) -> list[dict[str, Any]]:
    """The logged steps of a run in order, those after step `up_to` left out; [] where nothing was logged.

    Reading ends at the first line that is no whole entry: a crash can tear the last one.
    """
    path = Path(run_dir) / FILE
    return [entry for entry, _ in _entries(path, up_to)] if path.exists() else []


def last_metrics(run_dir: str | Path) -> dict[str, Any]:
    """The last logged step of a run that has ended; BadInput where its line is lost."""
    if entries := read_metrics(run_dir):
        return entries[-1]
    path = Path(run_dir) / FILE
    raise BadInput(f"{path} is {'empty or damaged' if path.exists() else 'missing'}: restore it, or begin another run")


def _entries(path: Path, up_to: int | None) -> list[tuple[dict[str, Any], bytes]]:
    entries: list[tuple[dict[str, Any], bytes]] = []
    with open(path, "rb") as file:
        for line in file:
            try:
                entry = cast(dict[str, Any], json.loads(line))
                step = int(entry["step"])
            except (ValueError, KeyError, TypeError):
                break
            if not line.endswith(b"\n") or (up_to is not None and step > up_to):
                break
            entries.append((entry, line))
    return entries


def _plain(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _plain_all(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _plain(value) for name, value in values.items()}


class MetricsLog:
    """Appends to a run's metrics.jsonl, and to tensorboard/ where the package `tensorboard` is installed.

    at_step    the step of the checkpoint the run goes on from, 0 at its beginning: lines after it are
               dropped first, atomically, and will be written again
    """

    def __init__(self, run_dir: str | Path, *, at_step: int = 0, tensorboard: bool = True) -> None:
        self.path = Path(run_dir) / FILE
        kept = _entries(self.path, at_step) if self.path.exists() else []
        content = b"".join(line for _, line in kept)
        if not self.path.exists() or self.path.stat().st_size != len(content):
            durable.write_file(self.path, content)
        self.seconds_before: float = kept[-1][0].get("timing", {}).get("seconds") or 0.0 if kept else 0.0
        """Training seconds spent up to `at_step` by earlier processes: add them to `seconds`."""
        self._file = open(self.path, "ab")  # noqa: SIM115 - it lives as long as this object
        self._board = _Board(self.path.parent / TENSORBOARD, at_step) if tensorboard and board_is_installed() else None

    def log(
        self,
        *,
        step: int,
        tokens: int,
        loss: float,
        losses: Mapping[str, float],
        accuracy: Mapping[str, float],
        learning_rate: float,
        gradient_norm: float,
        seconds: float,
        tokens_per_second: float,
        held_out: HeldOut | None = None,
    ) -> None:
        """Writes one line. `losses` and `accuracy` by objective; `seconds` of training since step 0."""
        entry: dict[str, Any] = {
            "step": int(step),
            "tokens": int(tokens),
            "loss": _plain(loss),
            "losses": _plain_all(losses),
            "accuracy": _plain_all(accuracy),
            "learning_rate": _plain(learning_rate),
            "gradient_norm": _plain(gradient_norm),
        }
        if held_out is not None:
            entry["held_out"] = {
                "loss": _plain(held_out.loss),
                "losses": _plain_all(held_out.losses),
                "accuracy": _plain_all(held_out.accuracy),
            }
            if held_out.measures is not None:
                entry["held_out"]["measures"] = _plain_all(held_out.measures)
        entry["timing"] = {"seconds": _plain(seconds), "tokens_per_second": _plain(tokens_per_second)}
        self._file.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
        self._file.flush()
        if self._board:
            self._board.add(entry)

    def sync(self) -> None:
        """Brings all that was logged to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._board:
            self._board.flush()

    def close(self) -> None:
        """`sync`, and no more lines."""
        if not self._file.closed:
            self.sync()
            self._file.close()
            if self._board:
                self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NoLog:
    """The log of a rank that does not write."""

    seconds_before = 0.0

    def log(self, **entry: Any) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def board_is_installed() -> bool:
    """Whether TensorBoard files can be written (extra [track])."""
    return importlib.util.find_spec("tensorboard") is not None


class _Board:
    """The same numbers for TensorBoard; what an earlier process wrote after `at_step` is purged by its reader."""

    def __init__(self, folder: Path, at_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=at_step + 1)

    def add(self, entry: Mapping[str, Any]) -> None:
        values: dict[str, float | None] = {
            "learning_rate": entry["learning_rate"],
            "gradient_norm": entry["gradient_norm"],
            "tokens_per_second": entry["timing"]["tokens_per_second"],
        }
        for part, of_part in (("train", entry), ("held_out", entry.get("held_out"))):
            if of_part:
                values[f"loss/{part}"] = of_part["loss"]
                values |= {f"loss_{name}/{part}": value for name, value in of_part["losses"].items()}
                values |= {f"accuracy_{name}/{part}": value for name, value in of_part["accuracy"].items()}
                values |= {f"measure_{name}/{part}": value for name, value in of_part.get("measures", {}).items()}
        for tag, value in values.items():
            with contextlib.suppress(OSError):  # a convenience must not stop a run
                if value is not None:
                    self._writer.add_scalar(tag, value, entry["step"])  # pyright: ignore[reportUnknownMemberType]

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()
