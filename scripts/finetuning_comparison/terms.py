"""What all jobs of one call have in common, and what tells them apart."""

from pathlib import Path
from typing import NamedTuple


class Terms(NamedTuple):
    """What all jobs of one call have in common.

    packages   where packages are kept
    out        where tasks are written and models trained
    chinese    the folder of the encoder for Chinese, pretrained here
    models     the folder of the bake-off's runs, for what is compared with BERT
    examples   to learn from, where both sides are compared
    epochs     there; those of the other group follow from its examples
    precision  of both sides
    """

    packages: Path
    out: Path
    chinese: Path
    models: Path
    examples: int = 1_000
    epochs: float = 3
    precision: str = "bf16"

    def task(self, name: str) -> Path:
        """Where the rows of a task are."""
        return self.out / "tasks" / name


class Job(NamedTuple):
    """One fine-tuning.

    group     parity or order
    name      of a side, or of a row
    examples  to learn from; 0: all there are
    """

    group: str
    task: str
    name: str
    examples: int
    seed: int

    def __str__(self) -> str:
        count = f"{self.examples:,} examples" if self.examples else "all examples"
        return f"{self.group}: {self.task}, {self.name}, {count}, seed {self.seed}"
