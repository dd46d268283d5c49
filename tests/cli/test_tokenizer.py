"""`maskwright tokenizer` with every kind: train, show, compare."""

import json
from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.text.samples import sample
from maskwright.tokenizers.loading import load_tokenizer


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    lines = [*sample("en")[50].sentences, "", *sample("zh")[0].sentences, "曹操黄巾！曹操黄巾！"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["byte_bpe", "unigram", "characters", "words"])
def test_each_kind_is_trained_and_shown(
    kind: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tokenizer", "train", text, "--kind", kind, "--vocab-size", 2000, "--out", tmp_path / "t", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kind"] == kind and load_tokenizer(tmp_path / "t").fingerprint == result["fingerprint"]
    sentence = "My dear 玄德曰"
    assert run("tokenizer", "show", tmp_path / "t", sentence, "--json") == 0
    tokens = [row for row in json.loads(capsys.readouterr().out)[0]["tokens"] if row["word"] >= 0]
    first = [sentence[slice(*row["span"])] for row in tokens if row["word"] == 0]
    assert "".join(first) == "My"
    assert tokens[-1]["span"][1] == len(sentence)
    assert run("tokenizer", "show", tmp_path / "t", sentence) == 0
    assert capsys.readouterr().out.startswith("token ")


@pytest.mark.parametrize(
    ("kind", "style", "ends"),
    [
        ("byte_bpe", "gpt2", ["<|endoftext|>"]),
        ("unigram", "xlnet", ["<sep>", "<cls>"]),
        ("byte_bpe", "roberta", ["</s>"]),
    ],
)
def test_a_vocabulary_has_the_special_tokens_of_its_style(
    kind: str, style: str, ends: list[str], text: Path, tmp_path: Path
) -> None:
    given = ("--kind", kind, "--style", style, "--vocab-size", 2000, "--out", tmp_path / "t")
    assert run("tokenizer", "train", text, *given) == 0
    made = load_tokenizer(tmp_path / "t")
    assert made.id_to_token(made.sep_id or 0) in ends
    assert style == "gpt2" or list(made.encode_pair("My dear").tokens)[-len(ends) :] == ends


def test_a_style_of_another_kind_is_refused(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tokenizer", "train", text, "--style", "xlnet", "--out", tmp_path / "t") == 2
    assert "wordpiece has none of that name (its special tokens are always the same)" in capsys.readouterr().err
    assert run("tokenizer", "train", text, "--kind", "unigram", "--style", "gpt2", "--out", tmp_path / "t") == 2
    assert "(there are albert, xlnet, xlm-roberta)" in capsys.readouterr().err


def test_words_of_chinese_are_shown_and_trained_by_the_segmenter(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dict.txt").write_text("曹操黄巾\n", encoding="utf-8")
    line = ["--kind", "words", "--segmenter", "rjieba", "--dictionary", tmp_path / "dict.txt", "--language", "zh"]
    assert run("tokenizer", "train", text, *line, "--out", tmp_path / "w") == 0
    assert "曹操黄巾" in load_tokenizer(tmp_path / "w").tokens
    assert run("tokenizer", "train", text, "--out", tmp_path / "p", "--language", "zh") == 0
    capsys.readouterr()
    for more, words in (([], [0, 0, 1, 1]), (["--dictionary", tmp_path / "dict.txt"], [0, 0, 0, 0])):
        assert run("tokenizer", "show", tmp_path / "p", "曹操黄巾", *more, "--json") == 0
        assert [row["word"] for row in json.loads(capsys.readouterr().out)[0]["tokens"]][1:-1] == words


def test_tokenizers_are_compared(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("wordpiece", "characters"):
        assert run("tokenizer", "train", text, "--kind", kind, "--vocab-size", 900, "--out", tmp_path / kind) == 0
    capsys.readouterr()
    paths = [tmp_path / "wordpiece", tmp_path / "characters", tmp_path / "wordpiece" / "vocab.txt"]
    report = tmp_path / "r.html"
    assert run("tokenizer", "compare", *paths, text, "--report", report, "--json") == 0
    first, second, third = json.loads(capsys.readouterr().out)
    assert first["rates"] == third["rates"] and first["kind"] == "wordpiece"
    lines = text.read_text().split()
    assert second["tokens"] == sum(len(part.encode()) for part in lines)
    assert first["words"] == second["words"] and abs(sum(first["pieces"]) - 1) < 1e-9
    assert second["worst"][0][1] == max(len(word.encode()) for word, _ in second["worst"])
    assert "Words by pieces" in report.read_text() and str(paths[0]) in report.read_text()
    assert run("tokenizer", "compare", *paths, text) == 0
    assert "tokens per word" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "t", "text.txt"], "two tokenizers or more"),
        (["compare", "t", "t"], "two tokenizers or more"),
        (["compare", "t", "nowhere", "text.txt"], "nowhere is no file or folder"),
        (["compare", "t", "t", "text.txt", "--report", "no/r.html"], "cannot be written"),
        (["show", "t", "x", "--segmenter", "jieba"], "'jieba' is not known"),
        (["show", "t", "x", "--dictionary", "nowhere"], "cannot be read"),
        (["train", "text.txt", "--out", "n", "--segmenter", "rjieba"], "without a segmenter"),
        (["train", "text.txt", "--out", "n", "--kind", "unigram", "--vocab-size", "99"], "its characters alone take"),
        (["train", "text.txt", "--out", "n", "--kind", "byte_bpe", "--vocab-size", "5"], "the bytes alone take 261"),
    ],
)
def test_usage(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    load = run("tokenizer", "train", "text.txt", "--kind", "characters", "--out", "t")
    assert load == 0 and capsys.readouterr()
    assert run("tokenizer", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "n").exists()
