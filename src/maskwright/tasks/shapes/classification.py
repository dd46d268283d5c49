"""Which class a text, or a pair of texts, is of; or which classes, where it may be of several.

BERT (arXiv 1810.04805), section 4.1: GLUE's tasks. Reads `Labelled`, answers with `SequenceScores`.
"""

from collections.abc import Sequence

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.data import Columns, DataConfig
from maskwright.tasks.examples import Labelled
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.texts import TextData, names_of

CHIEF = {"class": "accuracy", "classes": "micro_f1"}
COLUMNS = Columns("text", None, "label")
encoded = TextData


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Labelled]:
    """See `Shape.examples`."""
    label = (data.label or COLUMNS.label) if labelled else None
    kind = "classes" if data.several else "class"
    return list(tables.labelled(path, faults, text=data.text or COLUMNS.text, pair=data.pair, label=label, kind=kind))


def part_of(train: Sequence[Labelled], dev: Sequence[Labelled], data: DataConfig) -> TaskPart:
    """The classes of the training examples, sorted. BadInput for a single one, and for one that `dev` alone has."""
    names = sorted({name for one in train for name in names_of(one)})
    if not data.several and len(names) < 2:
        raise BadInput(f"all training examples are of the class {names[0]!r}: there is nothing to tell apart")
    for one in dev:
        if unknown := sorted(set(names_of(one)) - set(names)):
            raise BadInput(
                f"{one.where} is of the class {unknown[0]!r}, which no training example has (they have "
                f"{', '.join(names[:20])})"
            )
    return TaskPart("classes" if data.several else "class", tuple(names))
