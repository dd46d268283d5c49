"""Rows with predictions: in their order, some at a time, however many come."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.examples import Choice, Labelled, Question, Tagged
from maskwright.tasks.predicting.examples import Asked
from maskwright.tasks.predicting.rows import described, lines_of, rows_of
from maskwright.tasks.predicting.stream import predicted
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.reading.faults import Faults
from tests.tasks.files import refusal, written

CLASS, TAGS, WORDS = TaskPart("class", ("a", "b")), TaskPart("tags", ("O", "B-X")), TaskPart("words", tuple("BEMS"))


class Echo:
    """Data of examples whose answers are their texts; a text of more than ten characters is cut."""

    def __init__(self, examples: Sequence[Any], part: TaskPart = CLASS) -> None:
        self.examples, self.part = examples, part
        self.cut = sum(len(one.text) > 10 for one in examples if isinstance(one, Labelled))

    def answers(self, network: Any) -> list[Any]:
        return [
            Prediction(one.text, {"a": 0.75, "b": 0.25}) if isinstance(one, Labelled) else ["O"] * len(one.words)
            for one in self.examples
        ]


def told(rows: Iterator[Asked], **options: Any) -> list[dict[str, Any]]:
    encoded: Any = Echo
    network: Any = None
    return [row for part in predicted(rows, encoded, network, **options) for row in part]


def test_many_rows_pass_in_their_order_and_few_are_held_at_a_time() -> None:
    ahead = most = made = 0

    def source() -> Iterator[Asked]:
        nonlocal ahead, made, most
        for number in range(50_000):
            made += 1
            ahead += 1
            most = max(most, ahead)
            yield Asked({"text": str(number)}, Labelled(str(number), None, None, f"row {number}"))

    encoded: Any = Echo
    network: Any = None
    seen = 0
    for part in predicted(source(), encoded, network, most=100):
        assert [row["prediction"] for row in part] == [str(seen + i) for i in range(len(part))]
        seen += len(part)
        ahead -= len(part)
    assert (seen, made, most) == (50_000, 50_000, 100)


def test_shares_are_columns_or_one_object() -> None:
    rows = [("x 1", "a"), ("x 2", "b\tc")]
    flat = told(lines_of(rows, CLASS, Faults()), shares=True)
    assert flat == [
        {"text": "a", "prediction": "a", "share_a": 0.75, "share_b": 0.25},
        {"text": "b", "pair": "c", "prediction": "b", "share_a": 0.75, "share_b": 0.25},
    ]
    assert told(lines_of(rows, CLASS, Faults()), shares=True, nested=True)[0]["shares"] == {"a": 0.75, "b": 0.25}
    assert told(lines_of(rows, CLASS, Faults()))[0] == {"text": "a", "prediction": "a"}


def test_a_text_that_is_too_long_is_refused_by_its_row_or_cut() -> None:
    rows = [("a.txt line 1", "short"), ("a.txt line 2", "more than ten")]
    assert "a.txt line 2 has more tokens than the model has positions" in refusal(
        lambda: told(lines_of(rows, CLASS, Faults()))
    )
    assert len(told(lines_of(rows, CLASS, Faults()), truncate=True)) == 2


def test_a_column_that_is_taken_is_not_written_over() -> None:
    asked = Asked({"text": "a", "prediction": "z"}, Labelled("a", None, None, "a.csv line 2"))
    assert refusal(lambda: told(iter([asked]))).startswith("a.csv line 2 has a column 'prediction' already")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_all_columns_of_a_table_stay(name: str, tmp_path: Path) -> None:
    content = {
        "a.csv": 'id,text,note\n7,"It rained, again.",\n8,却说曹操败走。,"two\nlines"\n',
        "a.tsv": 'id\ttext\tnote\n7\tIt rained, again.\t\n8\t却说曹操败走。\t"two\nlines"\n',
        "a.jsonl": '{"id": 7, "text": "It rained, again.", "note": ""}\n'
        '{"id": 8, "text": "却说曹操败走。", "note": "two\\nlines"}\n',
    }[name]
    found = list(rows_of(str(written(tmp_path, name, content)), CLASS, Faults()))
    assert [str(one.fields["id"]) for one in found] == ["7", "8"] and found[1].fields["note"] == "two\nlines"
    assert [one.example.text for one in found] == ["It rained, again.", "却说曹操败走。"]


def test_a_parquet_file_is_read_with_all_its_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2], "text": ["a", "b"]}), path)
    assert [one.fields for one in rows_of(str(path), CLASS, Faults())] == [
        {"id": 1, "text": "a"},
        {"id": 2, "text": "b"},
    ]
    assert "no column 'body'" in refusal(lambda: list(rows_of(str(path), CLASS, Faults(), text="body")))


def test_bad_rows_end_it_or_are_left_out_and_named(tmp_path: Path) -> None:
    path = str(written(tmp_path, "a.csv", "text,x\na,1\n ,2\nb\nc,4\n"))
    assert "a.csv line 3 has nothing in its column 'text'" in refusal(lambda: list(rows_of(path, CLASS, Faults())))
    faults = Faults(skip=True)
    assert [one.fields["x"] for one in rows_of(path, CLASS, faults)] == ["1", "4"]
    said = described(faults)
    assert said is not None and said.startswith("2 bad rows left out: ")
    assert "a.csv line 3 has nothing" in said and "a.csv line 4 has 1 fields" in said
    assert described(faults, 1) == f"{said.partition(';')[0]}; and 1 more"
    assert described(Faults()) is None


def test_words_are_told_by_spaces_and_in_chinese_by_characters(tmp_path: Path) -> None:
    lines = list(lines_of([("l 1", "the cat"), ("l 2", "却说 曹操")], TAGS, Faults()))
    assert [one.example.words for one in lines] == [("the", "cat"), ("却", "说", "曹", "操")]
    assert [one.example.joined for one in lines] == [False, True]
    path = written(tmp_path, "a.jsonl", '{"words": ["the", "cat"]}\n{"words": "却说曹操"}\n{"words": "却说 曹操"}\n')
    examples = [one.example for one in rows_of(str(path), TAGS, Faults())]
    assert [one.words for one in examples] == [("the", "cat"), ("却", "说", "曹", "操"), ("却说", "曹操")]
    encoded: Any = lambda some: Echo(some, TAGS)  # noqa: E731
    network: Any = None
    rows = [row for part in predicted(rows_of(str(path), TAGS, Faults()), encoded, network) for row in part]
    assert rows[0] == {"words": ["the", "cat"], "prediction": ["O", "O"]} and rows[1]["words"] == list("却说曹操")
    (segmented,) = lines_of([("l 1", "却说 曹操")], WORDS, Faults())
    assert segmented.fields == {"text": "却说 曹操"}
    assert segmented.example == Tagged(tuple("却说曹操"), None, "l 1", joined=True)


def test_questions_and_options_stand_between_tabs() -> None:
    span, option = TaskPart("span", ()), TaskPart("option", ())
    (asked,) = lines_of([("l 1", "Who sat?\tThe cat\tsat.")], span, Faults())
    assert asked.example == Question("Who sat?", "The cat\tsat.", (), False, "l 1")
    (chosen,) = lines_of([("l 1", "She\tsat\tran\tand ran")], option, Faults())
    assert chosen.example == Choice("She", (("sat",), ("ran",), ("and ran",)), None, "l 1")
    for part, line, said in ((span, "Who?", "l 1 has no tab"), (option, "She\tsat", "l 1 has 1 tabs: write a text")):
        assert said in refusal(lambda part=part, line=line: list(lines_of([("l 1", line)], part, Faults())))
    faults = Faults(skip=True)
    assert len(list(lines_of([("l 1", "Who?"), ("l 2", "Who?\tI.")], span, faults))) == 1 and faults.skipped == 1


def test_what_is_no_table_and_no_text_is_refused(tmp_path: Path) -> None:
    path = str(written(tmp_path, "a.docx", "a"))
    assert "is neither a table" in refusal(lambda: list(rows_of(path, CLASS, Faults())))
    lines = str(written(tmp_path, "a.txt", "a\nb\n"))
    assert "has no column body: it is no table" in refusal(lambda: list(rows_of(lines, CLASS, Faults(), text="body")))
    assert [one.example.where for one in rows_of(lines, CLASS, Faults())] == [f"{lines} line 1", f"{lines} line 2"]
    with pytest.raises(BadInput, match="--pair goes with texts"):
        list(rows_of(str(tmp_path / "a.csv"), TAGS, Faults(), pair="b"))
