"""Which of some options is right: how a text goes on, the answer to a question, the idiom for a blank.

BERT (arXiv 1810.04805), section 4.4: SWAG. Reads `Choice`, answers with `OptionScores`. Examples may have options of
different numbers. A step's `batch_sequences` are examples here, as BERT counts them; `micro_sequences` are options.
"""

from collections.abc import Sequence

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.choices import ChoiceData
from maskwright.tasks.data import Columns, DataConfig
from maskwright.tasks.examples import Choice
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults

CHIEF = {"option": "accuracy"}
COLUMNS = Columns("first", "options", "label")
encoded = ChoiceData


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Choice]:
    """See `Shape.examples`; options are a list in one column, or stand in several, whose names are parted by `,`."""
    label = (data.label or COLUMNS.label) if labelled else None
    columns = (data.pair or COLUMNS.pair or "").split(",")
    return list(tables.choices(path, faults, first=data.text or COLUMNS.text, options=columns, label=label))


def part_of(train: Sequence[Choice], dev: Sequence[Choice], data: DataConfig) -> TaskPart:
    """Options have no names. BadInput where the right one always stands in the same place."""
    places = {one.label for one in train}
    if len(places) == 1 and len(train) > 1:
        raise BadInput(
            f"the right option of all training examples is number {next(iter(places))} from 0: shuffle the options"
        )
    return TaskPart("option", ())
