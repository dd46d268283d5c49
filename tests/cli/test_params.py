"""The verb params: the table, JSON, folders, and what is refused."""

import json
from pathlib import Path

import pytest

from maskwright.cli import main
from tests.checkpoints import made_up
from tests.inference.static_models import pretrained, small_corpus


def test_the_table_of_base(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params", "base"]) == 0
    shown = capsys.readouterr().out
    for number in ("23,835,648", "28,311,552", "56,623,104", "38,400", "108,808,704", "109,482,240", "110,106,428"):
        assert number in shown
    assert "(V + P + G) H" in shown and "V = 30,522  H = 768  L = 12" in shown


def test_json_and_other_vocabularies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params", "bert-tiny", "--vocab-size", "1000", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["components"]["embeddings"] == (1000 + 512 + 2) * 128
    assert sum(row["parameters"] for row in said["rows"]) == said["everything"]


def test_other_networks_and_what_an_albert_shares(capsys: pytest.CaptureFixture[str]) -> None:
    shown: dict[str, str] = {}
    for arguments in (["roberta-large"], ["albert-base"], ["albert-base", "--shared", "attention"], ["xlm-base"]):
        assert main(["params", *arguments]) == 0
        shown[" ".join(arguments)] = capsys.readouterr().out
    assert "355,359,744" in shown["roberta-large"] and "next sentence" not in shown["roberta-large"]
    assert "11,683,584" in shown["albert-base"] and "head for sentence order" in shown["albert-base"]
    assert "B = 1  F = 12" in shown["albert-base --shared attention"] and "4 B H²" in shown["albert-base"]
    assert "(V + P + N) H" in shown["xlm-base"] and "pooler" not in shown["xlm-base"]


@pytest.mark.parametrize("heads", [("mlm", "nsp"), ("mlm",), ()], ids=str)
def test_a_folder_is_counted_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], heads: tuple[str, ...]
) -> None:
    model = made_up.folder(tmp_path / "model", heads)
    assert main(["params", str(tmp_path / "model"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    absent = 16 * 17 if heads == ("mlm",) else 0  # a BertForMaskedLM has no pooler
    assert said["everything"] == sum(p.numel() for p in model.parameters()) - absent
    assert main(["params", str(tmp_path / "model")]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["huge"], "huge is neither a size (albert-tiny, albert-base, "),
        (["gpt-base"], "xlm-roberta-large; tiny is bert-tiny) nor a model folder"),
        (["base", "--shared", "attention"], "--shared attention: the layers of base share nothing; ALBERT's do"),
        (["base", "--vocab-size", "0"], "--vocab-size 0: choose 1 to 10,000,000"),
        (["."], "config.json: missing"),
    ],
)
def test_what_cannot_be_counted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["params", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1 and not captured.out


def test_tables_that_are_no_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kept, everything in (
        ("word2vec", 30522 * 300, 2 * 30522 * 300),
        ("word2vec-100", 30522 * 100, 2 * 30522 * 100),
        ("bag_of_words", 30522, 30522),
        ("bag_of_words-100", 30522 * 101, 30522 * 101),
    ):
        assert main(["params", name, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["encoder"], said["everything"]) == (kept, everything)
        assert sum(row["parameters"] for row in said["rows"]) == everything
        assert main(["params", name]) == 0
        assert f"{kept:,}" in capsys.readouterr().out
    model = pretrained("word2vec", small_corpus(tmp_path), tmp_path / "run", "--size", "tiny", "--training.epochs", "1")
    capsys.readouterr()
    assert main(["params", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["encoder"] == 900 * 16
    for arguments, told in (
        (["word2vec-500"], "no size '500'"),
        (["word2vec", "--shared", "all"], "no layers to share"),
        (["word2vec", "--vocab-size", "0"], "choose 1 to"),
        ([str(model), "--vocab-size", "5"], "whose vocabulary is what it is"),
    ):
        assert main(["params", *arguments]) == 2
        assert told in capsys.readouterr().err
