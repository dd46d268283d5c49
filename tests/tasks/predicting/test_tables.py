"""Written tables, read again by others: whole or not at all."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskwright.errors import BadInput
from maskwright.tasks.predicting.tables import refuse_output, schema_of, written
from tests.tasks.files import refusal

ROWS: list[dict[str, Any]] = [
    {"id": "7", "text": 'She said: "No,\nnot at all."', "prediction": "b", "share_a": 0.25},
    {"id": "8", "text": "却说曹操败走。\t", "prediction": "a", "share_a": 1.0},
]


def write(path: Path, *parts: Sequence[dict[str, Any]], schema: Any = None) -> Path:
    with written(path, "prediction", schema) as table:
        for rows in parts:
            table.write(rows)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_delimited_table_is_read_by_others(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, ROWS[:1], ROWS[1:])
    found = pd.read_csv(path, sep="," if name == "a.csv" else "\t", dtype={"id": str})
    assert found.to_dict("records") == ROWS
    with path.open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file, delimiter="," if name == "a.csv" else "\t")) == list(ROWS[0])


def test_lists_and_objects_are_text_where_a_table_has_none(tmp_path: Path) -> None:
    rows = [
        {"words": ["a", "b"], "prediction": ["O", "B-X"], "meta": {"k": [1]}},
        {"words": ["a b", "c"], "prediction": ("x", "y"), "meta": None},
    ]
    found = pd.read_csv(write(tmp_path / "a.csv", rows), keep_default_na=False).to_dict("records")
    assert found == [
        {"words": "a b", "prediction": "O B-X", "meta": '{"k": [1]}'},
        {"words": '["a b", "c"]', "prediction": "x|y", "meta": ""},
    ]


def test_lines_of_json_keep_what_they_are_given(tmp_path: Path) -> None:
    rows = [*ROWS, {"text": "half \ud83d", "prediction": ("x",), "n": None}]
    lines = write(tmp_path / "a.jsonl", rows[:1], rows[1:]).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [*ROWS, {"text": "half \ud83d", "prediction": ["x"], "n": None}]
    assert "却说" in lines[1]


def test_parquet_keeps_the_types_of_the_table_it_came_from(tmp_path: Path) -> None:
    source = pa.table({
        "id": pa.array([1, 2], pa.int8()), "when": pa.array([0, 1], pa.timestamp("ms")), "text": ["a", None],
    })  # fmt: skip
    pq.write_table(source, tmp_path / "in.parquet")
    rows = [row | {"prediction": "x", "share_x": 0.5} for row in source.to_pylist()]
    found = pq.read_table(write(tmp_path / "out.parquet", rows, rows, schema=schema_of(str(tmp_path / "in.parquet"))))
    assert found.num_rows == 4 and found.select(["id", "when", "text"]).schema.equals(source.schema)
    assert found.schema.field("share_x").type == pa.float64() and found.to_pylist()[2:] == rows
    assert schema_of("a.csv") is None


def test_lines_are_the_predictions_alone_and_tags_stand_by_their_words(tmp_path: Path) -> None:
    assert write(tmp_path / "a.txt", ROWS).read_text() == "b\na\n"
    tagged = [{"words": ["the", "cat"], "prediction": ["O", "B-X"]}, {"words": ["a"], "prediction": ["O"]}]
    assert write(tmp_path / "b.txt", tagged).read_text() == "the O\ncat B-X\n\na O\n\n"
    assert (
        write(tmp_path / "c.txt", [{"text": "却说曹操", "prediction": ["却说", "曹操"]}]).read_text() == "却说 曹操\n"
    )


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_row_that_does_not_fit_leaves_nothing(name: str, tmp_path: Path) -> None:
    said = refusal(lambda: write(tmp_path / name, ROWS, [{"id": "9", "text": "a", "other": 1, "prediction": "b"}]))
    assert "a column 'other', which the first ones have not: write a .jsonl" in said
    assert list(tmp_path.iterdir()) == []
    if name == "a.parquet":
        said = refusal(lambda: write(tmp_path / name, ROWS, [ROWS[0] | {"id": 9}]))
        assert "does not fit the columns of a .parquet" in said and list(tmp_path.iterdir()) == []


def test_an_output_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    for name, said in (
        ("there.csv", "exists already: choose another name or remove it"),
        ("a.xlsx", "its name should end in .csv, .tsv, .jsonl, .parquet, .txt"),
        ("no/a.csv", "there is no folder"),
    ):
        with pytest.raises(BadInput, match=said):
            refuse_output(tmp_path / name)
