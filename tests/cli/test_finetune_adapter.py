"""`maskwright finetune ... --adapter lora`: what a task adds to an encoder, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import maskwright as mw
from tests.checkpoints import made_up
from tests.cli.test_finetune import examples, run, table


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made_up.folder(tmp_path / "base", ("mlm",))  # without a pooler, as masked models are
    return tmp_path / "base"


def learned(out: Path, base: Path, train: Path, *more: object) -> int:
    line = ("finetune", "classification", "--model", base, "--train", train, "--dev", train, "--adapter", "lora")
    size = ("--training.batch-sequences", 16, "--optimizer.rate", "2e-2", "--lora.rank", 4)
    return run(*line, "--out", out, "--json", *size, *more)


def test_a_task_is_learned_predicted_and_merged(tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = table(tmp_path / "train.csv", examples(20))
    assert learned(tmp_path / "run", base, train, "--epochs", 8) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.9
    made = tmp_path / "run" / "model"
    assert json.loads((made / "adapter_config.json").read_text())["r"] == 4
    small = (made / "adapter_model.safetensors").stat().st_size
    assert small < 0.5 * (base / "model.safetensors").stat().st_size
    (step,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert not [name for name in load_file(step / "model.safetensors") if name.startswith("inner.encoder")]
    texts = ["a cat and a cat word1", "the river of paris word3"]
    assert run("predict", made, *texts) == 0
    told = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["label"] for row in told] == ["animal", "place"]
    assert run("export", made, "--out", tmp_path / "plain") == 0
    for mine, other in zip(mw.load(made).predict(texts), mw.load(tmp_path / "plain").predict(texts), strict=True):
        assert mine.shares == pytest.approx(other.shares, abs=1e-5)


def test_going_on_is_as_if_it_had_never_stopped(tmp_path: Path, base: Path) -> None:
    train = table(tmp_path / "train.csv", examples(8))
    size = ("--epochs", 3, "--training.save-every", 3, "--training.keep", 9)
    assert learned(tmp_path / "whole", base, train, *size) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    later = sorted((tmp_path / "cut" / "checkpoints").iterdir())[1:]
    assert later
    for folder in [*later, tmp_path / "cut" / "model"]:
        shutil.rmtree(folder)
    assert learned(tmp_path / "cut", base, train, *size) == 0
    whole, cut = (load_file(tmp_path / name / "model" / "adapter_model.safetensors") for name in ("whole", "cut"))
    assert whole.keys() == cut.keys() and all(tensor.equal(cut[name]) for name, tensor in whole.items())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--features.layers", "mix"), "an adapter goes with the published heads"),
        (("--training.recompute", "layers"), "weights of an adapter are gone"),
        (("--lora.rank", "0"), "lora.rank"),
        (("--lora.targets", '["pooler"]'), "lora.targets"),
    ],
)
def test_bad_lines_are_refused(
    more: tuple[str, ...], said: str, tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = table(tmp_path / "train.csv", examples(4))
    line = ("finetune", "classification", "--model", base, "--train", train, "--adapter", "lora")
    assert run(*line, "--out", tmp_path / "run", *more) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
