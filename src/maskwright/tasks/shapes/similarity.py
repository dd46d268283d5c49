"""Which text belongs to another, or how near two texts are: search, paraphrases, translations.

Sentence-BERT (arXiv 1908.10084): a bi-encoder. Reads `Near`, answers with `TextVectors`. Pairs without a score ask to
find the second text by the first; those with one, how near both are.
"""

from collections.abc import Sequence

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.data import Columns, DataConfig
from maskwright.tasks.examples import Near
from maskwright.tasks.pairs import PairData
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults

CHIEF = {"near": "ndcg@10", "nearness": "spearman"}
COLUMNS = Columns("first", "second", None)
encoded = PairData


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Near]:
    """See `Shape.examples`."""
    second = data.pair or COLUMNS.pair or ""
    score = data.label if labelled else None
    return list(tables.near(path, faults, first=data.text or COLUMNS.text, second=second, score=score))


def part_of(train: Sequence[Near], dev: Sequence[Near], data: DataConfig) -> TaskPart:
    """A cosine: of texts that belong together, or with scores."""
    return TaskPart("near" if data.label is None else "nearness", ("cosine",))
