"""Answers to questions and choices of options, judged: beside their metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.choices import Chosen
from maskwright.tasks.evaluation.judging import result
from maskwright.tasks.examples import Answer, Choice, Question
from maskwright.tasks.metrics import choices, questions
from maskwright.tasks.span_answers import Answered, Reply


class Known:
    """Data whose measures are those of a metric."""

    cut = 0

    def __init__(self, examples: Sequence[Any], part: TaskPart, measures: Mapping[str, float]) -> None:
        self.examples, self.part, self._measures = examples, part, measures

    def measures(self, answers: Sequence[Any]) -> Mapping[str, float]:
        return self._measures

    def different(self, answers: Sequence[Any]) -> int:
        return len(answers)


def judged(known: Known, answers: Sequence[Any], chief: str, **more: Any) -> Any:
    data: Any = known
    return result(data, answers, chief, lengths=[5] * len(known.examples), **more)


def test_questions_with_an_answer_and_without() -> None:
    gold = [["the Duke of Chou"], ["Chou", "the Duke"], [], []] * 10
    said = ["Duke Chou", "Chou", "", "Chou"] * 10
    examples = [
        Question("Who?", "It was the Duke of Chou.", tuple(Answer(a, 7) for a in its), not its, f"a.json question {i}")
        for i, its in enumerate(gold)
    ]
    answers = [Reply((Answered(text, 0, len(text), 0.5 + i / 100),), 0.0) for i, text in enumerate(said)]
    measures = questions.scores(gold, said)
    found = judged(Known(examples, TaskPart("span", ()), measures), answers, "f1")
    assert found["chief"]["value"] == pytest.approx(measures["f1"]) and found["chief"]["low"] < found["chief"]["high"]
    rows = {row["name"]: row for row in found["questions"]}
    assert rows["with an answer"] == {
        "name": "with an answer", "support": 20, "answered": 1.0,
        "f1": pytest.approx(measures["answered_f1"]), "exact": measures["answered_exact"],
    }  # fmt: skip
    assert (rows["without an answer"]["answered"], rows["without an answer"]["exact"]) == (0.5, 0.5)
    # of those that are quite wrong the surest is the last
    worst = found["worst"][0]
    assert (worst["where"], worst["gold"], worst["predicted"], worst["loss"]) == (
        "a.json question 39",
        "(no answer)",
        "Chou",
        1,
    )
    other = [Reply((Answered("", 0, 0, 0.9),), 0.0)] * 40
    beside = judged(Known(examples, TaskPart("span", ()), measures), answers, "f1", other=other)["against"]
    assert beside["other"]["value"] == 0.5 and beside["mcnemar"]["this"] + beside["mcnemar"]["other"] == 20


def test_options_by_their_place() -> None:
    gold, said = [0, 1, 2, 2] * 10, [0, 1, 1, 1] * 10
    examples = [
        Choice("She", (("sat",), ("ran",), ("slept", "well")), place, f"a.csv line {i}") for i, place in enumerate(gold)
    ]
    row = {0: (0.8, 0.1, 0.1), 1: (0.1, 0.6, 0.3)}
    answers = [Chosen(place, row[place]) for place in said]
    measures = choices.scores(gold, said)
    found = judged(Known(examples, TaskPart("option", ()), measures), answers, "accuracy")
    assert found["chief"]["value"] == measures["accuracy"] == 0.5
    assert [(one["name"], one["recall"], one["support"]) for one in found["classes"]] == [
        ("option 0", 1.0, 10), ("option 1", 1.0, 10), ("option 2", 0.0, 20),
    ]  # fmt: skip
    worst = found["worst"][0]
    assert (worst["gold"], worst["predicted"], worst["share"]) == ("slept | well", "ran", 0.3)
    assert worst["loss"] == pytest.approx(-np.log(0.3)) and found["calibration"]["brier"] > 0
    fewer = [examples[0]._replace(options=examples[0].options[:2]), *examples[1:]]
    ragged = [Chosen(0, (0.9, 0.1)), *answers[1:]]
    assert "calibration" not in judged(Known(fewer, TaskPart("option", ()), measures), ragged, "accuracy")
