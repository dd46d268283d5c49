"""`bench start`: how long the command line takes to answer, and the package to import."""

import resource
import statistics
import subprocess
import sys
import time

from maskwright.errors import MaskwrightError
from maskwright.lab.bench.turns import Result

COMMANDS = {
    "python": ["-c", "pass"],
    "import maskwright": ["-c", "import maskwright"],
    "maskwright --help": ["-m", "maskwright", "--help"],
    "maskwright pretrain --help": ["-m", "maskwright", "pretrain", "--help"],
    "maskwright doctor": ["-m", "maskwright", "doctor"],
    "import torch": ["-c", "import torch"],
}


def compare(rounds: int) -> list[Result]:
    """A row for each command: its seconds, and of a processor; medians of so many rounds, the very first left out."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            begin, busy = time.perf_counter(), _childrens_seconds()
            done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
            taken[name].append((time.perf_counter() - begin, _childrens_seconds() - busy))
            if done.returncode:
                raise MaskwrightError(f"{name} ended with {done.returncode}")
    return [
        {
            "command": name,
            "seconds": statistics.median(wall for wall, _ in measured[1:]),
            "cpu_seconds": statistics.median(busy for _, busy in measured[1:]),
        }
        for name, measured in taken.items()
    ]


def _childrens_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
