"""Fine-tuning by the rows of the token table that the examples have, beside fine-tuning by all of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from maskwright.batch import flat_batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.checkpoints.tensor_file import read_tensors
from maskwright.training import used_rows
from maskwright.training.finetuning import Finetuning, finetuning
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.used_rows import TABLE, with_used_rows
from tests.checkpoints import made_up
from tests.cli.test_finetune import examples, run, table
from tests.models.networks import draw_weights, small

USED = np.array([2, 3, 7, 11, 40])


def classifier(model_type: str = "bert") -> Finetuning:
    model = finetuning(small(model_type), TaskPart("class", ("no", "yes")), 0.0)
    for parameter in model.parameters():
        parameter.detach().zero_()
    draw_weights(model, 5)  # of what is trained
    return model


def train(model: Finetuning, config: OptimizerConfig, steps: int) -> Optimizer:
    optimizer = Optimizer(model, config, torch.float32, {TABLE: 0.5, used_rows.FACTOR: 0.5})
    beside = {
        name: np.zeros(12, np.int64) for name in ("token_type_ids", "language_ids") if name in model.encoder.reads
    }
    for step in range(steps):
        ids = USED[np.random.default_rng(step).integers(0, len(USED), 12)]
        batch = flat_batch(ids, np.array([0, 5, 12]), **beside)
        scores = model.scores(batch)
        torch.nn.functional.cross_entropy(scores, torch.tensor([step % 2, 1])).backward()
        optimizer.flat.collect(first=True)
        optimizer.step(1 - step / 20)
    return optimizer


@pytest.mark.parametrize("model_type", ["bert", "roberta", "albert", "xlm", "openai-gpt"])
@pytest.mark.parametrize("name", ["adamw", "google", "muon", "adagrad"])
def test_what_is_learned_is_what_all_rows_learn(model_type: str, name: str) -> None:
    config = OptimizerConfig.model_validate({"name": name, "rate": 1e-2, "weight_decay": 0.3})
    whole, few = classifier(model_type), classifier(model_type)
    before = whole.get_parameter(TABLE).detach().clone()
    rows = with_used_rows(few, USED, name)
    assert rows is not None and few.get_parameter(TABLE).shape[0] == len(USED)
    wanted = train(whole, config, 12).flat.tensors()
    got = rows.whole(train(few, config, 12).flat.tensors())
    assert sorted(got) == sorted(wanted)
    for key, tensor in wanted.items():
        torch.testing.assert_close(got[key], tensor, rtol=2e-6, atol=2e-7, msg=key)
    others = np.setdiff1d(np.arange(len(before)), USED)
    moved = (wanted[TABLE][others] / before[others]).flatten()
    assert (moved < 0.99).all()  # they were pulled towards zero


def test_the_table_stays_whole_where_nothing_is_won_or_something_would_change() -> None:
    rows = len(classifier().get_parameter(TABLE))
    assert with_used_rows(classifier(), np.arange(int(0.8 * rows)), "adamw") is None
    assert with_used_rows(classifier(), USED, "lamb") is None  # its step is as long as the table is
    assert with_used_rows(classifier("xlnet"), USED, "adamw") is None
    frozen = classifier()
    frozen.get_parameter(TABLE).requires_grad_(False)
    assert with_used_rows(frozen, USED, "adamw") is None


def test_a_token_that_no_example_has_is_an_error() -> None:
    model = classifier()
    assert with_used_rows(model, USED, "adamw") is not None
    with pytest.raises((IndexError, RuntimeError)):
        model.scores(flat_batch(np.array([2, 5]), np.array([0, 2]), np.zeros(2, np.int64)))


def test_a_fine_tuned_folder_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up.folder(tmp_path / "model", ("mlm",))
    data = table(tmp_path / "train.csv", examples(16))
    few = with_used_rows
    asked: list[bool] = []

    def counted(*given: object) -> object:
        asked.append((found := few(*given)) is not None)  # type: ignore[arg-type]
        return found

    for out, most in (("few", 1.0), ("whole", -1.0)):
        monkeypatch.setattr(used_rows, "MOST", most)
        monkeypatch.setattr("maskwright.tasks.finetune.with_used_rows", counted)
        line = ("finetune", "classification", "--model", tmp_path / "model", "--train", data, "--out", tmp_path / out)
        assert run(*line, "--training.precision", "float32", "--optimizer.rate", "1e-3") == 0
    assert asked == [True, False]
    got, wanted = (dict(read_tensors(tmp_path / out / "model" / "model.safetensors")) for out in ("few", "whole"))
    assert sorted(got) == sorted(wanted)
    for key, tensor in wanted.items():
        torch.testing.assert_close(got[key], tensor, rtol=1e-5, atol=1e-6, msg=key)
