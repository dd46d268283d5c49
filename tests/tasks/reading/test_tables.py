"""Tables of one's own, in each format, and everything that can be wrong with a row."""

import csv
import gzip
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.tasks.examples import Answer, Choice, Labelled, Near, Tagged
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.tables import choices, labelled, near, questions, tagged
from tests.tasks.files import Reader, refused, written

FORMATS = ("csv", "tsv", "jsonl", "parquet", "csv.gz")


def table(folder: Path, format: str, rows: list[dict[str, Any]]) -> Path:
    """The rows in a file of this format."""
    path = folder / f"table.{format}"
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if format == "jsonl":
        return written(folder, path.name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if format == "tsv" else ",")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    return written(folder, path.name, gzip.compress(content) if format.endswith(".gz") else content)


REVIEWS = [
    {"text": 'It said: "rain,\nthen sun".', "other": "却说\t曹操", "label": "weather", "id": "a", "score": "2.5"},
    {"text": "She smiled.", "other": "败走。", "label": "people", "id": "b", "score": "-1"},
]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_rows_in_every_format(tmp_path: Path, format: str) -> None:
    path = table(tmp_path, format, REVIEWS)
    found = list(labelled(path, Faults(), pair="other", id="id"))
    expected = [(row["text"], row["other"], row["label"], row["id"]) for row in REVIEWS]
    assert [(it.text, it.pair, it.label, it.id) for it in found] == expected
    numbers = list(labelled(path, Faults(), label="score", kind="number"))
    assert [it.label for it in numbers] == [2.5, -1.0]
    second = {"csv": "line 4", "csv.gz": "line 4", "tsv": "line 4", "jsonl": "line 2", "parquet": "row 2"}[format]
    assert found[1].where == f"{path} {second}"
    assert [it.label for it in labelled(path, Faults(), label=None)] == [None, None]
    pairs = list(near(path, Faults(), first="text", second="other", score="score"))
    assert pairs[0][:3] == (REVIEWS[0]["text"], REVIEWS[0]["other"], 2.5)
    assert isinstance(pairs[0], Near)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))).filter(str.strip), min_size=1, max_size=5))
def test_any_text_comes_back_from_jsonl(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = table(tmp_path_factory.mktemp("jsonl"), "jsonl", [{"text": text, "label": 1} for text in texts])
    assert [it.text for it in labelled(path, Faults())] == texts


def test_several_classes_are_a_list_or_parted_text(tmp_path: Path) -> None:
    path = table(tmp_path, "jsonl", [{"text": "x", "label": ["a", "b"]}, {"text": "y", "label": []}])
    read = partial(labelled, kind="classes")
    assert [it.label for it in read(path, Faults())] == [("a", "b"), ()]
    path = table(tmp_path, "csv", [{"text": "x", "label": "a; b"}, {"text": "y", "label": ""}])
    assert [it.label for it in read(path, Faults(), separator=";")] == [("a", "b"), ()]


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_words_and_their_tags(tmp_path: Path, format: str) -> None:
    row: dict[str, Any] = {"words": ["曹", "操"], "tags": ["B-PER", "I-PER"]}
    if format == "csv":
        row = {name: " ".join(items) for name, items in row.items()}
    path = table(tmp_path, format, [row])
    (found,) = tagged(path, Faults(), scheme="BIO", joined=True)
    assert isinstance(found, Tagged)
    assert found[:2] == (("曹", "操"), ("B-PER", "I-PER"))


CONTEXT = "却说曹操败走。曹操走了。"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"text": ["曹操"], "answer_start": [7]}, (Answer("曹操", 7),)),
        ([{"text": "曹操", "answer_start": 7}, {"text": "败走"}], (Answer("曹操", 7), Answer("败走", 4))),
        (["败走", "却说"], (Answer("败走", 4), Answer("却说", 0))),
        ("败走", (Answer("败走", 4),)),
        ("", ()),
        ({"text": [], "answer_start": []}, ()),
    ],
)
def test_answers_are_written_in_several_ways(tmp_path: Path, answer: Any, expected: tuple[Answer, ...]) -> None:
    path = table(tmp_path, "jsonl", [{"question": "谁？", "context": CONTEXT, "answer": answer}])
    (found,) = questions(path, Faults())
    assert (found.answers, found.impossible) == (expected, not expected)


def test_options_in_a_list_or_in_columns_of_their_own(tmp_path: Path) -> None:
    path = table(tmp_path, "jsonl", [{"first": "Rain", "options": ["fell.", "rose."], "label": 0}])
    expected = "Rain", (("fell.",), ("rose.",)), 0
    assert [it[:3] for it in choices(path, Faults())] == [expected]
    path = table(tmp_path, "csv", [{"first": "Rain", "x": "fell.", "y": "rose.", "label": "0"}])
    (found,) = choices(path, Faults(), options=("x", "y"))
    assert found == Choice(*expected, f"{path} line 2")


SHIFTED = {"text": "曹操", "answer_start": 3}
ASKED = {"question": "谁？", "context": CONTEXT}
ROW = {"text": "x", "label": "a"}


