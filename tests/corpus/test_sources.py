"""What corpora can be built from: pipes, programs, files of several shapes."""

import errno
import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import Documents
from maskwright.errors import BadInput
from maskwright.text.inputs import InputFile
from maskwright.text.readers import RawDocument
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from tests.corpus.folders import texts


def test_the_standard_input_is_read_as_a_file_is(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "t")
    code = "import sys; from maskwright.corpus.build import *; build_corpus(['-'], sys.argv[1], tokenizer=sys.argv[2])"
    for _ in range(2):
        with text.open("rb") as stream:
            subprocess.run([sys.executable, "-c", code, tmp_path / "c", tmp_path / "t"], stdin=stream, check=True)
    made, wanted = Corpus.open(tmp_path / "c"), build_corpus([text], tmp_path / "d", tokenizer=tokenizer)
    assert texts(made.train, tokenizer) == texts(wanted.train, tokenizer)
    assert made.train.document_name(0).startswith("standard input:")
    assert sorted(os.listdir(tmp_path)) == ["c", "d", "t"]


def piped(pipe: Path, content: bytes) -> threading.Thread:
    """A thread that writes `content` into a named pipe as soon as somebody reads it."""
    if not pipe.exists():
        os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    thread.start()
    return thread


def test_pipes_are_read_as_files_are(
    text: Path, tokenizer: WordPiece, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = b"".join(json.dumps({"text": " ".join(c.sentences[:40])}).encode() + b"\n" for c in sample("en")[130:])
    (tmp_path / "rows").write_bytes(rows)
    packed = gzip.compress(text.read_bytes())
    inputs = [tmp_path / "one", tmp_path / "rows", tmp_path / "two"]
    for _ in range(2):
        threads = [piped(inputs[0], packed), piped(inputs[2], rows[: rows.index(b"\n") + 1])]
        made = build_corpus(inputs, tmp_path / "c", tokenizer=tokenizer)
        for thread in threads:
            thread.join(10)
        assert not (tmp_path / "c.partial").exists()
    (tmp_path / "three").write_bytes(rows[: rows.index(b"\n") + 1])
    wanted = build_corpus([text, tmp_path / "rows", tmp_path / "three"], tmp_path / "d", tokenizer=tokenizer)
    assert made.manifest.text == wanted.manifest.text and texts(made.train, tokenizer) == texts(wanted.train, tokenizer)
    names = {made.train.document_name(d).partition(":")[0] for d in range(made.train.num_documents)}
    assert names >= {"pipe 1", "rows"} and names <= {"pipe 1", "rows", "pipe 3"}
    piped(inputs[0], packed), piped(inputs[2], b'{"text": "Something else."}\n')
    with pytest.raises(BadInput, match="holds another corpus"):
        build_corpus(inputs, tmp_path / "c", tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "{} is empty"), (b"It was so.\xe9\n", "{} is not UTF-8: byte 10 ")]
)
def test_bad_text_from_a_pipe_is_named_as_it_was_given(
    tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    piped(tmp_path / "pipe", content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for given, name in ((tmp_path / "pipe", str(tmp_path / "pipe")), ("-", "standard input")):
        with pytest.raises(BadInput) as caught:
            build_corpus([given], tmp_path / "c", tokenizer=tokenizer)
        assert str(caught.value).startswith(message.format(name))
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_disk_too_full_for_a_pipe_is_named(
    tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: InputFile) -> Iterator[bytes]:
        yield b"It was so."
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("maskwright.corpus.sources.packed", full)
    with pytest.raises(OSError, match=r"c\.partial") as caught:
        build_corpus(["-"], tmp_path / "c", tokenizer=tokenizer)
    assert caught.value.errno == errno.ENOSPC and not os.listdir(tmp_path)


def test_a_pipe_is_not_copied_into_a_folder_of_somebody_elses(tokenizer: WordPiece, tmp_path: Path) -> None:
    (tmp_path / "c.partial").mkdir()
    (tmp_path / "c.partial" / "thesis.tex").write_text("years of work")
    os.mkfifo(tmp_path / "pipe")  # nobody writes: reading it would wait for ever
    with pytest.raises(BadInput, match=r"thesis\.tex"):
        build_corpus([tmp_path / "pipe"], tmp_path / "c", tokenizer=tokenizer)
    assert os.listdir(tmp_path / "c.partial") == ["thesis.tex"]


def test_documents_that_a_program_makes(tokenizer: WordPiece, tmp_path: Path) -> None:
    def diary() -> Iterator[RawDocument]:
        for day in range(1, 31):
            yield RawDocument(f"It was day {day}. So it was.", "paragraphs", f"day {day}", f"day {day}")

    for _ in range(2):
        source = Documents(diary(), {"diary": 30}, language="en")
        made = build_corpus(source, tmp_path / "c", tokenizer=tokenizer)
        assert made.train.num_sentences + made.held_out.num_sentences == 60
        assert made.train.document_name(0).startswith("day ")
    with pytest.raises(BadInput, match="diary 30, not 31"):
        build_corpus(Documents(diary(), {"diary": 31}, language="en"), tmp_path / "c", tokenizer=tokenizer)


def test_jsonl_and_paragraphs_are_documents_too(tokenizer: WordPiece, tmp_path: Path) -> None:
    rows = [{"text": " ".join(chapter.sentences[:40])} for chapter in sample("en")[:30]]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = build_corpus([tmp_path / "t.jsonl"], tmp_path / "c", tokenizer=tokenizer)
    assert made.train.num_documents + made.held_out.num_documents == 30
    assert made.train.num_sentences + made.held_out.num_sentences > 30 * 20
