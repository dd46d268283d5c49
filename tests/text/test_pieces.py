"""Inputs cut into pieces: the documents stay what they are, whatever the size of the pieces."""

import gzip
import json
import pickle
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.text.documents import RawDocument
from maskwright.text.formats import plain
from maskwright.text.inputs import find_inputs
from maskwright.text.pieces import pieces, read_piece
from maskwright.text.readers import Part, lines_of, read_part, read_raw
from tests.text.inputs import as_jsonl, as_sentences, chapters

SIZES = [1, 1000, 30_000, 200_000, 1 << 30]


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: bytes | str, name: str = "a.txt") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def whole(*paths: Path, language: str = "en", shape: str = "auto") -> list[RawDocument]:
    return [
        raw
        for one in find_inputs(paths)
        for raw in read_part(Part(one, shape), language)  # type: ignore[arg-type]
    ]


def in_pieces(*paths: Path, size: int, language: str = "en", shape: str = "auto") -> list[RawDocument]:
    """The documents of all pieces, each sent through a pickle as to another process."""
    made = pieces(find_inputs(paths), size, shape=shape)  # type: ignore[arg-type]
    return [raw for piece in made for raw in read_piece(pickle.loads(pickle.dumps(piece)), language)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", [as_sentences, as_jsonl])
def test_documents_are_those_of_the_whole_file(
    file: Callable[..., Path], form: Callable[[list[list[str]]], str], language: str, size: int
) -> None:
    path = file(form(chapters(language, 30)))
    expected = whole(path, language=language)
    assert len(expected) == 30
    found = in_pieces(path, size=size, language=language)
    assert found == expected
    assert (len(pieces(find_inputs([path]), size)) > 1) == (size < path.stat().st_size)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@given(data=st.data())
def test_any_file_of_lines_is_read_whole(
    tmp_path_factory: pytest.TempPathFactory, ends: str, data: st.DataObject
) -> None:
    line = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters=" \t"), max_size=30)
    lines = data.draw(st.lists(st.one_of(st.just(""), line), min_size=1, max_size=60))
    size = data.draw(st.integers(1, 400))
    folder = tmp_path_factory.mktemp("any")
    for shape, content in (
        ("sentences", lines),
        ("paragraphs", lines),
        ("jsonl", [json.dumps({"text": one}, ensure_ascii=False) if one.strip() else one for one in lines]),
    ):
        path = folder / shape
        path.write_text(ends.join(content), newline="", encoding="utf-8")
        try:
            expected = whole(path, shape=shape)
        except BadInput:  # white space, or of another shape
            continue
        found = in_pieces(path, size=size, shape=shape)
        if shape == "paragraphs":  # prose of less than a document: pieces make several of it
            assert "\n".join(raw.text for raw in found) == "\n".join(raw.text for raw in expected)
        else:
            assert found == expected


def wrapped(documents: list[list[str]], columns: int) -> str:
    import textwrap

    texts = [" ".join(one[at : at + 6]) for one in documents for at in range(0, len(one), 6)]
    return "\n\n".join(textwrap.fill(text, columns) for text in texts)


@pytest.mark.parametrize("size", [1, 20_000, 50_000])
@pytest.mark.parametrize("empty_lines", [True, False])
def test_prose_has_the_same_paragraphs_in_documents_of_its_pieces(
    file: Callable[..., Path], size: int, empty_lines: bool
) -> None:
    content = wrapped(chapters("en"), 72)
    if not empty_lines:
        content = content.replace("\n\n", "\n")
    path = file(content)
    expected = "\n".join(raw.text for raw in whole(path))
    made = pieces(find_inputs([path]), size)
    assert len(made) > 2
    assert "\n".join(raw.text for piece in made for raw in read_piece(piece, "en")) == expected
    for piece in made[:20]:
        (part,) = piece.parts
        alone = file(path.read_bytes()[part.begin : part.end], "part/a.txt")
        texts = [raw.text for raw in whole(alone, shape="paragraphs")]
        assert [raw.text for raw in read_piece(piece, "en")] == texts


def test_prose_of_whole_documents_is_cut_into_the_same(file: Callable[..., Path]) -> None:
    paragraph = "It rained. " * 500
    path = file("\n\n".join([paragraph] * 40))
    part = 10 * (len(paragraph) + 2)  # ten paragraphs are one document of more than PROSE_DOCUMENT characters
    assert 9 * len(paragraph) < plain.PROSE_DOCUMENT < 10 * len(paragraph)
    assert len(pieces(find_inputs([path]), part - 100)) == 4
    assert in_pieces(path, size=part - 100) == whole(path)


