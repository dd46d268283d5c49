"""`maskwright corpus` and `maskwright tokenizer`: what they print, and exit code 2 for what a user can mend."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.corpus.read import Corpus
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece


@pytest.fixture
def text(tmp_path: Path) -> Path:
    chapters = ["\n".join(chapter.sentences[:30]) for chapter in sample("en")[:40]]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "austen.txt").write_text("\n\n".join(chapters) + "\n")
    return tmp_path / "in"


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def test_a_folder_of_text_becomes_a_corpus(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["corpus", text, "--out", tmp_path / "c", "--vocab-size", "1000", "--held-out", "0.1", "--workers", "1"]
    assert run(*command, "--json") == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    made = Corpus.open(tmp_path / "c", verify="checksums")
    assert result["fingerprint"] == made.fingerprint and result["vocabulary"] == 1000
    assert result["train"]["tokens"] == made.train.num_tokens and result["held-out"]["documents"] == 4
    assert "austen.txt: sentences" in printed.err
    assert run(*command) == 0
    printed = capsys.readouterr()
    assert "finished already" in printed.err and made.fingerprint in printed.out
    assert run(*command, "--seed", "1") == 2
    assert "seed 0, not 1" in capsys.readouterr().err


def test_a_sample_text_and_two_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = WordPiece.train(sample("zh")[0].sentences, 500)
    tokenizer.save(tmp_path / "t")
    given = ["--tokenizer", tmp_path / "t", "--workers", "2"]
    assert run("corpus", "--sample", "sanguo", "--out", tmp_path / "c", *given) == 0
    assert "rjieba" in capsys.readouterr().out
    made = Corpus.open(tmp_path / "c")
    assert made.manifest.language == "zh" and made.tokenizer.fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no text was given"),
        (["nowhere"], "nowhere does not exist"),
        (["--sample", "austen", "in"], "--sample austen and in"),
        (["in", "--tokenizer", "in", "--vocab-size", "100"], "--tokenizer brings its vocabulary"),
        (["in", "--tokenizer", "in"], "in has no tokenizer"),
        (["in", "--held-out", "2"], "held-out share 2.0"),
        (["in", "--shape", "jsonl"], "is not of shape jsonl"),
        (["in", "--vocabsize", "7"], "unknown option --vocabsize"),
        (["in", "--workers", "0"], "workers is 0"),
        (["empty"], "has no text"),
        (["binary.txt"], "binary"),
        (["latin.txt"], "byte 10"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_leaves_nothing(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "latin.txt").write_bytes(b"It was so.\xe9\n")
    assert run("corpus", *arguments, "--out", "c") == 2
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if line.startswith("maskwright: error:")]
    assert len(errors) == 1 and message in errors[0] and printed.out == ""
    assert sorted(os.listdir(tmp_path)) == ["binary.txt", "empty", "in", "latin.txt"]


def test_a_tokenizer_is_trained_and_shown(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tokenizer", "train", text, "--out", tmp_path / "t", "--vocab-size", "800", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["vocabulary"] == 800
    assert WordPiece.load(tmp_path / "t").fingerprint == result["fingerprint"]
    assert run("tokenizer", "show", tmp_path / "t", "The Élan [MASK]", "", "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["tokens"][1] == {"token": "the", "id": first["tokens"][1]["id"], "word": 0, "span": [0, 3]}
    assert [row["token"] for row in second["tokens"]] == ["[CLS]", "[SEP]"]
    assert run("tokenizer", "show", tmp_path / "t", "The end") == 0
    assert "the " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "t"], "a tokenizer and a text"),
        (["show", "nowhere", "x"], "nowhere is no file"),
        (["train", "in"], "needs --out"),
        (["train", "in", "--out", "in"], "in exists already"),
        (["train", "--out", "t"], "no text was given"),
        (["train", "in", "pipe", "--out", "t"], "several readings of its text, pipe gives only one"),
    ],
)
def test_tokenizer_usage(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert run("tokenizer", *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="the shell that has <( )")
def test_what_the_shell_puts_in_for_a_command(text: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m maskwright corpus <(cat in/austen.txt) --out c --vocab-size 500 --workers 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "pipe 1: sentences" in done.stderr
    assert Corpus.open(tmp_path / "c").train.num_documents == 38


def test_pairs_of_sentences_become_a_parallel_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"Line {n} is here.\t第{n}行在这里。" for n in range(40)] + [
        "No Chinese.\t",
        "Line 1 is here.\t第1行在这里。",
    ]
    (tmp_path / "p.tsv").write_text("\n\n".join(rows) + "\n")
    command = ["corpus", tmp_path / "p.tsv", "--languages", "en,zh", "--out", tmp_path / "c", "--vocab-size", "200"]
    assert run(*command, "--workers", "1", "--json") == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert "p.tsv: tsv, en and zh" in printed.err and result["pairs of"] == "en and zh"
    assert result["train"]["sentences"] + result["held-out"]["sentences"] == 80
    assert result["dropped"]["pairs with an empty side"].startswith("1, such as p.tsv:81")
    assert result["dropped"]["pairs that stood before"].startswith("1, such as p.tsv:83")
    assert run("corpus", "head", tmp_path / "c") == 0
    assert "行在这里。" in capsys.readouterr().out
    for side in ("en", "zh"):
        (tmp_path / side).write_text("a\nb\nc\n")
    aligned = ["corpus", tmp_path / "en", tmp_path / "zh", "--languages", "en,zh", "--out", tmp_path / "d"]
    assert run(*aligned, "--kind", "characters", "--workers", "1") == 0
    assert Corpus.open(tmp_path / "d").manifest.languages == ("en", "zh")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "en"], "has 1 names: give two"),
        (["--languages", "en,en"], "give two different names"),
        (["--languages", "en,zh", "--shape", "csv"], "pairs have no --shape csv"),
        (["--languages", "en,zh", "--language", "zh"], "leave --language"),
        (["--languages", "en,zh", "--clean.unicode", "NFC"], "could part the two sides"),
        (["--shape", "aligned"], "--shape aligned is of pairs"),
        (["--languages", "en,zh"], "p.tsv line 2 has no tab"),
    ],
)
def test_what_does_not_go_with_pairs_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "p.tsv").write_text("a\tb\nc\n")
    assert run("corpus", tmp_path / "p.tsv", "--out", tmp_path / "c", *arguments) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert len(printed) == 1 and message in printed[0]
    assert not (tmp_path / "c").exists() and not (tmp_path / "c.partial").exists()
