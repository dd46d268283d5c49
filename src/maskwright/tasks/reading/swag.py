"""SWAG's csv (Zellers et al. 2018, arXiv:1808.05326): a sentence, the beginning of the next, and four ways to end it.

Its first column has no name and numbers the rows; the test file has no column `label`. As in BERT, an option is the
beginning of the second sentence with an ending.
"""

from collections.abc import Iterator
from pathlib import Path

from maskwright.tasks.examples import Choice
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import Row, read_rows
from maskwright.tasks.reading.tables import checked_choice

_ENDINGS = ("ending0", "ending1", "ending2", "ending3")


def swag(path: str | Path, faults: Faults) -> Iterator[Choice]:
    """The choices of train.csv, val.csv or test.csv."""

    def make(row: Row) -> Choice:
        if row.fault is not None:
            raise row.fault
        begun = cells.text(row, "sent2")
        options = tuple((f"{begun} {cells.text(row, ending)}",) for ending in _ENDINGS)
        label = cells.whole_number(row, "label") if "label" in row.fields else None
        return checked_choice(Choice(cells.text(row, "sent1"), options, label, row.where, row.fields.get("")))

    return kept(read_rows(path, ["sent1", "sent2", *_ENDINGS]), make, faults)
