"""`maskwright finetune` and `predict` of a bag of words: the same lines, the same folder, what it is not made for."""

import json
import tomllib
from pathlib import Path

import pytest

from maskwright.cli import main
from tests.tasks.bags import bag_folder, drawn_texts, liked, table


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return bag_folder(tmp_path / "model")


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return table(tmp_path / "train.csv", [(text, "yes" if liked(text) > 0 else "no") for text in drawn_texts(200, 0)])


def test_the_same_line_leaves_the_same_folder(
    model: Path, train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    line = (
        "finetune",
        "classification",
        "--model",
        model,
        "--train",
        train,
        "--out",
        out,
        "--json",
        "--linear.c",
        "20",
    )
    assert run(*line) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["finished"] and result["accuracy"] >= 0.8
    assert json.loads((out / "evaluation.json").read_text())["accuracy"] == result["accuracy"]
    assert tomllib.loads((out / "recipe.toml").read_text())["linear"] == {"c": 20.0}
    assert json.loads((out / "environment.json").read_text())["scikit-learn"]
    (told,) = [json.loads(row) for row in (out / "metrics.jsonl").read_text().splitlines()]
    assert told["held_out"]["accuracy"]["task"] == result["accuracy"] <= told["accuracy"]["task"]
    files = {path.name for path in (out / "model").iterdir()}
    assert {"config.json", "model.safetensors", "task.json", "task.safetensors", "README.md", "tokenizer.json"} <= files
    assert json.loads((out / "model" / "task.json").read_text()) == {
        "asks": "class",
        "labels": ["no", "yes"],
        "pairs": False,
    }
    before = (out / "model" / "task.safetensors").read_bytes()
    assert run(*line) == 0  # finished already
    assert run(*(tmp_path / "again" if part == out else part for part in line)) == 0
    assert (tmp_path / "again" / "model" / "task.safetensors").read_bytes() == before
    capsys.readouterr()
    assert run("evaluate", out / "model", "--test", train, "--json") == 0
    both = (180 * told["accuracy"]["task"] + 20 * told["held_out"]["accuracy"]["task"]) / 200
    assert json.loads(capsys.readouterr().out)["measures"]["accuracy"] == pytest.approx(both)
    assert run("predict", out / "model", "a fine film", "dull and long") == 0
    answers = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [answer["label"] for answer in answers] == ["yes", "no"]
    assert all(sum(answer["shares"].values()) == pytest.approx(1) for answer in answers)


@pytest.mark.parametrize(
    ("task", "more", "said"),
    [
        (
            "tagging",
            (),
            "a bag of words, one vector for a whole text: it learns classification and regression; for tagging",
        ),
        ("segmentation", (), "for segmentation take a word2vec, an ELMo or a Transformer"),
        ("classification", ("--data.max-length", "9"), "data.max_length 9"),
        ("classification", ("--epochs", "2"), "epochs"),
        ("classification", ("--linear.c", "0"), "linear.c"),
        ("classification", ("--frozen",), "a bag of words, without weights that could move"),
        ("similarity", (), "for similarity take a Transformer"),
        ("classification", ("--optimizer.rate", "0.1"), "optimizer"),
    ],
)
def test_what_it_has_no_use_for_is_refused_in_a_line(
    task: str,
    more: tuple[str, ...],
    said: str,
    model: Path,
    train: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("finetune", task, "--model", model, "--train", train, "--out", tmp_path / "run", *more) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert said in told[-1] and not (tmp_path / "run").exists()


def test_without_a_task_it_predicts_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", model, "a film") == 2
    assert "was not fine-tuned" in capsys.readouterr().err


def test_a_spoilt_folder_is_refused_in_a_line(
    model: Path, train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("finetune", "classification", "--model", model, "--train", train, "--out", tmp_path / "run")
    assert run(*line) == 0
    path = tmp_path / "run" / "model" / "task.json"
    whole = path.read_text()
    for change, said in [
        ({"pairs": True}, "weight is float64 (2, 17), and task.json asks for float64 (2, 68)"),
        ({"labels": ["a", "b", "c"]}, "task.json asks for float64 (3, 17)"),
        ({"asks": "tags"}, "asks"),
        ({"more": 1}, "more"),
    ]:
        path.write_text(json.dumps({**json.loads(whole), **change}))
        capsys.readouterr()
        assert run("predict", tmp_path / "run" / "model", "a film") == 2
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1 and said in told[0]