def test_lines_are_numbered_as_in_the_whole_file(file: Callable[..., Path]) -> None:
    rows = as_jsonl(chapters("en")).split("\n")
    path = file("\n".join([*rows[:7], '{"txt": 1}', *rows[7:]]), "a.jsonl")
    raws = in_pieces(path, size=2000)
    assert raws[7].source == "a.jsonl:8"
    with pytest.raises(BadInput, match=r"a.jsonl line 8 has no \"text\""):
        lines_of(raws[7], "en")
    path = file("\n".join(rows[:9]).encode() + b"\n{\xff}\n", "b.jsonl")
    with pytest.raises(BadInput, match=rf"b.jsonl is not UTF-8: byte {path.stat().st_size - 3} \(0xff, line 10\)"):
        in_pieces(path, size=2000)


def test_small_files_are_gathered_in_order(file: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(20):
        file("It rained.\n" * (number + 1), f"in/{number:02}.txt")
    file("", "in/empty.txt")
    made = pieces(find_inputs([tmp_path / "in"]), 500)
    assert [raw.source for piece in made for raw in read_piece(piece, "en")] == [f"{n:02}.txt:1" for n in range(20)]
    assert 4 < len(made) < 12
    assert all(piece.size <= 500 for piece in made)
    assert all(before.size + after.parts[0].file.size > 500 for before, after in pairwise(made))


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    texts = [" ".join(one) for one in chapters("en", 30)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=4, compression="none")
    made = pieces(find_inputs([tmp_path / "a.parquet"]), 100_000)
    assert 2 < len(made) < 8
    assert [(part.begin, part.first) for piece in made for part in piece.parts][1][1] % 4 == 1
    assert [raw for piece in made for raw in read_piece(piece, "en")] == whole(tmp_path / "a.parquet")
    assert [raw.source for raw in whole(tmp_path / "a.parquet")] == [f"a.parquet:{row}" for row in range(1, 31)]


def test_what_cannot_be_cut_is_one_piece(file: Callable[..., Path], tmp_path: Path) -> None:
    content = as_sentences(chapters("en"))
    packed = file(gzip.compress(content.encode(), 1), "a.txt")
    assert len(pieces(find_inputs([packed]), 1000)) == 1
    table = file("text\n" + "It rained.\n" * 1000, "a.csv")
    assert len(pieces(find_inputs([table]), 1000)) == 1
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("a.txt", "b.txt", "c.txt"):
            archive.writestr(name, content)
    made = pieces(find_inputs([tmp_path / "a.zip"]), 1000)
    assert [piece.parts[0].file.member for piece in made] == ["a.txt", "b.txt", "c.txt"]
    assert in_pieces(tmp_path / "a.zip", size=1000) == whole(tmp_path / "a.zip")


def test_a_file_without_empty_lines_is_cut_at_ends_of_lines(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.text.pieces._LONGEST_SEARCH", 5000)
    path = file("It rained.\n" * 20_000)
    made = pieces(find_inputs([path]), 50_000)
    assert len(made) == 5
    sentences = [line for piece in made for raw in read_piece(piece, "en") for line in lines_of(raw, "en").lines]
    assert sentences == ["It rained."] * 20_000


def test_a_line_that_is_longer_than_pieces_stays_whole(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.dumps({"text": "x" * size}) for size in (10, 3_000_000, 10)]
    path = file("\n".join(rows), "a.jsonl")
    assert in_pieces(path, size=1000) == whole(path)
    prose = file("\n".join(["It rained. " * 10, "x" * 3_000_000, "She smiled. " * 10]), "a.txt")
    assert "".join(raw.text for raw in in_pieces(prose, size=1000)) == "".join(raw.text for raw in whole(prose))
    monkeypatch.setattr("maskwright.text.lines.LONGEST_LINE", 1 << 20)
    with pytest.raises(BadInput, match="a.jsonl line 2 is longer than 1 MiB"):
        in_pieces(path, size=1000)


def test_read_raw_names_documents_by_path_and_pieces_by_label(file: Callable[..., Path], tmp_path: Path) -> None:
    path = file("It rained.", "in/b/a.txt")
    (one,) = find_inputs([tmp_path / "in"])
    assert next(read_raw(one, "auto", "en")).source == f"{path}:1"
    assert next(read_piece(pieces([one])[0], "en")).source == "b/a.txt:1"
