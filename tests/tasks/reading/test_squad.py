"""SQuAD 1.1, 2.0 and CMRC 2018, in their own forms."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from maskwright.tasks.examples import Answer, Question, is_labelled
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.squad import cmrc2018, squad
from tests.tasks.files import refused, written

CONTEXT = "The Duke of Chou led the army. The Duke won."
NO_ANSWER = {"question": "Who lost?", "id": "b", "answers": [], "is_impossible": True,
             "plausible_answers": [{"text": "The Duke", "answer_start": 31}]}  # fmt: skip


def asked(**changes: Any) -> dict[str, Any]:
    return {"question": "Who led?", "id": "a", "answers": [{"text": "The Duke of Chou", "answer_start": 0}], **changes}


def file_of(*questions: dict[str, Any], context: str = CONTEXT, **more: Any) -> str:
    return json.dumps({"data": [{"title": "Chou", "paragraphs": [{"context": context, "qas": questions}]}], **more})


def test_questions_have_their_answers_where_they_stand(tmp_path: Path) -> None:
    many = [{"text": "The Duke", "answer_start": 0}, {"text": "The Duke", "answer_start": 31}]
    path = written(tmp_path, "dev-v1.1.json", file_of(asked(answers=many), version="1.1"))
    (found,) = squad(path, Faults())
    assert found == Question(
        "Who led?", CONTEXT, (Answer("The Duke", 0), Answer("The Duke", 31)), False, f"{path} question 1", "a"
    )
    for answer in found.answers:
        assert CONTEXT[answer.start : answer.start + len(answer.text)] == answer.text  # type: ignore[operator]


def test_plausible_answers_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, "train-v2.0.json", file_of(asked(is_impossible=False), NO_ANSWER, version="v2.0"))
    one, other = squad(path, Faults())
    assert (one.impossible, other.impossible, other.answers) == (False, True, ())
    assert is_labelled(other)


def test_test_files_have_no_answers(tmp_path: Path) -> None:
    path = written(tmp_path, "test.json", file_of({"question": "Who?", "id": "1"}))
    (found,) = squad(path, Faults())
    assert not is_labelled(found)


def test_packed_files_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "train-v1.1.json.gz", gzip.compress(file_of(asked()).encode()))
    assert [question.id for question in squad(path, Faults())] == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            file_of(asked(answers=[{"text": "Duke", "answer_start": 3}])),
            "question 1: the answer 'Duke' should begin at",
        ),
        (file_of(asked(answers=[{"text": "Duke", "answer_start": -1}])), "should begin at character -1; 'The ' does"),
        (file_of(asked(answers=[{"text": "", "answer_start": 0}])), "question 1: an answer is empty"),
        (file_of(asked(answers=[{"text": 7}])), "question 1 has an answer that is no text"),
        (file_of(asked(is_impossible=True)), "question 1 is_impossible and has answers all the same"),
        (file_of(asked(), asked()), "question 2 has the id 'a', which"),
        (file_of(asked(question=" ")), "question 1 has no text"),
        (file_of(asked(), context=None), "question 1 has no context"),  # type: ignore[arg-type]
        ('{"version": 1}', "a.json is no file of SQuAD: it has no list `data`"),
        ('{"data": {}}', "data is {}, not a list"),
        ('{"data": [{"paragraphs": [{"context": "x"}]}]}', "qas is null, not a list"),
        ('{"data": [', "a.json line 1 is not JSON: Expecting value at character 11"),
        ('{\n"data": x}', "a.json line 2 is not JSON"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(squad, written(tmp_path, "a.json", content))


def test_bad_questions_are_skipped_and_listed(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.json", file_of(asked(answers=[{"text": "Duke", "answer_start": 3}]), asked(id="c"), asked(id="c"))
    )
    faults = Faults(skip=True)
    assert [question.id for question in squad(path, faults)] == ["c"]
    assert faults.skipped == len(faults.listed) == 2


def test_cmrc_is_set_right_and_counted(tmp_path: Path) -> None:
    context = "却说曹操败走华容道。关公放了曹操。"
    answers = [
        {"text": "曹操", "answer_start": 13},
        {"text": "华容", "answer_start": 6},
        {"text": "刘备", "answer_start": -1},
    ]
    path = written(
        tmp_path,
        "dev.json",
        file_of(asked(id="DEV_0_QUERY_0", answers=answers), asked(id="1", question=""), context=context),
    )
    faults = Faults()
    one, other = cmrc2018(path, faults)
    assert one.answers == (Answer("曹操", 14), Answer("华容", 6), Answer("刘备", None))
    assert other.question == ""
    assert faults.quirks == {
        "answers that stand elsewhere than it is said": 1,
        "answers that their context does not hold": 2,
        "questions without a text": 1,
    }


def test_cmrc_in_its_own_form(tmp_path: Path) -> None:
    item = {
        "context_id": "TRIAL_8", "context_text": "却说曹操败走。", "title": "三国",
        "qas": [{"query_text": "谁败走？", "query_id": "TRIAL_8_QUERY_0", "answers": ["曹操", "曹操"]}],
    }  # fmt: skip
    path = written(tmp_path, "cmrc2018_trial.json", json.dumps([item], ensure_ascii=False))
    (found,) = cmrc2018(path, Faults())
    assert (found.question, found.answers, found.id) == ("谁败走？", (Answer("曹操", 2),) * 2, "TRIAL_8_QUERY_0")
