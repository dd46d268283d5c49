"""`maskwright finetune` with a frozen encoder, and with more above it than a linear map."""

import json
import os
import signal
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from maskwright.checkpoints.folder import write_folder
from maskwright.cli import main
from maskwright.models import network_of
from maskwright.tasks.schemes import may_follow
from maskwright.training.finetuning import Finetuning
from tests.checkpoints import made_up

SENTENCES = ("the cat sat on a mat", "a cat and a cat", "the river of paris", "paris , france", "a long river")
TAGS = {"cat": "B-ANIMAL", "paris": "B-PLACE", "france": "B-PLACE", "river": "B-PLACE", "of": "I-PLACE"}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An encoder as it begins, its weights large enough for words to differ."""
    config = made_up.config(initializer_range=0.3)
    encoder = network_of(config).initialise(0)
    parameters = dict(encoder.named_parameters())
    names, tokenizer = encoder.weight_names(), made_up.tokenizer()
    return write_folder(tmp_path / "model", names=names, parameters=parameters, config=config, tokenizer=tokenizer)


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    rows = [
        {"words": [*text.split(), f"word{i % 5}"], "tags": [*(TAGS.get(word, "O") for word in text.split()), "O"]}
        for i in range(16)
        for text in SENTENCES
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_a_frozen_encoder_with_a_bilstm_and_a_crf(
    tmp_path: Path, model: Path, tagged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    line = ("finetune", "tagging", "--model", model, "--train", tagged, "--dev", tagged, "--out", out, "--frozen")
    above = ("--features.layers", "mix", "--features.top", "bilstm_crf", "--optimizer.rate", "2e-2")
    assert run(*line, *above, "--epochs", 14, "--training.batch-sequences", 8, "--json") == 0
    assert json.loads(capsys.readouterr().out)["f1"] > 0.95
    before, after = load_file(model / "model.safetensors"), load_file(out / "model" / "model.safetensors")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    said = json.loads((out / "model" / "task.json").read_text())
    assert (said["asks"], said["features"]["top"], said["features"]["frozen"]) == ("tags", "bilstm_crf", True)
    _, told = transformers.AutoModel.from_pretrained(out / "model", output_loading_info=True)
    assert not any(told.values()), told
    assert run("predict", out / "model", "a cat and a cat word1", "paris , france") == 0
    found = [json.loads(row)["tags"] for row in capsys.readouterr().out.splitlines()]
    assert found == [["O", "B-ANIMAL", "O", "O", "B-ANIMAL", "O"], ["B-PLACE", "O", "B-PLACE"]]


def test_a_frozen_encoder_with_a_linear_map_is_a_stock_class(tmp_path: Path, model: Path, tagged: Path) -> None:
    out = tmp_path / "run"
    assert run("finetune", "tagging", "--model", model, "--train", tagged, "--out", out, "--frozen") == 0
    assert tomllib.loads((out / "recipe.toml").read_text())["optimizer"]["rate"] == 3e-3
    theirs, told = transformers.AutoModelForTokenClassification.from_pretrained(out / "model", output_loading_info=True)
    assert not any(told.values()), told
    assert type(theirs).__name__ == "BertForTokenClassification" and not (out / "model" / "task.json").exists()
    before, after = load_file(model / "model.safetensors"), load_file(out / "model" / "model.safetensors")
    assert all(
        torch.equal(before[name.removeprefix("bert.")], after[name]) for name in after if "classifier" not in name
    )


WORDS = ["mat", "mat", "of", "of", "paris", "of", "cat", "of"]


@pytest.mark.parametrize("words", [WORDS, 20 * WORDS], ids=["one window", "several windows"])
def test_a_crf_answers_what_may_be_alone(words: list[str], tmp_path: Path, model: Path, tagged: Path) -> None:
    """Where I-PLACE has by far the highest score of all tags, none begins with it, in no window."""
    from maskwright.inference.encoder_loading import load

    illegal: dict[str, bool] = {}
    for top in ("linear", "crf"):
        line = ("finetune", "tagging", "--model", model, "--train", tagged, "--out", tmp_path / top)
        assert run(*line, "--features.top", top, "--epochs", 1, "--optimizer.rate", "1e-2") == 0
        path = tmp_path / top / "model"
        name = "model.safetensors" if top == "linear" else "task.safetensors"
        labels = ["O", "B-ANIMAL", "B-PLACE", "I-PLACE"]
        key = next(key for key in load_file(path / name) if key.endswith("classifier.bias"))
        made_up.change_tensors(path, lambda t, key=key: t[key].add_(50.0 * torch.tensor([0, 0, 0, 1.0])), name)
        (tags,) = load(path).tag([words])
        assert set(tags) <= set(labels)
        illegal[top] = any(not may_follow(*pair, "BIO") for pair in pairwise((None, *tags, None)))
    assert illegal == {"linear": True, "crf": False}


@pytest.mark.parametrize(
    "features",
    [
        ("--frozen",),
        ("--frozen", "--features.layers", "mix", "--features.top", "bilstm_crf"),
        ("--features.top", "crf", "--features.legal", "always"),
    ],
)
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    features: tuple[str, ...], tmp_path: Path, model: Path, tagged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line(out: Path) -> int:
        common = ("--training.batch-sequences", 16, "--training.log_every", 2, "--training.micro-sequences", 8)
        return run("finetune", "tagging", "--model", model, "--train", tagged, "--out", out, *common, *features)

    assert line(tmp_path / "whole") == 0
    steps, tallies = 0, Finetuning.tallies

    def counted(self: Finetuning, *given: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 13:  # in the second epoch, within a step
            os.kill(os.getpid(), signal.SIGTERM)
        return tallies(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Finetuning, "tallies", counted)
        assert line(tmp_path / "stopped") == 128 + signal.SIGTERM
    assert line(tmp_path / "stopped") == 0
    for folder in ("model", "checkpoints"):
        whole = {p.relative_to(tmp_path / "whole"): p for p in (tmp_path / "whole" / folder).rglob("*.safetensors")}
        assert whole
        for name, path in whole.items():
            assert path.read_bytes() == (tmp_path / "stopped" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("task", "keys", "said"),
    [
        ("classification", ("--features.top", "crf"), "features.top crf joins the tags of words"),
        ("tagging", ("--features.layers", "sum_last_four"), "reads four layers, the model has 2"),
        ("tagging", ("--features.top", "lstm"), "must be 'linear', 'crf', 'bilstm' or 'bilstm_crf'"),
    ],
)
def test_what_cannot_stand_above_is_said_in_a_line(
    task: str, keys: tuple[str, ...], said: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "rows.jsonl"
    rows = [{"text": "a cat", "label": str(i % 2), "words": ["a", "cat"], "tags": ["O", "B-X"]} for i in range(20)]
    train.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert run("finetune", task, "--model", model, "--train", train, "--out", tmp_path / "run", *keys) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1] and not (tmp_path / "run").exists()
