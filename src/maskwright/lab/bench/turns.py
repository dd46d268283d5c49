"""Measurements in turn, A B A B, each in a fresh process, and kept as they come."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from maskwright.errors import MaskwrightError
from maskwright.lab.bench.record import NOWHERE, Record
from maskwright.machine import processors
from maskwright.progress import Progress, silent


class Side(NamedTuple):
    """Something to measure: a module with a `measure`, what it is given, and its environment."""

    name: str
    module: str
    given: Mapping[str, Any]
    environment: Mapping[str, str] = {}


Result = dict[str, Any]


def measure_side(side: Side, threads: int, record: Record = NOWHERE, turn: tuple[str, int] = ("", 0)) -> Result:
    """One measurement in a process of its own, or what the record has of it.

    turn   of which comparison, and which: the limit is measured again in each
    """
    asked = {**side._asdict(), "threads": threads, "turn": turn}
    if (known := record.find(asked)) is not None:
        return known
    result = _measure(side, threads)
    record.add(asked, result)
    return result


def _measure(side: Side, threads: int) -> Result:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), **side.environment}
    done = subprocess.run(
        [sys.executable, "-m", f"maskwright.lab.bench.{side.module}", json.dumps(side.given)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise MaskwrightError(f"measuring {side.name} ended with {done.returncode}: {said[-1] if said else 'no word'}")
    return json.loads(done.stdout.splitlines()[-1])


def in_turn(
    sides: Sequence[Side],
    rounds: int,
    threads: int,
    *,
    name: str = "measure",
    record: Record = NOWHERE,
    progress: Progress = silent,
) -> dict[str, list[Result]]:
    """Each side's results, round by round: all sides once, then all of them again."""
    results: dict[str, list[Result]] = {side.name: [] for side in sides}
    with progress.stage(name, rounds * len(sides), "measurements") as bar:
        for turn in range(rounds):
            for side in sides:
                results[side.name].append(measure_side(side, threads, record, (name, turn)))
                bar.advance(1, note=side.name)
    return results


def spread(values: Sequence[float]) -> dict[str, float]:
    """Of the rounds: median, least and most.

    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'least': 1.0, 'most': 3.0}
    """
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def default_threads() -> int:
    """The processors this process may use, or what OMP_NUM_THREADS says."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return processors()