@pytest.mark.parametrize(
    ("read", "row", "message"),
    [
        (labelled, {"sentence": "x", "label": "a"}, "line 1 has no column 'text': its columns are sentence, label"),
        (labelled, ROW | {"text": " "}, "line 1 has nothing in its column 'text'"),
        (labelled, ROW | {"text": None}, "line 1 has nothing in its column 'text'"),
        (labelled, ROW | {"text": 7}, "line 1 has 7 in its column 'text', which is no text"),
        (labelled, ROW | {"text": ["x"]}, "line 1 has ['x'] in its column 'text', which is no text"),
        (labelled, ROW | {"text": "\ud800"}, "holds half of a surrogate pair (\\ud800)"),
        (labelled, ROW | {"label": ""}, "line 1 has nothing in its column 'label'"),
        (labelled, ROW | {"label": 1.0}, "has 1.0 in its column 'label': a name is a text or a whole number"),
        (partial(labelled, kind="number"), ROW | {"label": float("nan")}, "nan in its column 'label', which is no fin"),
        (partial(labelled, kind="number"), ROW | {"label": "1e999"}, "'1e999' in its column 'label', which"),
        (partial(labelled, kind="number"), ROW, "has 'a' in its column 'label', which is no number"),
        (partial(labelled, kind="number"), ROW | {"label": None}, "has nothing in its column 'label'"),
        (partial(labelled, kind="classes"), ROW | {"label": ["a", "a"]}, "names a class twice in its column 'label'"),
        (tagged, {"words": ["x", "y"], "tags": ["O"]}, "line 1 has 2 words and 1 tags: each word has one"),
        (tagged, {"words": ["x"], "tags": ["O", "O"]}, "line 1 has 1 words and 2 tags: each word has one"),
        (tagged, {"words": [], "tags": []}, "line 1 has nothing in its column 'words', not a list"),
        (tagged, {"words": ["x", ""], "tags": ["O", "O"]}, "line 1 has '' in place 2 of its column 'words'"),
        (partial(tagged, scheme="BIO"), {"words": ["x"], "tags": ["I-PER"]}, "tag 1, I-PER, may not be the first"),
        (partial(tagged, scheme="BIO"), {"words": ["x"], "tags": ["PER"]}, "tag 1, 'PER', is none of BIO"),
        (questions, ASKED | {"answer": "刘备"}, "does not hold the answer '刘备'"),
        (questions, ASKED | {"answer": "曹操"}, "holds the answer '曹操' more than once"),
        (questions, ASKED | {"answer": [SHIFTED]}, "'操败' does"),
        (questions, ASKED | {"answer": {"text": ["曹操"]}}, "no lists `text`"),
        (questions, {"question": "", "context": CONTEXT, "answer": ""}, "line 1 has nothing in its column 'question'"),
        (choices, {"first": "x", "options": ["y"], "label": 0}, "has 1 options: a choice is between two or more"),
        (choices, {"first": "x", "options": ["y", "z"], "label": 2}, "the label 2, and 2 options: labels are 0 to 1"),
        (choices, {"first": "x", "options": ["y", "z"], "label": -1}, "has -1 in its column 'label', which is no"),
        (choices, {"first": "x", "options": ["y", "z"], "label": 0.5}, "has 0.5 in its column 'label', which is no"),
    ],
)  # fmt: skip
def test_each_fault_is_one_line_with_file_and_row(
    tmp_path: Path, read: Reader, row: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, "table.jsonl", json.dumps(row) + "\n")
    assert message in refused(read, path)
    assert f"{path} line 1" in refused(read, path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nx,a,b\n", "a.csv line 2 has 3 fields, and the header 2"),
        ("a.csv", 'text,label\n"x,a\n', "a.csv line 2 is no row of csv"),
        ("a.csv", "text,text,label\nx,y,a\n", "a.csv line 1 has 2 columns 'text'"),
        ("a.jsonl", '["x"]\n', "a.jsonl line 1 is not a JSON object"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": "y"}\n', "a.jsonl line 2 has no 'label'"),
        ("a.parquet", "text", "a.parquet is no Parquet file"),
        ("a.csv", b"text,label\n\xff,a\n", "a.csv is not UTF-8: byte 11"),
        ("a.csv", "", "a.csv is empty"),
        ("a.xlsx", "x", "a.xlsx is no table by its name: those end in .csv, .tsv, .jsonl or .parquet"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    assert message in refused(labelled, written(tmp_path, name, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refused(labelled, tmp_path / "a.csv") == f"{tmp_path / 'a.csv'} does not exist"
    assert refused(labelled, tmp_path) == f"{tmp_path} is a folder: name a file"


def test_an_id_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = table(tmp_path, "csv", [ROW | {"id": one} for one in "abca"])
    read = partial(labelled, id="id")
    assert f"{path} line 5 has the id 'a', which {path} line 2 has too" in refused(read, path)
    faults = Faults(skip=True)
    assert [it.id for it in read(path, faults)] == ["a", "b", "c"]
    assert faults.skipped == 1


def test_skipped_rows_are_counted_and_the_first_listed(tmp_path: Path) -> None:
    good = json.dumps(ROW) + "\n"
    path = written(tmp_path, "a.jsonl", good + "{\n" * 150 + '{"text": ""}\n' + good)
    faults = Faults(skip=True)
    assert list(labelled(path, faults)) == [Labelled("x", None, "a", f"{path} line {line}") for line in (1, 153)]
    assert (faults.skipped, len(faults.listed)) == (151, 100)
    assert "line 2 is not JSON" in faults.listed[0]


def test_missing_columns_are_not_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "sentence,label\nx,a\n")
    with pytest.raises(ValueError, match="no column 'text'"):
        list(labelled(path, Faults(skip=True)))
