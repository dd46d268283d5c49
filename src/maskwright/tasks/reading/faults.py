"""What is wrong with rows: raised at the first of them, or counted and listed while the others are read.

Two things are told apart. A fault is the reader's: one line with file and row, raised unless rows are to be skipped.
A quirk is the data set's own, known to everybody who has used it, such as the torn rows of QQP: it is only counted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from maskwright.errors import BadInput
from maskwright.tasks.examples import Example

LISTED = 100  # faults whose text is kept

Row = TypeVar("Row")
Made = TypeVar("Made", bound=Example)


class Faults:
    """What was found wrong.

    skip    pass over bad rows instead of raising at the first
    skipped how many were passed over
    listed  what was wrong with the first `LISTED` of them
    quirks  how many rows had each known defect of their data set
    unread  columns of tables that nobody asked for
    """

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.skipped = 0
        self.listed: list[str] = []
        self.quirks: Counter[str] = Counter()
        self.unread: set[str] = set()

    def found(self, error: BadInput) -> None:
        """Takes note of a bad row, or raises."""
        if not self.skip:
            raise error
        self.skipped += 1
        if len(self.listed) < LISTED:
            self.listed.append(str(error))

    def described(self) -> str | None:
        """What was passed over and what was odd, in a line; None for nothing.

        >>> faults = Faults(skip=True)
        >>> faults.found(BadInput("a.csv line 2 has nothing in its column 'text'"))
        >>> faults.quirks["texts that are empty"] += 3
        >>> faults.described()
        "1 bad rows passed over, the first: a.csv line 2 has nothing in its column 'text'; 3 texts that are empty"
        """
        said = [f"{count:,} {quirk}" for quirk, count in self.quirks.items()]
        if self.skipped:
            said.insert(0, f"{self.skipped:,} bad rows passed over, the first: {self.listed[0]}")
        return "; ".join(said) or None


def kept(rows: Iterable[Row], make: Callable[[Row], Made | None], faults: Faults) -> Iterator[Made]:
    """The examples that `make` makes of rows, without those that it refuses by `BadInput` or gives None for."""
    for row in rows:
        try:
            example = make(row)
        except BadInput as error:
            faults.found(error)
            continue
        if example is not None:
            yield example


def told_apart(examples: Iterable[Made], faults: Faults) -> Iterator[Made]:
    """The examples, each id once: another with the same is a bad row."""
    seen: dict[str, str] = {}
    for example in examples:
        if example.id is not None and (first := seen.setdefault(example.id, example.where)) != example.where:
            faults.found(BadInput(f"{example.where} has the id {example.id!r}, which {first} has too"))
        else:
            yield example
