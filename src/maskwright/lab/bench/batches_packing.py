"""Of `bench batches`: packing a million sequences into rows (`objectives.packing`), on one processor.

Lengths are drawn, normal about 0.58 of the longest and cut there, as those of sentences that go on to a limit are: few
of them add up to a row by themselves.
"""

import time
from typing import Any

import numpy as np

from maskwright.draws import generator
from maskwright.lab.bench.clock import told
from maskwright.lab.bench.record import NOWHERE, Record
from maskwright.lab.bench.turns import Result, Side, in_turn
from maskwright.progress import Progress, silent

NUMBER = 1_000_000
LONGEST = 512
ROW = 32_768
SHORTEST = 3


def compare(rounds: int, *, record: Record = NOWHERE, progress: Progress = silent) -> list[Result]:
    """A result for each round."""
    side = Side("packing", "batches_packing", {})
    return in_turn([side], rounds, 1, name=side.name, record=record, progress=progress)[side.name]


def measure(*, number: int = NUMBER, longest: int = LONGEST, row_tokens: int = ROW) -> dict[str, Any]:
    """Seconds, and the share of all rows that is filled, the last one too."""
    from maskwright.objectives.packing import pack

    draws = generator(0, "bench packing")
    lengths = draws.normal(0.58 * longest, 0.23 * longest, number).astype(np.int64).clip(SHORTEST, longest)
    begin, busy = time.perf_counter(), time.process_time()
    _, ends = pack(lengths, row_tokens, draws)
    taken, worked = time.perf_counter() - begin, time.process_time() - busy
    return {
        "seconds": taken,
        "cpu_seconds": worked,
        "sequences": number,
        "longest": longest,
        "row_tokens": row_tokens,
        "filled": float(lengths.sum() / (row_tokens * (len(ends) - 1))),
    }


if __name__ == "__main__":
    told(measure)
