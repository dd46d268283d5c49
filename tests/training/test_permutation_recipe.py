"""The work of permutation language modelling: its memory goes on bit for bit, and only where it should."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maskwright.config import checked, override, plain
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.recipes import xlnet
from maskwright.training.evaluation import evaluate
from maskwright.training.gradients import gradients
from maskwright.training.optimizers import Optimizer
from maskwright.training.permutation_recipe import PermutationWork, Recipe, build, check
from maskwright.training.signals import Stop
from maskwright.training.work import whole
from tests.training.works import VOCABULARY, corpus

SMALL: dict[str, Any] = {
    "model.d_model": 16, "model.n_head": 2, "model.n_layer": 2, "model.d_inner": 24, "model.mem_len": 12,
    "model.reuse_len": 10, "permutation.max_length": 24, "training.batch_sequences": 6, "training.micro_sequences": 4,
    "training.held_out_sequences": 6, "training.steps": 8,
}  # fmt: skip
CORPUS = corpus(train=120, held_out=20)


def made(**changes: Any) -> Recipe:
    return checked(Recipe, override(plain(xlnet.recipe("tiny", "drawn", VOCABULARY)), {**SMALL, **changes}), "xlnet")


class Run:
    """A work with its optimizer, step by step as the loop goes."""

    def __init__(self, recipe: Recipe, dtype: torch.dtype = torch.bfloat16) -> None:
        self.recipe, self.work = recipe, build(recipe, CORPUS)
        self.optimizer = Optimizer(self.work.module, recipe.optimizer, dtype)
        self.losses: list[float] = []

    def step(self, number: int) -> None:
        batches = self.work.batches(number)
        sums, _, _ = gradients(self.work, self.optimizer, whole(batches), self.recipe.training, number, Stop())
        self.optimizer.step(1.0)
        self.losses.append(sums.means().loss)

    def weights(self) -> Tensor:
        return self.optimizer.flat.master.detach().clone()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bf16", "float32"])
def test_going_on_is_bitwise(tmp_path: Path, dtype: torch.dtype) -> None:
    """Weights, optimizer and memory through files; with evaluations in between, and bf16 as it is trained in."""
    whole = Run(made(), dtype)
    for step in range(8):
        whole.step(step)
    cut = Run(made(), dtype)
    for step in range(5):
        cut.step(step)
        evaluate(cut.work, cut.optimizer)
    save_file(dict(cut.optimizer.flat.tensors()), tmp_path / "model.safetensors")
    save_file(dict(cut.optimizer.tensors()), tmp_path / "optimizer.safetensors")
    save_file(cut.work.carried(), tmp_path / "carried.safetensors")
    later = Run(made(), dtype)
    later.optimizer.flat.load(load_file(tmp_path / "model.safetensors"))
    later.optimizer.load(load_file(tmp_path / "optimizer.safetensors"))
    later.work.take_up(load_file(tmp_path / "carried.safetensors"))
    for step in range(5, 8):
        later.step(step)
    assert cut.losses + later.losses == whole.losses
    assert torch.equal(later.weights(), whole.weights())
    assert torch.equal(later.work.carried()["memory"], whole.work.carried()["memory"])
    without = Run(made(), dtype)
    without.optimizer.flat.load(load_file(tmp_path / "model.safetensors"))
    without.step(5)
    assert without.losses[0] != later.losses[0], "the memory makes a difference"


def test_evaluation_neither_reads_nor_changes_the_memory() -> None:
    run = Run(made())
    before = evaluate(run.work, run.optimizer)
    assert before is not None and run.work.carried() == {}
    run.step(0)
    memory = run.work.carried()["memory"].clone()
    found = evaluate(run.work, run.optimizer)
    run.work.take_up({})
    assert found == evaluate(run.work, run.optimizer)
    run.work.take_up({"memory": memory})
    evaluate(run.work, run.optimizer)
    assert torch.equal(run.work.carried()["memory"], memory)


def test_the_memory_is_of_whole_steps() -> None:
    """A step left in the middle has changed nothing; read again, it gives what it gave."""
    run = Run(made(**{"training.micro_sequences": 2}))
    run.step(0)
    memory = run.work.carried()["memory"]
    first, *rest = run.work.batches(1)
    losses = [float(run.work.tallies(first, None)["plm"].loss_sum.detach()) for _ in range(2)]
    assert losses[0] == losses[1]
    assert run.work.carried()["memory"] is memory
    for batch in rest:
        run.work.tallies(batch, None)
    assert not torch.equal(run.work.carried()["memory"], memory)


def test_each_lane_remembers_its_own_text() -> None:
    """Micro-batches of any size leave the same memory; it is as long as it may be, and never longer."""
    runs = [Run(made(**{"training.micro_sequences": size, "model.dropout": 0.0}), torch.float32) for size in (6, 4, 1)]
    lengths: list[int] = []
    for step in range(3):
        for run in runs:
            for batch in run.work.batches(step):
                run.work.tallies(batch, None)
        memories = [run.work.carried()["memory"] for run in runs]
        lengths.append(memories[0].shape[2])
        for memory in memories[1:]:
            assert (memory - memories[0]).abs().max() < 1e-5
    assert lengths == [10, 12, 12]
    ids = torch.cat([batch.token_ids.view(-1, 24) for batch in runs[0].work.batches(2)])
    table = runs[0].work.module.encoder.token_table
    assert torch.equal(runs[0].work.carried()["memory"][0][:, -10:], table[ids[:, :10]])  # of layer 0: what it is given


def test_it_learns(tmp_path: Path) -> None:
    """Drawn text, whose neighbours are alike: better than frequencies, by both halves of the loss."""
    recipe = made(**{"optimizer.rate": 5e-3, "model.dropout": 0.0, "training.batch_sequences": 16})
    run = Run(recipe, torch.float32)
    for step in range(120):
        run.step(step)
    first, last = sum(run.losses[:5]) / 5, sum(run.losses[-10:]) / 10
    assert last < first - 1.0, (first, last)
    held_out = evaluate(run.work, run.optimizer)
    assert held_out is not None and held_out.loss < first - 0.5


@pytest.mark.parametrize(
    ("changes", "wish"),
    [
        ({"model.mem_len": 4000}, r"a memory of 4000 tokens \(model.mem_len\) .* remember a text and read it again"),
        ({"model.reuse_len": None}, "model.mem_len 12 without model.reuse_len.*give model.reuse_len 12"),
        ({"model.reuse_len": 20}, r"20 of 24 tokens that go into the memory \(model.reuse_len\) leave no room"),
        ({"permutation.predictions": 20, "model.reuse_len": 14}, "10 predictions in 7 tokens, a half of a sequence"),
        ({"training.batch_sequences": 5}, "half of 5 sequences cannot run backwards"),
        ({"model.vocab_size": 20}, "model.vocab_size 20 is less than the 50 tokens"),
        ({"training.batch_sequences": 4000}, "2000 lanes has only|2000 lanes over a split of|lanes has only"),
    ],
)
def test_recipes_that_do_not_go(changes: dict[str, Any], wish: str) -> None:
    with pytest.raises(BadInput, match=wish) as caught:
        build(made(**changes), CORPUS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [{"model.mem_len": -1}, {"permutation.predictions": 22}, {"permutation.one_in": 0}])
def test_numbers_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad)).split(".")[1]) as caught:
        made(**bad)
    assert "\n" not in str(caught.value)


def test_a_corpus_that_does_not_go() -> None:
    def with_manifest(**facts: Any) -> Corpus:
        found = corpus()
        for name, value in facts.items():
            setattr(found.manifest, name, value)
        return found

    with pytest.raises(BadInput, match="carries no words, and targets are n-grams of words"):
        check(made(), with_manifest(words=None))
    with pytest.raises(BadInput, match="pairs of translations"):
        check(made(), with_manifest(languages=("en", "zh")))


def test_a_memory_that_is_not_the_recipes() -> None:
    work: PermutationWork = build(made(), CORPUS)
    for shape in ((2, 6, 13, 16), (2, 4, 12, 16), (3, 6, 12, 16), (6, 12, 16)):
        with pytest.raises(BadInput, match="the checkpoint's memory has the shape") as caught:
            work.take_up({"memory": torch.zeros(shape)})
        assert "\n" not in str(caught.value)


def test_published_numbers() -> None:
    large, base = (xlnet.recipe(size, "drawn", 32000) for size in ("large", "base"))
    assert (large.model.n_layer, large.model.d_model, large.model.n_head, large.model.d_inner) == (24, 1024, 16, 4096)
    assert (base.model.n_layer, base.model.d_model, base.model.n_head, base.model.d_inner) == (12, 768, 12, 3072)
    assert (large.model.mem_len, large.model.reuse_len, large.model.bi_data) == (384, 256, True)
    assert (large.permutation.max_length, large.permutation.targets) == (512, 85)
    assert (large.training.batch_sequences, large.training.steps) == (8192, 500_000)
    assert large.training.warmup_share * large.training.steps == 40_000
    assert (large.optimizer.rate, large.optimizer.epsilon, large.optimizer.weight_decay) == (4e-4, 1e-6, 0.01)
