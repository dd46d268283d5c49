"""`maskwright finetune`: what is kept, when it ends, which layers move, what classes weigh; and the page of it all."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from maskwright.checkpoints.tensor_file import read_tensors
from maskwright.training import checkpoint
from maskwright.training.metrics import read_metrics
from tests.checkpoints import made_up
from tests.cli.test_finetune import examples, run, table

OFTEN = ("--training.log_every", 2, "--training.evaluate_every", 2, "--training.save_every", 4)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    made_up.folder(tmp_path / "model", ("mlm",))
    return tmp_path / "model"


def line(tmp_path: Path, encoder: Path, out: str, *more: object) -> tuple[object, ...]:
    """Labels of the examples to judge by are turned round: what is learned makes them worse and worse."""
    train = table(tmp_path / "train.csv", examples(16))
    other = {"animal": "place", "place": "animal"}
    dev = table(tmp_path / "dev.csv", [(text, other[name]) for text, name in examples(3)])
    asked = ("finetune", "classification", "--model", encoder, "--train", train, "--dev", dev)
    return (
        *asked,
        "--out",
        tmp_path / out,
        "--json",
        "--optimizer.rate",
        "1e-2",
        "--training.batch-sequences",
        8,
        *more,
    )


def looks(out: Path) -> list[tuple[int, float, float]]:
    """Step, accuracy and loss of each."""
    held_out = [(entry["step"], entry["held_out"]) for entry in read_metrics(out) if "held_out" in entry]
    return [(step, seen["measures"]["accuracy"], seen["loss"]) for step, seen in held_out]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return dict(read_tensors(out / "model" / "model.safetensors"))


def test_the_model_is_that_of_the_best_look_and_training_ends_when_nothing_gets_better(
    tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line(tmp_path, encoder, "run", *OFTEN, "--stopping.patience", 3, "--epochs", 4)) == 0
    printed = capsys.readouterr()
    result, found = json.loads(printed.out), looks(tmp_path / "run")
    best = max(found, key=lambda look: (look[1], -look[2]))
    assert (result["step"], result["accuracy"]) == best[:2] and result["epoch"] == round(best[0] / 12, 2)
    assert found[-1][0] == best[0] + 3 * 2 < 48, "it has had enough"
    assert f"ended early: 3 looks in a row were no better than that of step {best[0]}" in printed.err
    assert re.search(
        r"the first example, as the model gets it:\s+text\s+the cat sat on a mat word0\s+tokens", printed.err
    )
    assert run("evaluate", tmp_path / "run" / "model", "--test", tmp_path / "dev.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["measures"]["accuracy"] == best[1]
    # asked again it does nothing
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert run(*line(tmp_path, encoder, "run", *OFTEN, "--stopping.patience", 3, "--epochs", 4)) == 0
    assert "finished already" in capsys.readouterr().err and before == (tmp_path / "run" / "metrics.jsonl").read_bytes()
    # what decides which weights are looked at may not change in between
    other = line(
        tmp_path, encoder, "run", *OFTEN, "--stopping.patience", 3, "--epochs", 4, "--training.evaluate_every", 4
    )
    assert run(*other) == 2 and "another recipe (training.evaluate_every" in capsys.readouterr().err

    assert run(*line(tmp_path, encoder, "last", *OFTEN, "--stopping.keep", "last", "--epochs", 4)) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["step"], result["accuracy"]) == looks(tmp_path / "last")[-1][:2] and result["step"] == 48


@pytest.mark.parametrize("at", [3, 5])
def test_a_run_that_was_stopped_ends_with_the_same_model(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    more = (*OFTEN, "--stopping.patience", 3, "--epochs", 4, "--layers.frozen", 1, "--layers.decay", 0.8)
    assert run(*line(tmp_path, encoder, "whole", *more)) == 0
    from maskwright.training.course import Course

    count = Course.count

    def interrupted(course: Course, *given: Any) -> None:
        count(course, *given)
        if course.done == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Course, "count", interrupted)
        assert run(*line(tmp_path, encoder, "cut", *more)) == 128 + signal.SIGTERM
    assert checkpoint.steps(tmp_path / "cut") == [at]
    assert run(*line(tmp_path, encoder, "cut", *more)) == 0
    names = ("evaluation.json", "kept.json", "model/model.safetensors")
    assert all((tmp_path / "cut" / n).read_bytes() == (tmp_path / "whole" / n).read_bytes() for n in names)
    assert looks(tmp_path / "cut") == looks(tmp_path / "whole")


def test_frozen_layers_are_those_of_the_encoder_still(tmp_path: Path, encoder: Path) -> None:
    assert run(*line(tmp_path, encoder, "run", "--epochs", 1, "--layers.frozen", 1, "--stopping.keep", "last")) == 0
    before, after = read_tensors(encoder / "model.safetensors"), weights(tmp_path / "run")
    moved = {name for name, tensor in after.items() if name in before and not tensor.equal(before[name])}
    kept = {name for name in after if ".embeddings." in name or ".layer.0." in name}
    assert kept and not kept & moved and any(".layer.1." in name for name in moved)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--layers.frozen", 9), "layers.frozen is 9: this encoder has 2 layers"),
        (("--layers.decay", 0), "layers.decay is 0: must be greater than 0"),
        (("--loss.class_weights", "{cat = 2.0}"), "loss.class_weights names 'cat', which is no class of the examples"),
        (("--loss.class_weights", "balance"), "loss.class_weights is 'balance'"),
        (("--stopping.patience", 0), "stopping.patience is 0: must be greater than or equal to 1"),
        (("--adapter", "lora", "--layers.frozen", 1), "an adapter leaves all layers of the encoder as they are"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    more: tuple[object, ...], said: str, tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line(tmp_path, encoder, "run", *more)) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1] and not (tmp_path / "run").exists()


def test_numbers_have_no_classes_to_weigh(tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = table(tmp_path / "train.csv", [(text, str(len(text))) for text, _ in examples(4)])
    line = ("finetune", "regression", "--model", encoder, "--train", train, "--out", tmp_path / "run")
    assert run(*line, "--loss.class_weights", "balanced") == 2
    assert "goes with one class of several, or tags, scored each: this task asks for number" in capsys.readouterr().err


def test_balanced_classes_reach_rare_ones(tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nineteen of twenty examples are of one class and the texts tell nothing: only weights decide what is answered."""
    rows = [("a cat", "rare" if i % 20 == 0 else "usual") for i in range(200)]
    train, dev = table(tmp_path / "train.csv", rows), table(tmp_path / "dev.csv", rows)
    line = ("finetune", "classification", "--model", encoder, "--train", train, "--dev", dev, "--json", "--epochs", 4)
    line = (*line, "--stopping.keep", "last", "--optimizer.rate", "1e-2", "--loss.class_weights")
    shares: list[float] = []
    for number, asked in enumerate(("none", "balanced")):
        assert run(*line, asked, "--out", tmp_path / str(number)) == 0
        capsys.readouterr()
        assert run("predict", tmp_path / str(number) / "model", "a cat") == 0
        shares.append(json.loads(capsys.readouterr().out)["shares"]["rare"])
    assert shares[0] < 0.25 and 0.3 < shares[1] < 0.7


def test_the_page_shows_how_it_went(tmp_path: Path, encoder: Path) -> None:
    assert run(*line(tmp_path, encoder, "run", *OFTEN, "--epochs", 2)) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    for title in ("Loss", "Right answers", "Gap of the losses", "Measures on what is put aside", "Learning rate"):
        assert f'aria-label="{title}"' in page
    assert not re.search(r'(src|href)="?http', page) and "Content-Security-Policy" in page
    text = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"animal\s+48\s+9\s+\d+", text) and re.search(r"place\s+48\s+9\s+\d+", text)
    assert "[CLS]" in text and "the cat sat on a mat word0" in text
    assert "warning:" in text, "accuracy on examples turned round falls while training gets better"
    assert "too good; what the model is worth shows on others" in re.sub(r"\s+", " ", text)
