"""Files to hand in, line by line as the sites take them."""

from pathlib import Path
from typing import Any

import pytest

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.choices import Chosen
from maskwright.tasks.examples import Choice, Labelled, Question
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.span_answers import Answered, Reply
from maskwright.tasks.submissions import (
    Submission,
    answers_by_id,
    clue_lines,
    content,
    file_name,
    refuse_other_labels,
    submissions,
)
from maskwright.tasks.suites import read_split, splits_there
from tests.tasks.files import written


def said(*labels: Any) -> list[Prediction]:
    return [Prediction(label, {}) for label in labels]


def test_every_file_of_glue_has_the_name_that_the_site_wants() -> None:
    sets = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
    names = {one.name for name in sets for one in submissions(f"glue:{name}")}
    wanted = "AX CoLA MNLI-m MNLI-mm MRPC QNLI QQP RTE SST-2 STS-B WNLI"
    assert names == {f"{name}.tsv" for name in wanted.split()}


def test_mnli_from_its_test_files(tmp_path: Path) -> None:
    columns = "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence1\tsentence2"
    rows = [f"{columns}\n0\t1\t2\tx\t()\tIt rained.\tIt was wet.\n1\t1\t2\tx\t()\tIt rained.\tIt was dry.\n"]
    written(tmp_path, "MNLI/test_matched.tsv", rows[0])
    written(tmp_path, "diagnostic/diagnostic.tsv", "index\tsentence1\tsentence2\n0\tA cat sat.\tIt sat.\n")
    assert splits_there("glue:mnli", tmp_path / "MNLI") == ["test", "test_diagnostic"]
    examples = list(read_split("glue:mnli", tmp_path / "MNLI", "test", Faults()))
    found = content("glue:mnli", examples, said("entailment", "contradiction"))
    assert found == b"index\tprediction\n0\tentailment\n1\tcontradiction\n"
    (diagnostic,) = read_split("glue:mnli", tmp_path / "MNLI", "test_diagnostic", Faults())
    assert content("glue:mnli", [diagnostic], said("neutral")) == b"index\tprediction\n0\tneutral\n"


def test_qqp_has_ids_of_its_own_and_stsb_numbers_within_its_scale(tmp_path: Path) -> None:
    written(tmp_path, "test.tsv", "id\tquestion1\tquestion2\n0\tWho?\tWho is it?\n1\tWhy?\tWhen?\n")
    examples = list(read_split("glue:qqp", tmp_path, "test", Faults()))
    assert content("glue:qqp", examples, said("1", "0")) == b"index\tprediction\n0\t1\n1\t0\n"
    found = content("glue:stsb", examples, said(5.2, 2.34567))
    assert found == b"index\tprediction\n0\t5.000\n1\t2.346\n"


def test_an_example_without_an_index_has_its_place() -> None:
    examples = [Labelled("a", None, None, f"test.tsv line {n}") for n in (2, 3)]
    assert content("glue:cola", examples, said("1", "0")) == b"index\tprediction\n0\t1\n1\t0\n"
    assert clue_lines(examples, ["true", "false"]) == b'{"id": 0, "label": "true"}\n{"id": 1, "label": "false"}\n'


def test_clue_has_an_object_a_line_and_the_edition_in_the_name(tmp_path: Path) -> None:
    written(tmp_path, "test.json", '{"id": 7, "sentence": "上课时学生手机响个不停", "keywords": ""}\n')
    examples = list(read_split("clue:tnews", tmp_path, "test", Faults()))
    assert content("clue:tnews", examples, said("108")) == b'{"id": 7, "label": "108"}\n'
    (news,) = submissions("clue:tnews")
    assert [file_name(news, Path(name)) for name in ("test.json", "test1.0.json")] == [
        "tnews11_predict.json",
        "tnews10_predict.json",
    ]
    assert submissions("clue:afqmc") == [Submission("test", "afqmc_predict.json")]
    assert file_name(submissions("clue:cluewsc")[0], Path("test.json")) == "cluewsc11_predict.json"


def test_answers_to_questions_are_one_object() -> None:
    assert answers_by_id(["TEST_0_QUERY_0"], ["提康德罗加级"]).decode() == '{"TEST_0_QUERY_0": "提康德罗加级"}'
    assert answers_by_id(["#idiom000378#"], [3]) == b'{"#idiom000378#": 3}'
    with pytest.raises(BadInput, match="1 of 2 questions have the id of another"):
        answers_by_id(["a", "a"], ["x", "y"])


def test_what_no_site_takes_and_what_another_model_says_is_refused() -> None:
    with pytest.raises(BadInput, match="no form is known in which predictions for conll:2003 are handed in"):
        submissions("conll:2003")
    with pytest.raises(BadInput, match="the model's classes are LABEL_0, LABEL_1, and glue:rte has entailment"):
        refuse_other_labels("glue:rte", TaskPart("class", ("LABEL_0", "LABEL_1")))
    refuse_other_labels("glue:rte", TaskPart("class", ("not_entailment", "entailment")))


def test_what_models_of_questions_and_options_say_goes_by_ids() -> None:
    asked = [Question("Who?", "I.", (), False, f"dev.json question {i}", name) for i, name in enumerate("ab")]
    replies = [Reply((Answered("I", 0, 1, 0.9), Answered("", 0, 0, 0.1)), 0.0), Reply((Answered("", 0, 0, 0.8),), 1.0)]
    assert content("squad:2.0", asked, replies) == b'{"a": "I", "b": ""}'
    blank = Choice("#idiom#", (("x",), ("y",)), None, "test.json blank 1", "#idiom623377#")
    assert content("clue:chid", [blank], [Chosen(1, (0.1, 0.9))]) == b'{"#idiom623377#": 1}'
    assert [one.name for one in submissions("squad:1.1")] == ["predictions.json"]
    assert file_name(submissions("clue:chid")[0], Path("test.json")) == "chid11_predict.json"
