"""`bench start`: how long the command line takes to answer, and the package to import.

`import maskwright` alone imports next to nothing, torch and the networks come with the first `load`; so what `load`
brings is a row of its own, and stands beside what users of others import, where that is installed.
"""

import resource
import subprocess
import sys
import time
from importlib.util import find_spec

from maskwright.errors import MaskwrightError
from maskwright.lab.bench.turns import Result, spread

LIMIT = "python"
"""What every command begins with."""
COMMANDS = {
    LIMIT: ["-c", "pass"],
    "import maskwright": ["-c", "import maskwright"],
    "import maskwright, and what load brings": ["-c", "import maskwright.inference.loading"],
    "maskwright --help": ["-m", "maskwright", "--help"],
    "maskwright pretrain --help": ["-m", "maskwright", "pretrain", "--help"],
    "maskwright doctor": ["-m", "maskwright", "doctor"],
    "import torch": ["-c", "import torch"],
}
OTHERS = {
    "transformers": ("import transformers, BertForMaskedLM", "from transformers import BertForMaskedLM"),
    "sentence_transformers": ("import sentence_transformers", "import sentence_transformers"),
}
"""What is imported of other packages: its name, and the code."""


def compare(rounds: int, *, alone: bool = False) -> list[Result]:
    """A row for each command: its seconds, and of a processor, over so many rounds, the very first left out; and the
    share of them in which Python itself starts.

    alone   leaves other packages out; those that are not installed are anyway
    """
    commands = COMMANDS | ({} if alone else _others())
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, arguments in commands.items():
            begin, busy = time.perf_counter(), _childrens_seconds()
            done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
            taken[name].append((time.perf_counter() - begin, _childrens_seconds() - busy))
            if done.returncode:
                raise MaskwrightError(f"{name} ended with {done.returncode}")
    return [
        {
            "command": name,
            "seconds": spread([wall for wall, _ in measured[1:]]),
            "cpu_seconds": spread([busy for _, busy in measured[1:]]),
            "share_of_limit": spread([taken[LIMIT][turn][0] / measured[turn][0] for turn in range(1, rounds + 1)]),
        }
        for name, measured in taken.items()
    ]


def _others() -> dict[str, list[str]]:
    return {name: ["-c", code] for package, (name, code) in OTHERS.items() if find_spec(package)}


def _childrens_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
