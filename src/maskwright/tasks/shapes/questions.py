"""Where in a context a question's answer stands, or that it has none.

BERT (arXiv 1810.04805), sections 4.2 and 4.3: SQuAD 1.1 and 2.0. Reads `Question`, answers with `SpanScores`. A model
that learned from a question without an answer may say that there is none; any other always gives one.
"""

import json
from collections.abc import Sequence
from typing import Any

from maskwright.checkpoints.span_settings import LENGTH, SpanSettings
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.data import Columns, DataConfig
from maskwright.tasks.examples import Question
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.rows import input_file
from maskwright.tasks.reading.squad import squad
from maskwright.tasks.spans import QuestionData
from maskwright.text.opening import open_input
from maskwright.text.shapes import bare_name

CHIEF = {"span": "f1"}
COLUMNS = Columns("question", "context", "answer")
encoded = QuestionData
_LONGEST = 1 << 22  # bytes of an object a line; what is longer is one value


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Question]:
    """See `Shape.examples`; a .json that is one value instead of an object a line is read as SQuAD's are."""
    if bare_name(path).endswith(".json") and _is_one_value(path):
        return list(squad(path, faults))
    answer = (data.label or COLUMNS.label) if labelled else None
    question, context = data.text or COLUMNS.text, data.pair or COLUMNS.pair or ""
    return list(tables.questions(path, faults, question=question, context=context, answer=answer))


def part_of(train: Sequence[Question], dev: Sequence[Question], data: DataConfig) -> TaskPart:
    """How it reads, and whether it may say that there is no answer. BadInput where no answer can be learned."""
    if not any(answer.start is not None for one in train for answer in one.answers):
        raise BadInput(f"no question of {data.train or data.folder} has an answer that its context holds")
    threshold = 0.0 if any(one.impossible for one in train) else None
    length = data.max_length or LENGTH
    return TaskPart("span", (), SpanSettings(length, data.max_question, data.stride, data.max_answer, threshold))


def _is_one_value(path: str) -> bool:
    """Whether a .json is one value, as SQuAD's are, instead of an object a line."""
    begins = bytearray()
    for piece in open_input(input_file(path)):
        begins += piece
        if len(begins) > _LONGEST or b"\n" in begins.strip():
            break
    try:
        value: Any = json.loads(begins.strip().splitlines()[0].decode("utf-8-sig"))
    except (ValueError, IndexError, RecursionError):
        return True  # it goes on in the next line, or for long
    return not isinstance(value, dict) or "data" in value
