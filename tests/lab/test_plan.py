"""Probes in processes of their own, and what is made of them."""

from pathlib import Path
from typing import Any

import pytest

from maskwright.cli.plan import table
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput, MaskwrightError
from maskwright.lab import plan as planning
from maskwright.lab.plan import plan, probe_apart, shared, sizes_to_try, try_sizes, try_threads
from maskwright.recipes import resolve
from maskwright.training.masked_recipe import Recipe
from maskwright.training.plan import Measured, Memory
from tests.training.small_corpus import make_corpus

SHAPE = {"model.hidden_size": "32", "model.num_attention_heads": "2", "model.intermediate_size": "64"}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Corpus]:
    corpus = make_corpus(tmp_path_factory.mktemp("corpus"))
    changes = {**SHAPE, "training.batch_sequences": "24", "training.steps": "100", "layout.max_length": "48"}
    return resolve("quick", str(corpus), "tiny", changes)


def one(size: int, speed: float, activations: int = 100) -> Measured:
    return Measured(size, 50, 1000, 1000 / speed, 1.0, Memory(4, 2, 6, 8, activations, 20), 12, 4)


def test_a_probe_leaves_nothing_and_counts_the_recipe_s_network(
    resolved: tuple[Recipe, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe, corpus = resolved
    found = probe_apart(recipe, corpus, 0.1)
    vocabulary, hidden = corpus.tokenizer.vocab_size, 32
    layers = 2 * (4 * hidden * hidden + 2 * 64 * hidden + 9 * hidden + 64)
    embeddings = (vocabulary + 512 + 2 + 2) * hidden
    heads = hidden * hidden + hidden + 2 * hidden + vocabulary + 2 * hidden + 2
    assert found.parameters == embeddings + layers + hidden * hidden + hidden + heads
    assert found.micro_sequences == recipe.training.micro_sequences and found.step_tokens > 24 * 10
    assert found.memory.program > 2**20 and found.step_seconds > 0
    result = plan(recipe, corpus, [found], tmp_path / "run")
    pairs = result["examples_per_epoch"]
    assert result["epochs"] == 100 * 24 / pairs and pairs > 24
    assert result["memory"]["peak"] == sum(found.memory)
    assert result["disk"]["run"] == 3 * found.checkpoint_bytes + found.model_bytes
    assert not list(tmp_path.iterdir())


def test_a_probe_that_fails_says_why(resolved: tuple[Recipe, Corpus], tmp_path: Path) -> None:
    recipe, corpus = resolved
    gone = Corpus(tmp_path / "gone", corpus.manifest)
    with pytest.raises(BadInput, match=r"^\S*gone is no folder"):  # a user's mistake, in its own words
        probe_apart(recipe, gone, 0.1)
    nonsense: Any = "no number"
    with pytest.raises(MaskwrightError, match=r"the probe of 32 sequences .*ValueError: .*no number"):
        probe_apart(recipe, corpus, nonsense)


@pytest.mark.parametrize(
    ("speeds", "free", "tried"),
    [
        ([10, 20, 30, 40], None, [8, 16, 32, 64]),
        ([10, 9, 6, 40], None, [8, 16, 32]),  # 32 is clearly slower than the best: 64 is not tried
        ([10, 20, 30, 40], 300, [8, 16]),  # 40 + 200 of 300 fits, 40 + 400 does not
        ([10, 20, 30, 40], 1, [8]),  # the smallest is always tried
    ],
)
def test_growing_sizes_until_memory_or_speed_ends_it(
    resolved: tuple[Recipe, Corpus],
    monkeypatch: pytest.MonkeyPatch,
    speeds: list[float],
    free: int | None,
    tried: list[int],
) -> None:
    def probed(recipe: Recipe, corpus: Corpus, seconds: float) -> Measured:
        size = recipe.training.micro_sequences
        return one(size, speeds[sizes.index(size)], activations=100 * size // 8)

    sizes = sizes_to_try(256)
    monkeypatch.setattr(planning, "probe_apart", probed)
    monkeypatch.setattr(planning, "free_memory", lambda _: free)
    found = try_sizes(*resolved, sizes)
    assert [measured.micro_sequences for measured in found] == tried
    best = plan(*resolved, found, Path("runs/nowhere"))
    assert best["micro_sequences"] == tried[speeds.index(max(speeds[: len(tried)]))]


def test_threads_are_tried_and_another_number_is_taken_if_it_is_clearly_faster(
    resolved: tuple[Recipe, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []
    speeds = {4: 30.0, 16: 20.9}

    def probed(recipe: Recipe, corpus: Corpus, seconds: float, threads: int) -> Measured:
        asked.append(threads)
        assert recipe.training.micro_sequences == 16
        return one(16, speeds[threads])

    monkeypatch.setattr(planning, "probe_apart", probed)
    monkeypatch.setattr(planning.torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(planning.os, "sched_getaffinity", lambda _: range(16), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    tried = [one(8, 10.0), one(16, 20.0)]
    found = try_threads(*resolved, tried)
    assert asked == [4, 16] and list(found) == [4, 8, 16]
    told = plan(*resolved, tried, tmp_path, None, found)
    assert (told["threads"], told["usual_threads"], told["tokens_per_second"]) == (4, 8, pytest.approx(30))
    assert told["tried_threads"] == pytest.approx({4: 30, 8: 20, 16: 20.9})
    assert "OMP_NUM_THREADS=4" in table(told) and "4: 30 | 8: 20 | 16: 21" in table(told)
    del found[4]  # what is left is faster by less than may be chance
    assert plan(*resolved, tried, tmp_path, None, found)["threads"] == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert list(try_threads(*resolved, tried)) == [8]


def test_a_probe_has_the_threads_that_it_is_given(
    resolved: tuple[Recipe, Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str | None] = []

    def ran(*_: object, env: dict[str, str], **__: object) -> None:
        given.append(env.get("OMP_NUM_THREADS"))
        raise MaskwrightError

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(planning.subprocess, "run", ran)
    for threads in (None, 3):
        with pytest.raises(MaskwrightError):
            probe_apart(*resolved, 0.1, threads)
    assert given == [None, "3"]


def test_processes_that_share_the_optimizer_hold_pieces_of_it(resolved: tuple[Recipe, Corpus], tmp_path: Path) -> None:
    recipe, corpus = resolved
    assert plan(recipe, corpus, [one(8, 10.0)], tmp_path)["memory_shared"] is None
    recipe = recipe.with_changes(training=recipe.training.with_changes(shard="optimizer"))
    told = plan(recipe, corpus, [one(8, 10.0)], tmp_path)
    assert told["memory_shared"] == {2: 140 - 12 + 6, 4: 140 - 12 + 3, 8: 140 - 12 + 2}  # of master 4 and state 8
    assert "each of 2 processes" in table(told)
    float32 = one(8, 10.0)._replace(memory=Memory(4, 0, 6, 8, 100, 20))
    assert shared(float32, 2) == 138 - 8 + 4  # the working copy is the master, which is whole


def test_of_processes_that_share_all_each_holds_a_piece_and_some_layers(
    resolved: tuple[Recipe, Corpus], tmp_path: Path
) -> None:
    recipe, corpus = resolved
    recipe = recipe.with_changes(training=recipe.training.with_changes(shard="parameters"))
    told = plan(recipe, corpus, [one(8, 10.0)._replace(whole_at_once=25)], tmp_path)
    # of master, gradient and state 4 + 4 + 8 a piece; half of the parameters whole, 2 (2 + 2 + 4) for all of them
    assert told["memory_shared"] == {ranks: 100 + 20 + 8 + 16 // ranks for ranks in (2, 4, 8)}


def test_the_second_phase_is_probed_and_reckoned_at_its_own_speed(
    resolved: tuple[Recipe, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, corpus = resolved
    second = {"share": 0.25, "max_length": 96, "batch_sequences": 10}
    recipe = recipe.with_changes(second_phase=recipe.second_phase.with_changes(**second))
    asked: list[Recipe] = []

    def probed(recipe: Recipe, corpus: Corpus, seconds: float, threads: int) -> Measured:
        asked.append(recipe)
        assert threads == 3
        return one(recipe.training.micro_sequences, 5.0, activations=900)

    monkeypatch.setattr(planning, "probe_apart", probed)
    tried = [one(8, 10.0), one(16, 20.0)]
    later = planning.probe_later(recipe, corpus, tried, threads=3)
    assert later is not None and planning.probe_later(resolved[0], corpus, tried) is None
    (later_recipe,) = asked
    assert later_recipe.layout.max_length == 96 and later_recipe.training.batch_sequences == 10
    assert later_recipe.training.micro_sequences == 8  # half of 16, for sequences twice as long
    for done, seconds in ((0, 75 * 50 + 25 * 200), (80, 20 * 200)):
        (tmp_path / "checkpoints" / f"step-{done:08d}").mkdir(parents=True)
        told = plan(recipe, corpus, tried, tmp_path, later)
        assert told["hours_left"] == pytest.approx((seconds + 1.0) / 3600)
    assert told["second_phase"] == {
        "steps": 25, "max_length": 96, "micro_sequences": 8, "step_tokens": 1000, "step_seconds": 200.0,
        "tokens_per_second": 5.0,
    }  # fmt: skip
    assert told["memory"]["peak"] == sum(later.measured.memory) and told["tokens_per_second"] == 20


def test_steps_that_are_done_are_not_planned_again(resolved: tuple[Recipe, Corpus], tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-00000060").mkdir(parents=True)
    result = plan(*resolved, [one(8, 10.0)], tmp_path)
    assert result["steps_done"] == 60 and result["steps"] == 100
    # 40 steps of 100 s, and one look at the held-out documents at the end
    assert result["hours_left"] == pytest.approx((40 * 100 + 1.0) / 3600)
