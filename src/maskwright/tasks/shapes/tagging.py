"""A tag for each word: entities, parts of speech.

BERT (arXiv 1810.04805), section 5.3: CoNLL-2003. Reads `Tagged`, answers with `TagScores`.
"""

from collections.abc import Sequence

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.data import Columns, DataConfig
from maskwright.tasks.examples import Tagged
from maskwright.tasks.reading import columns, tables
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import is_table
from maskwright.tasks.schemes import OUTSIDE, detected, likeliest, refuse_illegal
from maskwright.tasks.words import WordData

CHIEF = {"tags": "f1"}
COLUMNS = Columns("words", None, "tags")
encoded = WordData


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Tagged]:
    """See `Shape.examples`; a file that is no table has a word and its tag in each line.

    Tags that mark spans are held to their scheme, which the file itself tells.
    """
    if not is_table(path):
        return list(columns.tagged_lines(path, faults, tag=-1 if labelled else None))
    tags = (data.label or COLUMNS.label) if labelled else None
    found = list(tables.tagged(path, faults, words=data.text or COLUMNS.text, tags=tags))
    scheme = (likeliest if faults.skip else detected)([one.tags or () for one in found], path)

    def checked(example: Tagged) -> Tagged:
        if scheme is not None:
            refuse_illegal(example.tags or (), scheme, example.where)
        return example

    return list(kept(found, checked, faults))


def part_of(train: Sequence[Tagged], dev: Sequence[Tagged], data: DataConfig) -> TaskPart:
    """The tags of the training examples, sorted, `O` first. BadInput for one that `dev` alone has."""
    names = {tag for one in train for tag in one.tags or ()}
    for one in dev:
        if unknown := sorted(set(one.tags or ()) - names):
            raise BadInput(f"{one.where} has the tag {unknown[0]!r}, which no training example has")
    return TaskPart("tags", tuple(sorted(names, key=lambda tag: (tag != OUTSIDE, tag))))
