"""Documents from files of each shape, plain and packed; and each kind of bad input."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.text.formats import plain
from maskwright.text.inputs import InputFile
from maskwright.text.readers import (
    detect_shape,
    find_inputs,
    read_file,
    read_raw,
    sentences_of,
)
from tests.text.inputs import as_jsonl, as_sentences, chapters, read, refusal

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
SHAPES = ["sentences", "jsonl", "paragraphs"]


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: bytes | str, name: str = "a.txt") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# --- shapes ---


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_sentence_a_line_is_read_back(file: Callable[..., Path], language: str, packing: str) -> None:
    documents = chapters(language)
    path = file(PACK[packing](as_sentences(documents).encode()), "a.txt" + packing)
    assert detect_shape(find_inputs([path])[0]) == "sentences"
    found = read(path, language=language)
    assert [list(document.sentences) for document in found] == documents
    assert found[0].source == f"{path}:1"
    assert found[1].source == f"{path}:{len(documents[0]) + 2}"


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_of_json_are_read_back(file: Callable[..., Path], language: str, packing: str) -> None:
    documents = [[s for s in document if len(s) > 60 or language == "zh"] for document in chapters(language)]
    path = file(PACK[packing](as_jsonl(documents).encode()), "a.jsonl" + packing)
    assert detect_shape(find_inputs([path])[0]) == "jsonl"
    found = read(path, language=language)
    assert len(found) == len(documents)
    for document, sentences in zip(found, documents, strict=True):
        assert "".join("".join(document.sentences).split()) == "".join("".join(sentences).split())
    assert found[3].source == f"{path}:4"


def wrapped(documents: list[list[str]], columns: int = 72) -> str:
    import textwrap

    paragraphs = [" ".join(document[at : at + 6]) for document in documents for at in range(0, len(document), 6)]
    return "\n\n".join(textwrap.fill(paragraph, columns) for paragraph in paragraphs)


def test_wrapped_and_unwrapped_prose_have_the_same_sentences(file: Callable[..., Path]) -> None:
    documents = chapters("en")
    hard, soft = file(wrapped(documents), "hard.txt"), file(wrapped(documents, 10**6), "soft.txt")
    assert {detect_shape(one) for one in find_inputs([hard, soft])} == {"paragraphs"}
    long = [s for document in read(hard) for s in document.sentences]
    assert long == [s for document in read(soft) for s in document.sentences]
    assert len(long) > 0.95 * sum(map(len, documents))


def test_prose_is_cut_into_documents_at_ends_of_paragraphs(file: Callable[..., Path]) -> None:
    path = file(wrapped(chapters("en")))
    found = read(path)
    sizes = [sum(map(len, document.sentences)) for document in found]
    assert len(found) > 2
    assert all(0.9 * plain.PROSE_DOCUMENT < size < 1.5 * plain.PROSE_DOCUMENT for size in sizes[:-1])
    line = int(found[1].source.rpartition(":")[2])
    lines = path.read_text().splitlines()
    assert lines[line - 2] == "" and found[1].sentences[0].startswith(lines[line - 1][:20])


def test_chinese_prose_a_paragraph_a_line(file: Callable[..., Path]) -> None:
    documents = chapters("zh")
    lines = [
        "\u3000\u3000" + "".join(document[at : at + 5]) for document in documents for at in range(0, len(document), 5)
    ]
    path = file("\n".join(lines))
    assert detect_shape(find_inputs([path])[0]) == "paragraphs"
    sentences = [s for document in read(path, language="zh") for s in document.sentences]
    assert "".join(sentences) == "".join(map("".join, documents))
    assert len(set(sentences) & set(sum(documents, []))) > 0.98 * sum(map(len, documents))  # noqa: RUF017


def test_chinese_lines_are_joined_without_a_space(file: Callable[..., Path]) -> None:
    text = "".join(chapters("zh")[0][6:40])
    path = file("\n".join(text[at : at + 37] for at in range(0, len(text), 37)))
    assert "".join(read(path, shape="paragraphs", language="zh")[0].sentences) == text


def test_byte_order_mark_crlf_and_spare_white_space(file: Callable[..., Path]) -> None:
    path = file(b"\xef\xbb\xbfIt \t rained. \r\n She\xc2\xa0smiled.\r\n\r\n\r\n\xe3\x80\x80He bowed.")
    assert [document.sentences for document in read(path)] == [("It rained.", "She smiled."), ("He bowed.",)]


def test_a_row_without_words_is_no_document(file: Callable[..., Path]) -> None:
    path = file('{"text": "One."}\n\n{"text": " \\n "}\n{"text": null}\n{"text": "Two."}\n', "a.jsonl")
    assert [document.source for document in read(path)] == [f"{path}:1", f"{path}:5"]


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])).filter(str.strip), min_size=1))
def test_any_row_of_json_keeps_its_characters(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    found = read(path)
    assert len(found) == len(texts)
    for document, text in zip(found, texts, strict=True):
        assert "".join("".join(document.sentences).split()) == "".join(text.split())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("shape", SHAPES)
def test_raw_documents_bring_their_sentences_later(file: Callable[..., Path], shape: str, language: str) -> None:
    documents = chapters(language)
    content = {"sentences": as_sentences, "jsonl": as_jsonl, "paragraphs": wrapped}[shape](documents)
    (given_file,) = find_inputs([file(content)])
    raws = list(read_raw(given_file, "auto", language))
    assert {raw.shape for raw in raws} == {shape}
    assert "".join("".join(raw.text for raw in raws).split()) == "".join(content.split())
    found = [(sentences_of(raw, language), raw.source) for raw in raws]
    assert found == [tuple(document) for document in read_file(given_file, "auto", language)]


def test_a_row_without_a_sentence_is_no_document(file: Callable[..., Path]) -> None:
    (given_file,) = find_inputs([file('{"text": " \\n"}\n{"text": "It rained."}\n{"text": ""}\n', "a.jsonl")])
    raws = list(read_raw(given_file, "auto", "en"))
    assert [sentences_of(raw, "en") for raw in raws] == [(), ("It rained.",), ()]
    assert [document.source for document in read_file(given_file, "auto", "en")] == [f"{given_file.path}:2"]


# --- files, folders, the standard input ---


def test_a_folder_is_read_in_the_order_of_its_paths(file: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt.gz", "a/2.jsonl", "B.TEXT", ".hidden.txt", ".git/x.txt", "c.py", "empty.txt"):
        content = '{"text": "It rained."}' if "json" in name else "It rained."
        content = "" if "empty" in name else content
        file(gzip.compress(content.encode()) if name.endswith("gz") else content, f"in/{name}")
    found = find_inputs([tmp_path / "in"])
    assert [str(Path(one.path).relative_to(tmp_path / "in")) for one in found] == [
        "B.TEXT",
        "a/2.jsonl",
        "a/z.txt.gz",
        "b.txt",
    ]
    assert [document.sentences for document in read(tmp_path / "in")] == [("It rained.",)] * 4


def test_a_file_is_read_once_and_under_any_name_if_it_is_named(file: Callable[..., Path]) -> None:
    path = file("It rained.", "in/a.txt")
    other = file("She smiled.", "in/notes.md")
    assert [one.path for one in find_inputs([other, path, path.parent, path])] == [str(other), str(path)]
    assert [document.sentences for document in read(other)] == [("She smiled.",)]


@pytest.mark.parametrize("packing", PACK)
def test_the_standard_input_is_read_as_a_file_is(monkeypatch: pytest.MonkeyPatch, packing: str) -> None:
    documents = chapters("en")
    content = PACK[packing](as_sentences(documents).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    (given_file,) = find_inputs(["-", "-"])
    found = list(read_file(given_file, "auto", "en"))
    assert [list(document.sentences) for document in found] == documents
    assert found[0].source == "standard input:1"


def test_members_of_gzip_and_frames_of_zstd_follow_one_another(file: Callable[..., Path]) -> None:
    for name, pack in PACK.items():
        path = file(
            pack(b"It rained.\nShe ") + pack(b"smiled.\n") + (b"\0" * 512 if name == ".gz" else b""), "a.txt" + name
        )
        assert read(path)[0].sentences == ("It rained.", "She smiled.")


def test_what_is_packed_is_found_whatever_its_name(file: Callable[..., Path]) -> None:
    assert read(file(gzip.compress(b"It rained."), "a.txt"))[0].sentences == ("It rained.",)


# --- bad input ---


def test_nothing_to_read(tmp_path: Path, file: Callable[..., Path]) -> None:
    assert "no text was given" in refusal()
    assert refusal(tmp_path / "none.txt") == f"{tmp_path}/none.txt does not exist"
    assert refusal(file("", "e.txt")) == f"{tmp_path}/e.txt is empty"
    assert "e.txt is empty: it holds no character" in refusal(file(" \n\n \r\n" * 500, "e.txt"))
    assert "e.txt.gz is empty" in refusal(file(gzip.compress(b""), "e.txt.gz"))


def test_a_folder_without_text(tmp_path: Path, file: Callable[..., Path]) -> None:
    (tmp_path / "in").mkdir()
    assert "has no text: it has no files" in refusal(tmp_path / "in")
    file("x", "in/photo.png")
    assert "1 files have other names, such as photo.png" in refusal(tmp_path / "in")
    file("", "in/a.txt")
    assert "all of its 1 text files are empty" in refusal(tmp_path / "in")


def test_files_without_words_in_a_folder_are_passed_over(tmp_path: Path, file: Callable[..., Path]) -> None:
    file("  \n", "in/a.txt")
    file("It rained.", "in/b.txt")
    assert len(read(tmp_path / "in")) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"It rained.\nShe\0smiled.", "a.txt is a binary file, not text: byte 14 is NUL (line 2)"),
        (b"\x01\x02\x03It rained." * 20, "is a binary file: 60 control bytes in its first 260 bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.txt is a binary file"),
        ("It rained.".encode("utf-16"), "is UTF-16, not UTF-8: convert it first"),
        (b"BZh91AY&SY", "is cut off: its bzip2 stream ends too early"),
        (b"\xfd7zXZ\0\0\0", "is cut off: its xz stream ends too early"),
        (b"PK\x03\x04\x14\0\0\0", "is no zip archive, damaged, or cut off"),
        (b"7z\xbc\xaf\x27\x1c\0\0", "is a 7z file"),
        (b"%PDF-1.7 ...", "is a PDF file"),
        (b"It rained.\ncaf\xe9.\n", "a.txt is not UTF-8: byte 14 (0xe9, line 2); convert it first"),
        ("话说".encode("gb18030"), "a.txt is not UTF-8: byte 0 ("),
        (b"It rained.\n\xed\xa0\x80", "is not UTF-8: byte 11 (0xed, line 2)"),
        (b"It rained. \xe8\xaf", "is not UTF-8: byte 11 (0xe8, line 1)"),
    ],
)
def test_what_is_no_utf8_text(file: Callable[..., Path], content: bytes, message: str) -> None:
    assert message in refusal(file(content))


@pytest.mark.parametrize("packing", PACK)
def test_the_offset_counts_unpacked_bytes_from_the_beginning(file: Callable[..., Path], packing: str) -> None:
    good = as_sentences(chapters("en") * 20).encode()
    assert len(good) > 2 << 20
    path = file(PACK[packing](good + b"\xff\n" + good), "a.txt" + packing)
    lines = good.count(b"\n")
    assert f"is not UTF-8: byte {len(good)} (0xff, line {lines + 1})" in refusal(path)


@pytest.mark.parametrize("packing", [".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("keep", [9, 0.1, 0.5, 0.999])
def test_what_is_cut_off(file: Callable[..., Path], packing: str, keep: float) -> None:
    packed = PACK[packing](as_sentences(chapters("en")).encode())
    path = file(packed[: keep if keep > 1 else int(keep * len(packed))], "a.txt" + packing)  # type: ignore[misc]
    assert "is cut off: its" in refusal(path)


@pytest.mark.parametrize("packing", [".gz", ".zst", ".bz2", ".xz"])
def test_what_is_damaged(file: Callable[..., Path], packing: str) -> None:
    good = as_sentences(chapters("en")).encode()
    content = PACK[packing](good)
    if packing == ".zst":
        content = zstandard.ZstdCompressor(write_checksum=True).compress(good)
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 16
    assert "damaged" in refusal(file(bytes(flipped), "a.txt" + packing))
    assert "damaged" in refusal(file(content + b"more", "b.txt" + packing))
    assert "is not compressed, or damaged" in refusal(file(good, "c.txt" + packing))


@pytest.mark.parametrize("packing", [".gz", ".zst", ".bz2", ".xz"])
def test_what_swells_beyond_measure(file: Callable[..., Path], packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.compression.ALWAYS_ALLOWED", 1 << 20)
    monkeypatch.setattr("maskwright.text.compression.MOST_TIMES", 200)
    bomb = PACK[packing](b"It rained.\n" * 2_000_000)
    assert "unpacks to more than 200 times its size" in refusal(file(bomb, "a.txt" + packing))
    honest = PACK[packing](as_sentences(chapters("en") * 6).encode())
    assert len(read(file(honest, "b.txt" + packing))) == 72


def test_zstd_without_its_library(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(PACK[".zst"](b"It rained."), "a.txt.zst")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert "is packed by zstd: to read it, run `pip install 'maskwright[zst]'`" in refusal(path)


def test_a_line_without_end(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.lines.LONGEST_LINE", 1 << 20)
    path = file(b"It rained.\nShe smiled.\n" + b"x" * (1 << 20) + b"\n")
    assert read(path)[0].sentences[:2] == ("It rained.", "She smiled.")
    path = file(b"It rained.\nShe smiled.\n" + b"x" * (3 << 20) + b"\n")
    assert "a.txt line 3 is longer than 1 MiB" in refusal(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"txt": "Two."}', 'line 2 has no "text" (it has txt)'),
        ("{}", 'line 2 has no "text" (it has nothing)'),
        ('{"text": ["Two."]}', 'line 2 has a "text" that is not a string'),
        ('{"text": 7}', 'line 2 has a "text" that is not a string'),
        ("[1]", "line 2 is not a JSON object"),
        ("It rained.", "line 2 is not JSON: Expecting value at character 1"),
        ('{"text": "Two."', "line 2 is not JSON"),
        ('{"text": "\\ud83d!"}', "line 2 holds half of a surrogate pair (\\ud83d)"),
        ('{"text": "Two.", "n": ' + "9" * 5000 + "}", "line 2 cannot be read as JSON"),
        ('{"text": ' + "[" * 100_000 + "}", "line 2 "),
    ],
)
def test_a_wrong_row_of_json(file: Callable[..., Path], row: str, message: str) -> None:
    assert message in refusal(file('{"text": "\\ud83d\\ude00 One."}\n' + row + "\n", "a.jsonl"))


def test_a_shape_that_is_not_the_files(file: Callable[..., Path]) -> None:
    rows, prose = file(as_jsonl(chapters("en")), "rows.txt"), file(wrapped(chapters("en")), "prose.txt")
    unwrapped = file(wrapped(chapters("en"), 10**6), "unwrapped.txt")
    assert "line 1 is a JSON object; its shape may be jsonl" in refusal(rows, shape="sentences")
    assert "line 1 is a JSON object; its shape may be jsonl" in refusal(rows, shape="paragraphs")
    assert "line 1 is not JSON; its shape may be paragraphs" in refusal(prose, shape="jsonl")
    assert "goes on with the sentence of the line before; its shape may be paragraphs" in refusal(
        prose, shape="sentences"
    )
    assert "of them; its shape may be paragraphs" in refusal(unwrapped, shape="sentences")
    assert "shape 'prose' is not known: there are auto, sentences, paragraphs, jsonl" in refusal(prose, shape="prose")
    with pytest.raises(BadInput, match="language 'fr' is not known"):
        read(prose, language="fr")


MAGIC = {
    "a.gz": b"\x1f\x8b\x08",
    "a.zst": b"\x28\xb5\x2f\xfd",
    "a.bz2": b"BZh91AY&SY",
    "a.xz": b"\xfd7zXZ\0",
    "a.zip": b"PK\x03\x04",
    "a.parquet": b"PAR1",
    "a.arrow": b"\xff\xff\xff\xff",
    "b.arrow": b"ARROW1\0\0",
    "a.warc": b"WARC/1.0\r\n",
    "a.xml": b"<mediawiki><page><ns>0</ns><text>",
    "a.csv": b"text\n",
    "a.tsv": b"a\ttext\n",
    "a.jsonl": b"",
    "a.txt": b"",
}


@given(content=st.binary(max_size=300), name=st.sampled_from(sorted(MAGIC)))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(MAGIC[name] + content)
    with contextlib.suppress(BadInput):
        for document in read(path):
            assert document.sentences and all(sentence.strip() == sentence != "" for sentence in document.sentences)


def test_an_input_can_be_sent_to_another_process() -> None:
    import pickle

    one = InputFile("a.txt", 3, True)
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.slow
@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("shape", SHAPES)
def test_memory_does_not_grow_with_the_text(tmp_path: Path, packing: str, shape: str) -> None:
    """300 MB of text, in a process of its own: the peak of its memory is that of the first tenth, within 16 MB."""
    import subprocess

    documents = chapters("en")
    block = {
        "sentences": as_sentences(documents) + "\n",
        "jsonl": as_jsonl(documents),
        "paragraphs": wrapped(documents) + "\n",  # not one empty line between two blocks: wrapped paragraphs
    }[shape].encode()
    path = tmp_path / f"big.txt{packing}"
    times = 300_000_000 // len(block)
    with gzip.open(path, "wb", 1) if packing == ".gz" else zstandard.open(path, "wb") as stream:  # type: ignore[union-attr]
        for _ in range(times):
            stream.write(block)  # type: ignore[arg-type]
    program = """
import sys
from maskwright.lab.bench.clock import peak_mib
from maskwright.text.readers import find_inputs, read_file
peak = lambda: int(peak_mib())
early = characters = 0
for document in read_file(find_inputs([sys.argv[1]])[0], "auto", "en"):
    characters += sum(map(len, document.sentences))
    if characters > 30_000_000 and not early:
        early = peak()
print(characters, early, peak())
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    characters, early, late = map(int, done.stdout.split())
    assert characters > 0.95 * 300_000_000
    assert late <= early + 16
    assert late < 300
