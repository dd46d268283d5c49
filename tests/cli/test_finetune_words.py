"""`maskwright finetune`, `predict` and `evaluate` of an ELMo and of word2vec."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import maskwright as mw
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.inference.elmo import ElmoEncoder
from maskwright.inference.static import StaticVectors
from maskwright.tasks.encoders.kinds import starting
from tests.tasks.bags import drawn_texts, liked, table
from tests.tasks.word_encoders import FOLDERS, RARE

KINDS = list(FOLDERS)
TAGS = {"film": "B-WORK", "story": "B-WORK", "cast": "B-CREW"}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def load(folder: Path) -> ElmoEncoder | StaticVectors:
    found = mw.load(folder)
    assert isinstance(found, (ElmoEncoder, StaticVectors))
    return found


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return FOLDERS[request.param](tmp_path / request.param)


def reviews(path: Path, count: int, seed: int) -> Path:
    texts = [text for text in drawn_texts(count * 2, seed) if liked(text)][:count]
    return table(path, [(text, "good" if liked(text) > 0 else "bad") for text in texts])


def line(task: str, model: Path, train: Path, out: Path, *more: object) -> tuple[object, ...]:
    usual = ("--optimizer.rate", 0.05, "--training.precision", "float32", "--dropout", 0)
    return ("finetune", task, "--model", model, "--train", train, "--out", out, "--json", *usual, *more)


def test_classes_are_learned_told_and_judged(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, dev, out = reviews(tmp_path / "train.csv", 160, 0), reviews(tmp_path / "dev.csv", 40, 1), tmp_path / "run"
    assert run(*line("classification", model, train, out, "--dev", dev, "--epochs", 8)) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["accuracy"] > 0.85
    files = {path.name for path in (out / "model").iterdir()}
    assert {"config.json", "model.safetensors", "task.json", "task.safetensors", "tokenizer.json", "README.md"} <= files
    texts = [text for text in drawn_texts(40, 5) if liked(text)]
    answers = load(out / "model").predict(texts)
    assert (
        np.mean(
            [
                answer.label == ("good" if liked(text) > 0 else "bad")
                for answer, text in zip(answers, texts, strict=True)
            ]
        )
        > 0.8
    )
    assert load(out / "model").predict(texts[:1])[0].shares == pytest.approx(answers[0].shares, abs=1e-6)
    assert run("predict", out / "model", texts[0]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == answers[0].label
    assert run("evaluate", out / "model", "--test", dev, "--json") == 0
    assert json.loads(capsys.readouterr().out)["measures"]["accuracy"] == result["accuracy"]


def test_words_are_tagged_one_by_one(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, out = tmp_path / "train.txt", tmp_path / "run"
    rows = ["\n".join(f"{word} {TAGS.get(word, 'O')}" for word in text.split()) for text in drawn_texts(120, 0)]
    train.write_text("\n\n".join(rows) + "\n", encoding="utf-8")
    assert run(*line("tagging", model, train, out, "--epochs", 8)) == 0
    f1 = json.loads(capsys.readouterr().out)["f1"]
    assert f1 > 0.9 if model.name == "elmo" else f1 > 0.5  # word2vec has no vector of `cast`
    (tags,) = load(out / "model").tag([["the", "film", "was", "fine", ",", "a", "long", "story"]])
    assert tags[1] == tags[7] == "B-WORK" and len(tags) == 8
    assert run("predict", out / "model", "a story of the film") == 0
    assert json.loads(capsys.readouterr().out)["tags"] == ["O", "B-WORK", "O", "O", "B-WORK"]
    assert run("predict", out / "model", "中国人") == 0
    assert len(json.loads(capsys.readouterr().out)["tags"]) == 3


def test_whether_two_texts_are_alike_is_learned(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = drawn_texts(200, 2), drawn_texts(200, 3)
    rows = [
        (a, a if i % 2 else b, "same" if i % 2 else "other") for i, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    train = table(tmp_path / "train.csv", rows, ("text", "other", "label"))
    assert run(*line("classification", model, train, tmp_path / "run", "--pair", "other", "--epochs", 6)) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.85
    folder = tmp_path / "run" / "model"
    assert json.loads((folder / "task.json").read_text())["pairs"] is True
    assert run("predict", folder, "a fine film\ta fine film") == 0
    assert json.loads(capsys.readouterr().out)["label"] == "same"
    assert run("predict", folder, "a fine film") == 2
    assert "text 1 is a single text ('a fine film'), and this model learned from pairs" in capsys.readouterr().err


def test_a_frozen_encoder_stays_as_it_is_and_another_moves(model: Path, tmp_path: Path) -> None:
    train = reviews(tmp_path / "train.csv", 60, 0)
    before = load_file(model / "model.safetensors")
    for frozen in ("true", "false"):
        out = tmp_path / frozen
        assert run(*line("classification", model, train, out, "--features.frozen", frozen, "--epochs", 1)) == 0
        after = load_file(out / "model" / "model.safetensors")
        assert set(before) - set(after) <= {"softmax.table", "softmax.bias"}
        same = [bool((before[name] == part).all()) for name, part in after.items()]
        assert all(same) if frozen == "true" else not all(same)
    if model.name == "word2vec":
        assert not after["vectors"][[0, RARE]].any()
        shutil.rmtree(tmp_path / "true" / "model" / "task.json", ignore_errors=True)


@pytest.mark.parametrize("top", ["linear", "bilstm_crf"])
def test_a_run_that_goes_on_is_the_run(model: Path, top: str, tmp_path: Path) -> None:
    """Stopped after a step: bit for bit what it would have been."""
    train = tmp_path / "train.txt"
    rows = ["\n".join(f"{word} {TAGS.get(word, 'O')}" for word in text.split()) for text in drawn_texts(48, 0)]
    train.write_text("\n\n".join(rows) + "\n", encoding="utf-8")
    keys: list[Any] = ["--features.top", top, "--training.batch-sequences", 16, "--epochs", 2]
    keys += [
        "--training.save-every",
        3,
        "--training.keep",
        9,
        "--features.lstm-cells",
        6,
        "--training.precision",
        "bf16",
    ]
    assert run(*line("tagging", model, train, tmp_path / "whole", *keys)) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "model")
    for checkpoint in sorted((tmp_path / "again" / "checkpoints").iterdir())[1:]:
        shutil.rmtree(checkpoint)
    assert run(*line("tagging", model, train, tmp_path / "again", *keys)) == 0
    for name in ("model.safetensors", "task.safetensors"):
        assert (tmp_path / "whole" / "model" / name).read_bytes() == (tmp_path / "again" / "model" / name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_what_they_cannot_be_asked_is_said_in_a_line(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = FOLDERS[kind](tmp_path / kind)
    train = reviews(tmp_path / "train.csv", 20, 0)
    with pytest.raises(
        BadInput, match="it learns classification, regression, tagging, segmentation; for questions take"
    ):
        starting(str(model), "questions")
    assert run("predict", model, "a film") == 2
    assert "was not fine-tuned" in capsys.readouterr().err
    assert run(*line("classification", model, train, tmp_path / "run", "--features.top", "crf")) == 2
    assert "features.top crf" in capsys.readouterr().err
    assert run(*line("regression", model, train, tmp_path / "run")) == 2
    assert not (tmp_path / "run").exists()
