"""The limit of `bench corpus`: how fast one processor parses the lines of the same jsonl, and does nothing else."""

import json
import time
from pathlib import Path
from typing import Any

from maskwright.lab.bench.clock import told


def measure(*, text: str) -> dict[str, Any]:
    """Megabytes a second."""
    path = Path(text)
    begin = time.perf_counter()
    with path.open("rb") as file:
        texts = sum(1 for line in file if json.loads(line)["text"])
    taken = time.perf_counter() - begin
    return {"megabytes_per_second": path.stat().st_size / 1e6 / taken, "texts": texts}


if __name__ == "__main__":
    told(measure)
