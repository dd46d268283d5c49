"""The best weights are kept, and training stops when nothing gets better: the same ones wherever it was stopped."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from maskwright.training import checkpoint
from maskwright.training.best import Best, StoppingConfig
from maskwright.training.evaluation import evaluate
from maskwright.training.masked_recipe import Recipe, build
from maskwright.training.metrics import HeldOut, read_metrics
from maskwright.training.optimizers import Optimizer
from maskwright.training.run import PRECISIONS
from maskwright.training.run_folder import RunFolder
from tests.training.test_loop import StopAfter, lines
from tests.training.works import Around, corpus, recipe, run_in


def seen(value: float, loss: float = 1.0) -> HeldOut:
    return HeldOut(loss, {"task": loss}, {"task": 0.5}, {"f1": value, "accuracy": -value})


def looked(values: list[HeldOut], **stopping: Any) -> Best:
    best = Best(StoppingConfig(**stopping))
    for step, value in enumerate(values, 1):
        best.look(step, value, {"w": torch.tensor(float(step))})
    return best


def test_the_first_measure_decides_and_of_equal_ones_the_loss() -> None:
    best = looked([seen(0.5), seen(0.8, 0.9), seen(0.8, 0.7), seen(0.8, 0.7), seen(0.7, 0.1)])
    assert (best.step, best.waited, best.tensors["w"].item()) == (3, 2, 3.0)
    assert not best.enough and best.tensors_beside(5) is best.tensors and best.tensors_beside(3) == {}


def test_patience_counts_looks_in_a_row() -> None:
    values = [seen(value) for value in (0.5, 0.4, 0.6, 0.5, 0.5)]
    assert looked(values, patience=2).enough
    assert not looked(values[:4], patience=2).enough and not looked(values).enough


def test_what_is_no_number_is_worse_than_all_others() -> None:
    best = looked([seen(math.nan), seen(-3.0), seen(math.nan)])
    assert (best.step, best.waited) == (2, 1)
    undecided = looked([seen(math.nan, math.inf), seen(math.nan, math.inf)])
    assert undecided.step == 1 and undecided.state()["value"] is None
    again = Best(StoppingConfig())
    again.take_up(undecided.state(), undecided.tensors)
    again.look(3, seen(-1e9), {"w": torch.tensor(3.0)})
    assert again.step == 3


def test_the_last_are_kept_where_that_is_asked() -> None:
    best = looked([seen(0.9), seen(0.1)], keep="last", patience=1)
    assert best.enough and not best.tensors and not best.tensors_beside(2)


class Weighed(Around):
    """Measured by what stands behind the point of a sum of weights: as good as drawn, and a function of the weights."""

    def __init__(self, inner: Any, **stopping: Any) -> None:
        super().__init__(inner)
        self.best, self.judge = Best(StoppingConfig(**stopping)), self

    def judged(self) -> HeldOut:
        value = sum(float(parameter.detach().double().sum()) for parameter in self.module.parameters())
        return HeldOut(1.0, {"mlm": 1.0}, {"mlm": 0.0}, {"drawn": abs(value) % 1})


def regime(**more: Any) -> Recipe:
    return recipe(**{"log_every": 1, "evaluate_every": 1, "save_every": 3, "keep": 1, "seed": 1, "steps": 8, **more})


def ending(folder: Path, asked: Recipe, work: Any) -> tuple[list[str], dict[str, bytes], int, dict[str, Tensor]]:
    """Lines, the newest checkpoint, the best step and its weights."""
    assert run_in(folder, asked, work)
    (step,) = checkpoint.steps(folder)
    files = {path.name: path.read_bytes() for path in checkpoint.folder_of(folder, step).iterdir()}
    return lines(folder), files, work.best.step, work.best.tensors


def same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return a[:3] == b[:3] and all(a[3][name].equal(b[3][name]) for name in a[3].keys() | b[3].keys())


PATIENCES = [None, 2]


@pytest.mark.parametrize("patience", PATIENCES)
def test_going_on_ends_with_the_same_weights(tmp_path: Path, patience: int | None) -> None:
    wanted = ending(tmp_path / "whole", regime(), Weighed(build(regime(), corpus()), patience=patience))
    entries = read_metrics(tmp_path / "whole")
    steps = [entry["step"] for entry in entries]
    values = [entry["held_out"]["measures"]["drawn"] for entry in entries]
    assert values[wanted[2] - 1] == max(values) and len(set(values)) == len(values)
    assert steps[-1] == (8 if patience is None else wanted[2] + patience) and 1 < wanted[2] < steps[-1]
    for at in (wanted[2], wanted[2] + 1):
        folder = tmp_path / str(at)
        stopped = Weighed(StopAfter(build(regime(), corpus()), at), patience=patience)
        assert not run_in(folder, regime(), stopped)
        assert same(ending(folder, regime(), Weighed(build(regime(), corpus()), patience=patience)), wanted)


class Killed(Exception):
    pass


@pytest.mark.parametrize("patience", PATIENCES)
def test_a_kill_between_a_look_and_its_checkpoint_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int | None
) -> None:
    """The process dies when it would save; what the looks since the last checkpoint found is found again."""
    wanted = ending(tmp_path / "whole", regime(), Weighed(build(regime(), corpus()), patience=patience))
    save, deaths = checkpoint.save, list[int]()

    def dies_once(run_dir: Path, step: int, *rest: Any) -> Path:
        if step not in deaths:
            deaths.append(step)
            raise Killed
        return save(run_dir, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", dies_once)
        for _ in range(20):
            work = Weighed(build(regime(), corpus()), patience=patience)
            try:
                run_in(tmp_path / "cut", regime(), work)
            except Killed:
                continue
            break
    assert len(deaths) >= 2
    assert same(ending(tmp_path / "cut", regime(), Weighed(build(regime(), corpus()), patience=patience)), wanted)


def test_a_run_that_had_enough_goes_no_further(tmp_path: Path) -> None:
    """Nor does it when it is asked again."""
    ending(tmp_path, regime(), Weighed(build(regime(), corpus()), patience=2))
    before = lines(tmp_path)
    work = Weighed(build(regime(), corpus()), patience=2)
    with RunFolder.open(tmp_path, {"recipe": "bert"}, {"corpus": "a", "tokenizer": "b"}) as opened:
        assert opened.had_enough
    assert run_in(tmp_path, regime(), work) and lines(tmp_path) == before and work.best.enough


def test_keeping_the_best_changes_no_bit_of_the_training(tmp_path: Path) -> None:
    plain = regime()
    assert run_in(tmp_path / "plain", plain)
    ending(tmp_path / "judged", plain, Weighed(build(plain, corpus())))
    for name in ("model.safetensors", "optimizer.safetensors"):
        files = [(checkpoint.folder_of(tmp_path / run, 8) / name).read_bytes() for run in ("plain", "judged")]
        assert files[0] == files[1]
    assert not (checkpoint.folder_of(tmp_path / "plain", 8) / "best.safetensors").exists()
    assert (checkpoint.folder_of(tmp_path / "judged", 8) / "best.safetensors").exists()


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_restored_weights_are_those_that_were_judged(tmp_path: Path, precision: str) -> None:
    asked = regime(precision=precision)
    work = Weighed(build(asked, corpus()))
    with RunFolder.open(tmp_path, {}, {"corpus": "a", "tokenizer": "b"}):
        optimizer = Optimizer(work.module, asked.optimizer, PRECISIONS[precision])
        first = evaluate(work, optimizer)
        assert first is not None
        work.best.look(1, first, optimizer.flat.tensors())
        optimizer.flat.master.mul_(1.5)
        with optimizer.flat.full_precision():
            assert work.judged() != first
            work.best.restore(optimizer.flat)
            assert work.judged() == first
        assert evaluate(work, optimizer) == first
