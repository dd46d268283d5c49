"""A number for a text or a pair of texts.

BERT (arXiv 1810.04805), section 4.1: STS-B. Reads `Labelled`, answers with `SequenceScores`.
"""

from collections.abc import Sequence

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.data import Columns, DataConfig
from maskwright.tasks.examples import Labelled
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.texts import TextData

CHIEF = {"number": "pearson"}
COLUMNS = Columns("text", None, "label")
encoded = TextData


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Labelled]:
    """See `Shape.examples`."""
    label = (data.label or COLUMNS.label) if labelled else None
    return list(
        tables.labelled(path, faults, text=data.text or COLUMNS.text, pair=data.pair, label=label, kind="number")
    )


def part_of(train: Sequence[Labelled], dev: Sequence[Labelled], data: DataConfig) -> TaskPart:
    """A number."""
    return TaskPart("number", ("number",))
