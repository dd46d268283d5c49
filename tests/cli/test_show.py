"""`maskwright show` on a small real corpus: what a person sees, what a program gets."""

import json
from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.text.samples import sample


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("show")
    text = folder / "text.txt"
    text.write_text("\n\n".join("\n".join(chapter.sentences[:80]) for chapter in sample("en")[::8]), "utf-8")
    build_corpus([text], folder / "corpus", vocab_size=1500, held_out=0.1)
    return folder / "corpus"


def test_examples_are_marked_without_colour(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "bert", "--size", "tiny", "--corpus", str(corpus), "--tokens", "20000"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("[CLS]") >= 20 and "20. B " in out and "21. B " not in out
    assert "[MASK←" in out and "random next sentences" in out


def test_json_has_the_same_examples_and_rates_beside_the_wanted_ones(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["show", "quick", "--corpus", str(corpus), "--examples", "3", "--masks.rate", "0.4"]
    assert main([*line, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert main(line) == 0
    out = capsys.readouterr().out
    assert [example["text"] in out for example in result["examples"]] == [True] * 3
    rates = {rate["name"]: rate for rate in result["rates"]}
    assert rates["tokens to predict"]["wanted"] == 0.4
    assert rates["tokens to predict"]["measured"] == pytest.approx(0.4, abs=0.01)
    assert rates["tokens to predict"]["trials"] >= 1_000_000
    assert rates["of these [MASK]"]["measured"] == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["bort"], "bort"),
        (["bert", "--examples", "-1"], "--examples -1"),
        (["bert", "--tokens", "0"], "--tokens 0"),
        (["bert", "--masks.rat", "0.1"], "rat"),
    ],
)
def test_bad_input_is_one_line(
    corpus: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert main(["show", *arguments, "--corpus", str(corpus)]) == 2
    err = capsys.readouterr().err
    assert named in err and err.count("\n") == 1
