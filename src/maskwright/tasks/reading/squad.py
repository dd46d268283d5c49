"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018; arXiv:1606.05250, 1806.03822) and CMRC 2018, which has their form.

    {"data": [{"paragraphs": [{"context": ..., "qas": [{"id": ..., "question": ..., "answers": [{"text": ...,
    "answer_start": ...}], "is_impossible": ...}]}]}]}

2.0 adds `is_impossible` and, for questions without an answer, `plausible_answers`, which are none. CMRC 2018 (Cui et
al. 2019, arXiv:1810.07366) also comes in a form of its own, a list of contexts, whose answers have no places. In it
people answered freely: some answers stand a few characters from where they are said to, and 193 of the development
file stand nowhere. The first are set right, the second count in evaluation only. Two questions of the trial file are
empty, and stay so. All of these are counted.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.errors import BadInput
from maskwright.tasks.examples import Answer, Question
from maskwright.tasks.reading.answers import checked_answers, realigned
from maskwright.tasks.reading.faults import Faults, kept, told_apart
from maskwright.tasks.reading.json_file import read_json
from maskwright.tasks.reading.rows import input_file


class _Asked(NamedTuple):
    """One question as the file has it."""

    context: str
    fields: dict[str, Any]
    where: str


def squad(path: str | Path, faults: Faults) -> Iterator[Question]:
    """The questions of a file of SQuAD. Raises `BadInput` for another file, and as `Faults` says for bad questions."""

    def make(asked: _Asked) -> Question:
        question = _question(asked, checked_answers(_answers(asked), asked.context, asked.where))
        if not question.question.strip():
            raise BadInput(f"{asked.where} has no text")
        return question

    return told_apart(kept(_asked(path), make, faults), faults)


def cmrc2018(path: str | Path, faults: Faults) -> Iterator[Question]:
    """The questions of a file of CMRC 2018, in SQuAD's form or in its own."""

    def make(asked: _Asked) -> Question:
        answers: list[Answer] = []
        for answer in _answers(asked):
            right = realigned(answer, asked.context)
            if right.start is None:
                faults.quirks["answers that their context does not hold"] += 1
            elif answer.start is not None and right.start != answer.start:
                faults.quirks["answers that stand elsewhere than it is said"] += 1
            answers.append(right)
        question = _question(asked, tuple(answers))
        if not question.question.strip():
            faults.quirks["questions without a text"] += 1
        return question

    return told_apart(kept(_asked(path), make, faults), faults)


def _question(asked: _Asked, answers: tuple[Answer, ...]) -> Question:
    question = asked.fields.get("question", asked.fields.get("query_text"))
    if not isinstance(question, str):
        raise BadInput(f"{asked.where} has no text")
    impossible = asked.fields.get("is_impossible", False)
    if not isinstance(impossible, bool) or (impossible and answers):
        raise BadInput(f"{asked.where} is_impossible and has answers all the same, or says neither true nor false")
    its_id = asked.fields.get("id", asked.fields.get("query_id"))
    return Question(question, asked.context, answers, impossible, asked.where, None if its_id is None else str(its_id))


def _answers(asked: _Asked) -> list[Answer]:
    """The answers as the file has them; a text alone has no place."""
    found: list[Answer] = []
    for item in _list(asked.fields.get("answers", []), f"{asked.where}: answers"):
        fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {"text": item}
        text, start = fields.get("text"), fields.get("answer_start")
        if not isinstance(text, str) or not (start is None or isinstance(start, int)):
            raise BadInput(f"{asked.where} has an answer that is no text with an answer_start")
        found.append(Answer(text, start))
    return found


def _asked(path: str | Path) -> Iterator[_Asked]:
    name = input_file(path).name
    value = read_json(path)
    articles: Any = value
    if isinstance(value, dict):
        articles = cast("dict[str, Any]", value).get("data")
        if articles is None:
            raise BadInput(f"{name} is no file of SQuAD: it has no list `data`")
    number = 0
    for article in _list(articles, f"{name}: data"):
        fields = _object(article, f"{name}: an article")
        for paragraph in _list(fields.get("paragraphs", [fields]), f"{name}: paragraphs"):
            its = _object(paragraph, f"{name}: a paragraph")
            context = its.get("context", its.get("context_text"))
            for question in _list(its.get("qas"), f"{name}: qas"):
                number += 1
                where = f"{name} question {number}"
                if not isinstance(context, str):
                    raise BadInput(f"{where} has no context")
                yield _Asked(context, _object(question, where), where)


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"{what} is {json.dumps(value)[:60]}, not a list")
    return cast("list[Any]", value)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} is {json.dumps(value)[:60]}, not an object")
    return cast("dict[str, Any]", value)
