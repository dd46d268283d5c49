"""The verb senses: the table, JSON, the page, and what is refused."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from maskwright.cli import main
from tests.checkpoints.made_up import folder as made_up
from tests.inference.static_models import pretrained, small_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def models(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    place = tmp_path_factory.mktemp("models")
    made_up(place / "bert")
    pretrained("word2vec", corpus, place / "static", "--size", "tiny", "--training.epochs", "1")
    return ["--model", str(place / "static" / "model"), "--model", str(place / "bert")]


def test_word2vec_is_one_point_of_the_page_and_bert_is_not(
    corpus: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, line = tmp_path / "page.html", ["senses", "she", *models, "--corpus", str(corpus), "--most", "40"]
    capsys.readouterr()
    assert main([*line, "--out", str(page), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    static, bert = said["models"]
    assert (static["model"], bert["model"]) == ("static", "bert") and said["sentences"] == 40
    assert (static["distinct"], static["spread"], static["silhouette"]) == (1, 0, None)
    assert bert["distinct"] == bert["vectors"] > 5 and bert["spread"] > 0  # the others are cut off before the word
    assert sum(cluster["sentences"] for cluster in bert["clusters"]) == bert["vectors"]
    html = page.read_text(encoding="utf-8")
    drawn = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html)]
    assert len(drawn[0].findall("circle")) == 1 < len(drawn[1].findall("circle"))
    outside = re.findall(r"https?://[^\"<]*", html)
    assert set(outside) <= {"http://www.w3.org/2000/svg"} and "<mark>she</mark>" in html
    assert drawn[0].findtext("circle/title", "").startswith("40 sentences, among them: ")
    assert main(line) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split("  ")[0] == "model" and rows[1].split()[:4] == ["static", "40", "1", "0"]


def test_sentences_of_files_and_of_the_sample(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.txt").write_text("Was she happy? She was. Here she is!\nAnd she?\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["senses", "she", *models[:2], "--texts", str(tmp_path / "t.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sentences"] == 3
    assert main(["senses", "曹操", *models[2:], "--most", "5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["source"] == "the sample text (zh)" and said["sentences"] == 5


def test_labelled_examples_give_a_score(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("she came in", "a"), ("when she came", "a"), ("Was she happy?", "b")]
    text = "".join(json.dumps({"word": "she", "sentence": s, "sense": sense}) + "\n" for s, sense in rows)
    (tmp_path / "e.jsonl").write_text(text, encoding="utf-8")
    capsys.readouterr()
    line = ["senses", "--examples", str(tmp_path / "e.jsonl"), *models]
    assert main([*line, "--json", "--out", str(tmp_path / "page.html")]) == 0
    static, bert = json.loads(capsys.readouterr().out)["models"]
    assert static["score"]["auc"] == {"mean": 0.5, "low": 0.5, "high": 0.5} and "distinct" not in static
    assert bert["score"]["gain"]["mean"] == bert["score"]["auc"]["mean"] - 0.5
    assert "Labelled examples" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert main(["senses", "she", *line[1:]]) == 0
    assert "50.0%" in capsys.readouterr().out


def test_what_will_not_do_is_one_line(
    corpus: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, told in (
        (["she"], "--model requires an argument"),
        (models, "which word? give one, or --examples"),
        (["  ", *models], "the word is empty"),
        (["xyzzy", *models], "no sentence of the sample text (en) has the word 'xyzzy'"),
        (["she", *models, "--texts", "a.txt", "--corpus", str(corpus)], "give one of them"),
        (["she", *models, "--most", "1"], "--most 1: choose 2"),
        (["she", *models, "--out", str(tmp_path / "page.txt")], "the page is a .html file"),
        (["she", *models, "--out", str(tmp_path / "no" / "page.html")], "in a folder that is there"),
        (["she", *models, "--layer", "7"], "layer 7: "),
        (["she", "--model", str(tmp_path)], "config.json"),
        (["--examples", str(tmp_path / "none.jsonl"), *models], "none.jsonl"),
        ([*models, "--examples", "e.jsonl", "--corpus", str(corpus)], "no word to look for"),
    ):
        capsys.readouterr()
        assert main(["senses", *arguments]) == 2, arguments
        lines = capsys.readouterr().err.splitlines()
        assert told in lines[-1] and lines[-1].startswith("maskwright: error: "), (arguments, lines)


def test_a_bag_of_words_is_refused(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = pretrained("bag_of_words", corpus, tmp_path / "bag")
    capsys.readouterr()
    assert main(["senses", "she", "--model", str(bag)]) == 2
    assert "a token by itself has no vector" in capsys.readouterr().err
