"""Documents from the rows of tables: csv, tsv, Parquet, Arrow; and each kind of bad table."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.formats import delimited
from maskwright.text.inputs import find_inputs
from maskwright.text.readers import detect_shape
from tests.text.inputs import characters, read, refusal, squeezed, texts


def table(language: str) -> pa.Table:
    found = texts(language)
    return pa.table({"id": range(len(found)), "text": found, "label": ["x"] * len(found)})


def write_csv(made: pa.Table, path: Path, **form: object) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, **form)  # type: ignore[call-overload]
        writer.writerow(made.column_names)
        writer.writerows(zip(*made.to_pydict().values(), strict=True))


def write_stream(made: pa.Table, path: Path, batch: int = 5) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made, max_chunksize=batch)


def write_file(made: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, made.schema) as writer:
        writer.write_table(made, max_chunksize=5)


WRITE: dict[str, tuple[str, str, Callable[[pa.Table, Path], None]]] = {
    "csv": ("csv", "a.csv", write_csv),
    "csv with semicolons": ("csv", "a.csv", lambda made, path: write_csv(made, path, delimiter=";")),
    "csv, all quoted, LF": ("csv", "a.csv", lambda made, path: write_csv(made, path, quoting=1, lineterminator="\n")),
    "tsv": ("tsv", "a.tsv", lambda made, path: write_csv(made, path, delimiter="\t")),
    "parquet": ("parquet", "a.parquet", lambda made, path: pq.write_table(made, path, row_group_size=5)),
    "parquet, zstd": ("parquet", "a.bin", lambda made, path: pq.write_table(made, path, compression="zstd")),
    "arrow stream": ("arrow", "a.arrow", write_stream),
    "arrow file": ("arrow", "a.arrow", write_file),
}


@pytest.mark.parametrize("kind", WRITE)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_are_read_back(tmp_path: Path, language: str, kind: str) -> None:
    shape, name, write = WRITE[kind]
    write(table(language), tmp_path / name)
    assert detect_shape(find_inputs([tmp_path / name])[0]) == shape
    found = read(tmp_path / name, language=language)
    assert characters(found) == squeezed(texts(language))
    if shape in ("parquet", "arrow"):
        assert [document.source for document in found] == [f"{tmp_path / name}:{row}" for row in range(1, 13)]


@pytest.mark.parametrize("kind", WRITE)
def test_a_column_of_another_name(tmp_path: Path, kind: str) -> None:
    _, name, write = WRITE[kind]
    write(table("en").rename_columns(["id", "body", "label"]), tmp_path / name)
    assert characters(read(tmp_path / name, column="body")) == squeezed(texts("en"))
    message = refusal(tmp_path / name)
    assert "no column 'text' (it has id, body, label): name the one with the text by --text-column" in message


@pytest.mark.parametrize("kind", ["parquet", "arrow stream", "arrow file"])
def test_rows_without_a_text_are_no_documents(tmp_path: Path, kind: str) -> None:
    _, name, write = WRITE[kind]
    write(pa.table({"text": ["It rained.", None, " \n", "She smiled."]}), tmp_path / name)
    assert [(one.sentences, one.source[-2:]) for one in read(tmp_path / name)] == [
        (("It rained.",), ":1"),
        (("She smiled.",), ":4"),
    ]


@pytest.mark.parametrize("kind", ["parquet", "arrow stream", "arrow file"])
@pytest.mark.parametrize("kind_of_text", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_each_kind_of_string(tmp_path: Path, kind: str, kind_of_text: pa.DataType) -> None:
    _, name, write = WRITE[kind]
    column = pa.array(["It rained.", "却说曹操。"] * 4).cast(kind_of_text)
    write(pa.table({"text": column}), tmp_path / name)
    assert [one.sentences for one in read(tmp_path / name)] == [("It rained.",), ("却说曹操。",)] * 4


@pytest.mark.parametrize("kind", ["parquet", "arrow stream", "arrow file"])
def test_a_column_that_is_no_text(tmp_path: Path, kind: str) -> None:
    _, name, write = WRITE[kind]
    write(pa.table({"text": [1, 2], "n": [1, 2]}), tmp_path / name)
    assert "has int64 in its column 'text', not strings" in refusal(tmp_path / name)
    write(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / name)
    assert "has 2 columns 'text'" in refusal(tmp_path / name)


@pytest.mark.parametrize("kind", ["parquet", "arrow stream", "arrow file"])
@pytest.mark.parametrize("keep", [5, 0.3, 0.7, 0.999])
def test_a_table_that_is_cut_off(tmp_path: Path, kind: str, keep: float) -> None:
    _, name, write = WRITE[kind]
    write(table("en"), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    message = refusal(tmp_path / name)
    assert name in message and ("cut off" in message or "whatever its name says" in message)


def test_a_stream_that_stops_between_two_batches_is_cut_off(tmp_path: Path) -> None:
    write_stream(table("en"), tmp_path / "a.arrow")
    content = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(content[:-8])
    assert "is cut off: the mark with which an Arrow stream ends is missing" in refusal(tmp_path / "a.arrow")


@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8), byte=st.integers(1, 255))
@pytest.mark.parametrize("kind", ["parquet", "arrow stream", "arrow file"])
def test_any_damage_is_survived_or_named(
    tmp_path_factory: pytest.TempPathFactory, kind: str, places: list[float], byte: int
) -> None:
    _, name, write = WRITE[kind]
    path = tmp_path_factory.mktemp("damage") / name
    write(pa.table({"text": ["It rained.", "She smiled."] * 20}), path)
    content = bytearray(path.read_bytes())
    for place in places:
        content[int(place * len(content))] ^= byte
    path.write_bytes(bytes(content))
    try:
        read(path)
    except ValueError as error:  # BadInput is one
        assert type(error).__name__ == "BadInput" and "\n" not in str(error)


def test_what_is_named_as_a_table_and_is_none(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_text("It rained.\n")
        assert "whatever its name says: it begins with b'It r" in refusal(tmp_path / name)
    assert "is no Parquet file, damaged, or cut off" in refusal(tmp_path / "a.arrow", shape="parquet")


def test_a_parquet_that_swells_beyond_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.compression.ALWAYS_ALLOWED", 1 << 20)
    pq.write_table(pa.table({"text": ["It rained. " * 1000] * 20_000}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    assert "unpacks to more than 200 times its size" in refusal(tmp_path / "a.parquet")


def test_a_row_of_a_table_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.lines.LONGEST_LINE", 1 << 20)
    made = pa.table({"text": ["It rained.", "x" * (2 << 20)]})
    for kind in ("parquet", "arrow stream"):
        _, name, write = WRITE[kind]
        write(made, tmp_path / name)
        assert "row 2 is longer than 1 Mi characters" in refusal(tmp_path / name)


def test_bytes_that_are_no_utf8_in_a_column_of_text(tmp_path: Path) -> None:
    for bad in (b"caf\xe9", b"\xed\xa0\x80", b"\xe8\xaf"):
        column = pa.array([b"It rained.", bad], pa.binary()).view(pa.string())
        for kind in ("parquet", "arrow stream"):
            _, name, write = WRITE[kind]
            write(pa.table({"text": column}), tmp_path / name)
            assert f"{name} is damaged in rows 1 to 2: Invalid UTF8 sequence" in refusal(tmp_path / name)


# --- csv and tsv ---


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n"')), min_size=1))
@pytest.mark.parametrize("shape", ["csv", "tsv"])
def test_any_text_is_quoted_and_unquoted(shape: str, rows: list[str]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="," if shape == "csv" else "\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["n", "text"], *([number, row] for number, row in enumerate(rows))])
    lines = stream.getvalue().removesuffix("\n").split("\n")
    found = delimited.rows(enumerate(lines, 1), shape, "text", "a")  # type: ignore[arg-type]
    assert [text for _, text in found] == rows


def test_rows_of_csv_are_named_by_their_first_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text\n1,"It rained.\n\nShe\nsmiled."\n\n2,He bowed.\n')
    assert [document.source[-2:] for document in read(tmp_path / "a.csv")] == [":2", ":7"]


def test_a_tsv_without_quoting_keeps_its_quotes(tmp_path: Path) -> None:
    rows = ['"Hello," he said.\t1', 'Her "aunt\t0', "却说曹操。\t1"]
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "\n".join(rows))
    found = [document.sentences for document in read(tmp_path / "a.tsv")]
    assert found == [('"Hello," he said.',), ('Her "aunt',), ("却说曹操。",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text\n1,a,b\n", "a.csv line 2 has 3 fields, and the header 2: quote fields"),
        ("id,text\n1,a\n2\n", "a.csv line 3 has 1 fields, and the header 2"),
        ('id,text\n1,"a"b\n', "a.csv line 2 is no row of csv: ',' expected after '\"'"),
        ('id,text\n1,"a\n2,b\n', "a.csv line 2 is no row of csv: unexpected end of data"),
        ("id,body\n1,a\n", "a.csv line 1 names no column 'text' (it has id, body): name the one"),
        ("text,text\n1,a\n", "a.csv line 1 names 2 columns 'text'"),
        ("id,text\n1,a\0\n", "a.csv is a binary file, not text: byte 11 is NUL (line 2)"),
        (b"id,text\n1,caf\xe9\n", "a.csv is not UTF-8: byte 13 (0xe9, line 2)"),
    ],
)
def test_a_bad_csv(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    assert message in refusal(tmp_path / "a.csv")


def test_a_quote_that_never_closes_is_found_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.formats.delimited.LONGEST_FIELD", 1 << 16)
    (tmp_path / "a.csv").write_text('id,text\n1,"It rained.\n' + "2,She smiled.\n" * 20_000)
    assert "a.csv line 2 is no row of csv: field larger than field limit (65536)" in refusal(tmp_path / "a.csv")


def test_a_packed_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("text\n却说曹操。\n".encode()))
    assert read(tmp_path / "a.csv.gz")[0].sentences == ("却说曹操。",)


# --- folders of `datasets` ---


def save_as_datasets_does(made: pa.Table, folder: Path, shards: int) -> None:
    """What `datasets.Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05}-of-{shards:05}.arrow" for number in range(shards)]
    rows = -(-len(made) // shards)
    for number, name in enumerate(names):
        write_stream(made.slice(number * rows, rows), folder / name, batch=2)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "f", "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": {"text": {"dtype": "string", "_type": "Value"}}}))


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    for split, language in (("train", "en"), ("validation", "zh")):
        save_as_datasets_does(table(language), tmp_path / "set" / split, 3)
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    (tmp_path / "set" / "train" / "cache-12.arrow").write_bytes(b"another order")
    assert characters(read(tmp_path / "set")) == squeezed(texts("en") + texts("zh"))


def test_a_data_set_with_a_missing_part(tmp_path: Path) -> None:
    save_as_datasets_does(table("en"), tmp_path / "set", 3)
    (tmp_path / "set" / "data-00001-of-00003.arrow").unlink()
    assert "of which a part is missing" in refusal(tmp_path / "set")
    assert "lists 'data-00001-of-00003.arrow'" in refusal(tmp_path / "set")


def test_a_state_that_names_a_place_elsewhere_is_not_followed(tmp_path: Path) -> None:
    save_as_datasets_does(table("en"), tmp_path / "set", 1)
    write_stream(table("zh"), tmp_path / "secret.arrow")
    (tmp_path / "set" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../secret.arrow"}]}))
    assert "of which a part is missing" in refusal(tmp_path / "set")
