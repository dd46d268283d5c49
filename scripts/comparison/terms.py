"""What the runs of one call have in common, and what tells them apart."""

from pathlib import Path
from typing import NamedTuple

from maskwright.models.bert import SIZES

LENGTH = 128
"""Tokens of a sequence."""
PASSES = 12
"""How often runs on a part of the corpus see it."""


class Terms(NamedTuple):
    """What all runs of one call have in common.

    tokens   of each run, special ones included
    size     one of BERT's
    batch    sequences of an update, unless a row says otherwise
    """

    corpora: Path
    out: Path
    tokens: float
    size: str = "tiny"
    batch: int = 32

    @property
    def width(self) -> int:
        """H."""
        return SIZES[self.size]["hidden_size"]

    def vectors(self, language: str) -> Path:
        """The word2vec vectors that runs of a language begin with."""
        return self.out / language / f"word2vec-{self.width}.txt"

    def part(self, language: str) -> Path:
        """The small part of the corpus."""
        return self.out / language / f"part-{self.tokens / PASSES:.0f}"


class Job(NamedTuple):
    """One run."""

    language: str
    name: str
    seed: int

    def folder(self, out: Path) -> Path:
        """Where it is trained."""
        return out / self.language / self.name / str(self.seed)
