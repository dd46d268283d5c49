"""CLUE's files of a JSON object a line, and its two kinds of choice."""

import json
from pathlib import Path
from typing import Any

import pytest

from maskwright.tasks.examples import Choice, Labelled
from maskwright.tasks.reading.chid import BLANK, OTHER, chid
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.suites import read_split
from tests.tasks.files import refusal, refused, written


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read(folder: Path, name: str, split: str, faults: Faults | None = None) -> list[tuple[object, ...]]:
    found = read_split(f"clue:{name}", folder, split, faults or Faults())
    return [(it.text, it.pair, it.label, it.id) for it in found if isinstance(it, Labelled)]


WSC = {"target": {"span2_index": 9, "span1_index": 2, "span1_text": "曹操", "span2_text": "他"}, "idx": 1,
       "label": "true", "text": "却说曹操败走，人说他走了。"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("afqmc", {"sentence1": "怎么还款", "sentence2": "如何还钱", "label": "0"},
         ("怎么还款", "如何还钱", "0", None)),
        ("tnews", {"label": "102", "label_desc": "news_entertainment", "sentence": "戏\"剧", "keywords": "戏,剧"},
         ('戏"剧', None, "102", None)),
        ("iflytek", {"label": "118", "label_des": "其他", "sentence": "记账"}, ("记账", None, "118", None)),
        ("cmnli", {"sentence1": "下雨", "sentence2": "没有下", "label": "contradiction"},
         ("下雨", "没有下", "contradiction", None)),
        ("csl", {"id": 4, "abst": "摘要。", "keyword": ["语言", "模型"], "label": "1"},
         ("语言 模型", "摘要。", "1", "4")),
        ("cluewsc", WSC, ("却说_曹操_败走，人说[他]走了。", None, "true", "1")),
    ],
)  # fmt: skip
def test_rows_as_they_are_distributed(
    tmp_path: Path, name: str, row: dict[str, Any], expected: tuple[object, ...]
) -> None:
    written(tmp_path, "train.json", lines(row))
    assert read(tmp_path, name, "train") == [expected]
    asked = {key: value for key, value in row.items() if not key.startswith(("label", "idx"))} | {"id": 0}
    written(tmp_path, "test.json", lines(asked))
    assert read(tmp_path, name, "test") == [(*expected[:2], None, "0")]


def test_rows_that_nobody_agreed_on_are_passed_over_and_counted(tmp_path: Path) -> None:
    row = {"sentence1": "下雨", "sentence2": "没有下"}
    written(tmp_path, "dev.json", lines(row | {"label": "-"}, row | {"label": "neutral"}))
    faults = Faults()
    assert [it[2] for it in read(tmp_path, "cmnli", "dev", faults)] == ["neutral"]
    assert faults.quirks == {"rows whose label nobody agreed on": 1}


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("tnews", {"label": "105", "sentence": "戏"}, "train.json line 1 has the label '105'; there are 100, 101"),
        ("tnews", {"label": "100", "text": "戏"}, "line 1 has no column 'sentence': its columns are label, text"),
        ("tnews", {"label": "100", "sentence": 7}, "line 1 has 7 in its column 'sentence', which is no text"),
        ("cluewsc", WSC | {"text": "却说曹操败走，人说你走了。"}, "span2 should be '他' at character 9"),
        ("cluewsc", WSC | {"target": []}, "line 1 has a `target` that is no object"),
        ("csl", {"abst": "摘要。", "keyword": "", "label": "1"}, "has nothing in its column 'keyword', not a list"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, name: str, row: dict[str, Any], message: str) -> None:
    written(tmp_path, "train.json", lines(row))
    assert message in refusal(lambda: read(tmp_path, name, "train"))


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    written(tmp_path, "train.json", lines({"label": "100", "sentence": "戏"}) + "{x\n")
    assert "train.json line 2 is not JSON" in refusal(lambda: read(tmp_path, "tnews", "train"))
    faults = Faults(skip=True)
    assert len(read(tmp_path, "tnews", "train", faults)) == faults.skipped == 1


IDIOMS = ["走投无路", "一败涂地", "望风而逃"]
CHID = {"candidates": IDIOMS, "content": ["曹操#idiom000001#，#idiom000002#。", "没有空。", "他#idiom000003#。"]}
CHID_ANSWERS = {"#idiom000001#": 1, "#idiom000002#": 0, "#idiom000003#": 2}


def test_every_blank_of_chid_is_a_choice(tmp_path: Path) -> None:
    path = written(tmp_path, "train.json", lines(CHID))
    assert [choice.label for choice in chid(path, Faults())] == [None] * 3
    written(tmp_path, "train_answer.json", json.dumps(CHID_ANSWERS))
    found = list(chid(path, Faults()))
    options = tuple((idiom,) for idiom in IDIOMS)
    assert found[1] == Choice(f"曹操{OTHER}，{BLANK}。", options, 0, f"{path} line 1 #idiom000002#", "#idiom000002#")
    assert [choice.label for choice in found] == [1, 0, 2]


def test_a_blank_without_an_answer_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "train.json", lines(CHID))
    written(tmp_path, "train_answer.json", json.dumps({"#idiom000001#": 1}))
    assert "line 1 #idiom000002# has no answer in" in refused(chid, path)
    written(tmp_path, "train_answer.json", json.dumps(CHID_ANSWERS | {"#idiom000001#": 3}))
    assert "has the label 3, and 3 options" in refused(chid, path)
    assert "no list of texts" in refused(chid, written(tmp_path, "a.json", lines(CHID | {"content": "曹操"})))


C3 = [
    [["男：下雨了。", "女：走吧。"], [
        {"question": "天气怎么样？", "choice": ["晴", "雨"], "answer": "雨"},
        {"question": "几点？", "choice": ["一点", "两点", "两点"], "answer": "两点"},
    ], "3-13"],
]  # fmt: skip


def test_every_question_of_c3_is_a_choice(tmp_path: Path) -> None:
    path = written(tmp_path, "d-dev.json", json.dumps(C3, ensure_ascii=False))
    faults = Faults()
    one, other = read_split("clue:c3-d", tmp_path, "dev", faults)
    assert one == Choice(
        "男：下雨了。\n女：走吧。", (("天气怎么样？", "晴"), ("天气怎么样？", "雨")), 1, f"{path} question 1", "3-13-0"
    )
    assert isinstance(other, Choice)
    assert other.label == 1
    assert faults.quirks == {"questions whose right answer is there twice": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(C3).replace('\\u96e8"}', '\\u98ce"}'), 'question 1: its answer "风" is not one of its choices'),
        ('[[["a"], {}, "1"]]', "text 1 is not a list of lines, a list of questions, and an id"),
        ('[[["a"], [7], "1"]]', "question 1 is not an object"),
        ('[[["a"], [{"question": "b"}], "1"]]', "question 1 has no `question` with a list of texts, `choice`"),
        ('[[["a"], [{"question": "b", "choice": ["c"]}], "1"]]', "question 1 has 1 options: a choice is between two"),
        ("{}", "is no file of C3: it is not a list"),
    ],
)
def test_bad_files_of_c3_are_named(tmp_path: Path, content: str, message: str) -> None:
    written(tmp_path, "m-train.json", content)
    assert message in refusal(lambda: list(read_split("clue:c3-m", tmp_path, "train", Faults())))
