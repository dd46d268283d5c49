"""ELMo's pretraining: gradients beside autograd of the equations, state that goes on, a run that can be stopped."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.batch import Batch
from maskwright.corpus.read import Corpus, Split
from maskwright.errors import BadInput, MaskwrightError
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally
from maskwright.recipes import elmo as published
from maskwright.tokenizers.words import Words
from maskwright.training import checkpoint
from maskwright.training.adagrad import Adagrad
from maskwright.training.both_ways_lm import BothWaysWork
from maskwright.training.elmo_recipe import LanesConfig, Recipe, SoftmaxConfig, build, check
from maskwright.training.flat import Part
from maskwright.training.metrics import read_metrics
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.training_config import TrainingConfig
from tests.models.elmo_batches import config
from tests.training.test_loop import files, lines
from tests.training.works import clipped, run_in

LANES = 5


def corpus(sentences: int = 40) -> Corpus:
    """Sentences whose words go up by one or two: something to learn in both directions."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 9, sentences)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    ids = 1 + np.cumsum(generator.integers(1, 3, ends[-1])) % 29
    split = Split.from_arrays(ids, np.ones(len(ids)), ends, np.array([0, sentences // 2, sentences]))
    words: Any = Words(["<unk>", *(f"word{i}" for i in range(1, 30))])
    made: Any = SimpleNamespace(
        train=split, held_out=split, tokenizer=words, path=Path("drawn"), manifest=SimpleNamespace(languages=())
    )
    return made


def recipe(*, dropout: float = 0.1, candidates: int | None = 8, **training: Any) -> Recipe:
    settings: dict[str, Any] = {
        "steps": 12, "batch_sequences": LANES, "micro_sequences": 2, "log_every": 3, "evaluate_every": 6,
        "save_every": 100, "warmup_share": 0, "schedule": "constant", "precision": "float32",
    }  # fmt: skip
    return Recipe(
        corpus="drawn",
        model=config(vocab_size=30, dropout=dropout, cell_clip=3.0, projection_clip=3.0),
        layout=LanesConfig(unroll=4),
        softmax=SoftmaxConfig(candidates=candidates),
        optimizer=OptimizerConfig(name="adagrad", rate=0.2, first_sum=0.01, weight_decay=0),
        training=TrainingConfig(**{**settings, **training}),
    )


class Run:
    """The loop's way, one step at a time."""

    def __init__(self, made: Recipe) -> None:
        self.recipe, self.work = made, build(made, corpus())
        self.optimizer = Optimizer(self.work.module, made.optimizer, torch.float32)

    def step(self, step: int, *, until: int | None = None) -> None:
        """The step's update; or only its first micro-batches, as if it had been broken off."""
        for place, batch in enumerate(self.work.batches(step)[:until]):
            tallies = self.work.tallies(batch, DropoutStream(0, "dropout", step, place))
            loss = sum(tally.loss_sum / (LANES * 4) for tally in tallies.values())
            loss.backward()  # type: ignore[union-attr]
            self.optimizer.flat.collect(first=place == 0)
        if until is None:
            clipped(self.optimizer.flat, 1.0)
            self.optimizer.step(1.0)

    def saved(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds."""
        parts = {
            "model": self.optimizer.flat.tensors(),
            "optimizer": self.optimizer.tensors(),
            "carried": self.work.carried(),
        }
        return {kind: {name: part.clone() for name, part in tensors.items()} for kind, tensors in parts.items()}

    def take_up(self, saved: dict[str, dict[str, Tensor]]) -> None:
        self.optimizer.flat.load(saved["model"])
        self.optimizer.load(saved["optimizer"])
        self.work.take_up(saved["carried"])


def stopped(made: Recipe, at: int) -> BothWaysWork:
    """A SIGTERM while step number `at` (from 1) is computed."""
    work, seen = build(made, corpus()), 0
    whole = work.tallies

    def tallies(batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        nonlocal seen
        if stream is not None:
            seen += batch.num_sequences
            if seen == at * 2 * LANES:
                os.kill(os.getpid(), signal.SIGTERM)
        return whole(batch, stream)

    work.tallies = tallies  # type: ignore[method-assign]
    return work


def same(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(part, other[kind][name]) for kind, tensors in one.items() for name, part in tensors.items()
    )


@pytest.mark.parametrize("candidates", [8, None])
def test_going_on_is_as_if_it_had_never_stopped_bit_for_bit(candidates: int | None) -> None:
    whole = Run(recipe(candidates=candidates))
    for step in range(6):
        whole.step(step)
    first = Run(recipe(candidates=candidates))
    for step in range(3):
        first.step(step)
    second = Run(recipe(candidates=candidates))
    second.take_up(first.saved())
    for step in range(3, 6):
        second.step(step)
    assert same(second.saved(), whole.saved())
    forgetful = Run(recipe(candidates=candidates))
    forgetful.take_up({**first.saved(), "carried": Run(recipe()).saved()["carried"]})
    for step in range(3, 6):
        forgetful.step(step)
    assert not same(forgetful.saved(), whole.saved())


def test_a_run_that_is_stopped_anywhere_ends_the_same(tmp_path: Path) -> None:
    """Through the loop, its checkpoints and its log."""
    made = recipe(steps=8, log_every=2, evaluate_every=4)

    def ran(folder: Path) -> tuple[list[str], dict[str, bytes]]:
        assert run_in(folder, made, build(made, corpus()))  # type: ignore[arg-type]
        return lines(folder), files(folder, 8)

    wanted = ran(tmp_path / "whole")
    assert "carried.safetensors" in wanted[1]
    for at in (3, 6):
        done = checkpoint.steps(tmp_path / "cut")
        assert not run_in(tmp_path / "cut", made, stopped(made, at - max(done, default=0)))  # type: ignore[arg-type]
    assert ran(tmp_path / "cut") == wanted


def test_looking_at_held_out_text_changes_nothing() -> None:
    run = Run(recipe())
    run.step(0)
    before = run.saved()
    with torch.no_grad():
        first = [run.work.tallies(batch, None) for batch in run.work.held_out()]
        for batch in run.work.batches(1):
            run.work.tallies(batch, None)
        again = [run.work.tallies(batch, None) for batch in run.work.held_out()]
    assert same(run.saved(), before)
    assert [one["forward"].loss_sum for one in first] == [one["forward"].loss_sum for one in again]
    counted = [run.work.counts(batch) for batch in run.work.held_out()]
    words = corpus().held_out.num_tokens + corpus().held_out.num_sentences
    assert [one["backward"].count for one in first] == [one["backward"] for one in counted]
    assert sum(one["forward"] for one in counted) == words


def test_a_step_that_is_broken_off_counts_for_nothing() -> None:
    whole, broken = Run(recipe()), Run(recipe())
    for run in (whole, broken):
        run.step(0)
    before = broken.saved()
    broken.step(1, until=2)
    assert same(broken.saved(), before)
    for run in (whole, broken):
        run.step(1)
    assert same(broken.saved(), whole.saved())


def test_lanes_may_be_computed_in_any_portions() -> None:
    gradients: list[Tensor] = []
    states: list[dict[str, Tensor]] = []
    for micro in (1, 2, LANES):
        run = Run(recipe(dropout=0.0, micro_sequences=micro))
        for step in range(2):
            run.step(step)
        gradients.append(run.optimizer.flat.gradient.clone())
        states.append(run.work.carried())
    for gradient, state in zip(gradients, states):
        torch.testing.assert_close(gradient, gradients[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(state, states[0], atol=1e-6, rtol=1e-5)


def plain_losses(work: BothWaysWork, step: int, state: list[list[tuple[Tensor, Tensor]]], lane: int) -> Tensor:
    """A lane's loss in both directions, word by word, from its state; which goes on."""
    (batch,) = work.batches(step)
    network, softmax = work.module.encoder, work.module.softmax
    assert softmax is not None and batch.predict_ids is not None and batch.candidate_ids is not None
    assert batch.char_ids is not None and batch.char_rows is not None and batch.log_counts is not None
    words = network.characters(batch.char_ids)[batch.char_rows].view(2, LANES, 4, -1)[:, lane]
    asked = batch.predict_ids.view(2, LANES, 4)[:, lane]
    of_asked = batch.log_counts[: 2 * LANES * 4].view(2, LANES, 4)[:, lane]
    of_candidates = batch.log_counts[2 * LANES * 4 :]
    total = words.new_zeros(())
    for way, layers in enumerate((network.forward_layers, network.backward_layers)):
        for at in range(4):
            x = words[way, at]
            for place, lstm in enumerate(layers):
                part: Any = lstm
                h, c = state[way][place]
                i, f, z, o = (part.input(x) + part.recurrent @ h).chunk(4)
                c = torch.clamp(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(z), -3, 3)
                h = torch.clamp(part.projection @ (torch.sigmoid(o) * torch.tanh(c)), -3, 3)
                state[way][place] = h, c
                x = h + x if place else h
            right = asked[way, at]
            others = F.linear(x, softmax.table, softmax.bias)[batch.candidate_ids] - of_candidates
            others = others[batch.candidate_ids != right]
            score = softmax.table[right] @ x + softmax.bias[right] - of_asked[way, at]
            total = total + torch.logsumexp(torch.cat([score[None], others]), 0) - score
    return total


def test_loss_and_gradients_are_those_of_the_equations_two_steps_on() -> None:
    """Gradients go no further back than the step's own words; the state does."""
    work = build(recipe(dropout=0.0, micro_sequences=LANES), corpus())
    work.module.double()
    zeros = torch.zeros(5).double(), torch.zeros(7).double()
    states = [[[zeros, zeros], [zeros, zeros]] for _ in range(LANES)]
    for step in range(3):
        states = [[[(h.detach(), c.detach()) for h, c in way] for way in lane] for lane in states]
        wanted = torch.stack([plain_losses(work, step, states[lane], lane) for lane in range(LANES)]).sum()
        (batch,) = work.batches(step)
        found = sum(tally.loss_sum for tally in work.tallies(batch, None).values())
        torch.testing.assert_close(found, wanted)
    parameters = list(work.module.parameters())
    for one, other in zip(torch.autograd.grad(found, parameters), torch.autograd.grad(wanted, parameters)):  # type: ignore[arg-type]
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-8)
    hidden = work.carried()["hidden"]
    for lane in range(LANES):
        for way in range(2):
            for place in range(2):
                torch.testing.assert_close(hidden[place, way, lane], states[lane][way][place][0].detach())


def test_adagrad_is_pytorchs_and_its_terms_those_of_bilm() -> None:
    """Ten times the loss, sums from 1 and gradients of at most 10 are the loss, sums from 1/100 and at most 1."""
    torch.manual_seed(0)
    rows = [torch.randn(30) for _ in range(3)]
    begins = torch.randn(30)
    ours, theirs, bilm = begins.clone(), torch.nn.Parameter(begins.clone()), torch.nn.Parameter(begins.clone())
    leaf = ours.detach()
    leaf.grad = torch.zeros(30)
    adagrad = Adagrad([Part(leaf, 0.0)], rate=0.2, begin=0.01)
    stock = torch.optim.Adagrad([theirs], lr=0.2, initial_accumulator_value=0.01, eps=0)
    tenfold = torch.optim.Adagrad([bilm], lr=0.2, initial_accumulator_value=1.0, eps=0)
    for row in rows:
        row = row * min(1.0, 1 / float(row.norm()))
        leaf.grad.copy_(row)
        theirs.grad, bilm.grad = row.clone(), 10 * row
        for one in (stock, tenfold):
            one.step()
        adagrad.step(1.0)
        torch.testing.assert_close(ours, theirs.detach())
        torch.testing.assert_close(ours, bilm.detach(), rtol=1e-5, atol=1e-6)
    again = Adagrad([Part(torch.zeros(30), 0.0)], rate=0.2, begin=0.01)
    again.load(adagrad.tensors())
    assert torch.equal(again.sums[0], adagrad.sums[0])


def test_it_learns_both_directions(tmp_path: Path) -> None:
    made = recipe(dropout=0.0, steps=60, log_every=20, evaluate_every=20, micro_sequences=LANES)
    assert run_in(tmp_path, made, build(made, corpus()))  # type: ignore[arg-type]
    logged = read_metrics(tmp_path)
    first, last = (entry["held_out"]["losses"] for entry in (logged[0], logged[-1]))
    assert set(last) == {"forward", "backward"}
    assert all(last[way] < first[way] < np.log(32) for way in last)


def test_bfloat16_goes_on_bit_for_bit_too(tmp_path: Path) -> None:
    made = recipe(steps=4, log_every=2, evaluate_every=4, precision="bf16")
    assert run_in(tmp_path / "whole", made, build(made, corpus()))  # type: ignore[arg-type]
    assert not run_in(tmp_path / "cut", made, stopped(made, 2))  # type: ignore[arg-type]
    assert run_in(tmp_path / "cut", made, build(made, corpus()))  # type: ignore[arg-type]
    assert files(tmp_path / "cut", 4) == files(tmp_path / "whole", 4)


def test_the_recipe_has_bilms_numbers() -> None:
    made = published.recipe("original", "drawn", 793_469)
    assert (made.training.batch_sequences, made.training.micro_sequences, made.layout.unroll) == (384, 128, 20)
    assert made.softmax.candidates == 8192 and made.model.dropout == 0.1
    assert made.model == made.model.with_changes(cell_clip=3.0, projection_clip=3.0, cell_size=4096)
    assert (made.optimizer.name, made.optimizer.rate, made.optimizer.first_sum) == ("adagrad", 0.2, 0.01)
    assert made.training.schedule == "constant" and made.training.warmup_share == 0 and made.training.clip == 1.0
    assert made.training.steps == 10 * 768_648_884 // (384 * 20)
    assert list(published.SIZES) == ["tiny", "small", "medium", "original"]


def test_what_show_measures() -> None:
    made = recipe()
    data = build(made, corpus()).data
    found = {rate.name: rate.measured for rate in published.rates(made, data, 0, 4000)}
    text = corpus().train
    share = text.num_sentences / (text.num_tokens + text.num_sentences)
    assert found["tokens to predict"] == 1
    assert found["forward, begins of sentences"] == pytest.approx(share, rel=0.15)
    assert found["backward, ends of sentences"] == pytest.approx(share, rel=0.15)
    assert 0 < found["right words among the candidates"] < 1
    assert made.told["tokens"] == [4]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (recipe(candidates=20), "softmax.candidates 20 is more than half of the 32 words"),
        (recipe().with_changes(model=config(vocab_size=10)), "model.vocab_size 10 is less than the 30 tokens"),
    ],
)
def test_a_recipe_that_does_not_fit_is_one_line(made: Recipe, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check(made, corpus())


def test_another_runs_state_is_refused() -> None:
    work = build(recipe(), corpus())
    fine = work.carried()
    with pytest.raises(MaskwrightError, match="shape"):
        work.take_up({**fine, "cell": fine["cell"][:, :, 1:]})
    with pytest.raises(MaskwrightError, match="hidden"):
        work.take_up({"cell": fine["cell"]})
    with pytest.raises(MaskwrightError, match="infinity or NaN"):
        work.take_up({**fine, "cell": fine["cell"] * float("nan")})
