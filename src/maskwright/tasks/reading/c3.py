"""C3, questions about Chinese texts and dialogues with two to four answers to choose from (Sun et al. 2020,
arXiv:1904.09679): one JSON value, a list of [lines of the text, questions, id].

    [["男：你好。", "女：你好。"], [{"question": "...", "choice": ["...", "..."], "answer": "..."}], "3-13"]

The answer is written as one of the choices; where two choices are the same (twice in training) it is the first. Files
of dialogues have a d in their names, those of other texts an m.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.errors import BadInput
from maskwright.tasks.examples import Choice
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.json_file import read_json
from maskwright.tasks.reading.rows import input_file
from maskwright.tasks.reading.tables import checked_choice


class _Asked(NamedTuple):
    lines: list[str]
    fields: dict[str, Any]
    where: str
    id: str


def c3(path: str | Path, faults: Faults) -> Iterator[Choice]:
    """A choice for each question: the text, its lines parted by line ends, and the question with each answer."""
    return kept(_asked(path), partial(_choice, faults=faults), faults)


def _choice(asked: _Asked, faults: Faults) -> Choice:
    question, answers = asked.fields.get("question"), asked.fields.get("choice")
    if not isinstance(question, str) or not _are_texts(answers):
        raise BadInput(f"{asked.where} has no `question` with a list of texts, `choice`")
    answers = cast("list[str]", answers)
    label = None
    if "answer" in asked.fields:
        right = asked.fields["answer"]
        if right not in answers:
            raise BadInput(
                f"{asked.where}: its answer {json.dumps(right, ensure_ascii=False)} is not one of its choices"
            )
        label = answers.index(right)
        if answers.count(right) > 1:
            faults.quirks["questions whose right answer is there twice"] += 1
    options = tuple((question, answer) for answer in answers)
    its_id = str(asked.fields.get("id", asked.id))
    return checked_choice(Choice("\n".join(asked.lines), options, label, asked.where, its_id))


def _asked(path: str | Path) -> Iterator[_Asked]:
    name = input_file(path).name
    value = read_json(path)
    if not isinstance(value, list):
        raise BadInput(f"{name} is no file of C3: it is not a list")
    number = 0
    for place, passage in enumerate(cast("list[Any]", value), 1):
        parts = cast("list[Any]", passage) if isinstance(passage, list) else []
        if len(parts) != 3 or not _are_texts(parts[0]) or not isinstance(parts[1], list):
            raise BadInput(f"{name} text {place} is not a list of lines, a list of questions, and an id")
        for at, fields in enumerate(parts[1]):
            number += 1
            where = f"{name} question {number}"
            if not isinstance(fields, dict):
                raise BadInput(f"{where} is not an object")
            yield _Asked(parts[0], cast("dict[str, Any]", fields), where, f"{parts[2]}-{at}")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))
