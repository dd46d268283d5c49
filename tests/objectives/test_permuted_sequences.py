"""Batches of permutation language modelling: a function of the step, whole in every micro-batch, read both ways."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.errors import BadInput
from maskwright.objectives.permutation import PermutationConfig
from maskwright.objectives.permuted_sequences import PermutedSequences
from maskwright.objectives.show_permutation import measure_orders
from tests.objectives.test_lane_pairs import CLS, EOD, FIRST, SEP, numbered

TRAIN, HELD_OUT = numbered(200), numbered(30, 1)
TOKENIZER: Any = SimpleNamespace(
    cls_id=CLS, sep_id=SEP, kind="unigram", id_to_token=str, tokens=(*map(str, range(7)), "<eod>")
)


def made(seed: int = 0, **changes: Any) -> PermutedSequences:
    config = {"max_length": 40, **{k: changes.pop(k) for k in list(changes) if k in PermutationConfig.model_fields}}
    options: dict[str, Any] = {
        "batch_sequences": 6, "micro_sequences": 4, "held_out_sequences": 40, "reuse": 20, "backwards": True,
    }  # fmt: skip
    return PermutedSequences(TRAIN, HELD_OUT, TOKENIZER, PermutationConfig(**config), seed=seed, **options | changes)


def test_a_step_is_a_function_of_the_seed_and_the_step() -> None:
    one, two = made(), made()
    for step in (0, 7, 3):
        for a, b in zip(one.batches(step), two.batches(step), strict=True):
            assert torch.equal(a.token_ids, b.token_ids) and torch.equal(a.ranks, b.ranks)
            assert torch.equal(a.predict_rows, b.predict_rows)
    again = one.ordered(3)  # of a block that is known already
    assert np.array_equal(again.ranks, one.ordered(3).ranks) and np.array_equal(again.ranks, made().ordered(3).ranks)
    assert not torch.equal(one.batches(0)[0].ranks, one.batches(1)[0].ranks)
    assert not torch.equal(one.batches(0)[0].token_ids, made(seed=1).batches(0)[0].token_ids)


def test_micro_batches_are_the_step_cut() -> None:
    whole = made(micro_sequences=6).batches(5)[0]
    parts = made(micro_sequences=4).batches(5)
    assert [part.num_sequences for part in parts] == [4, 2]
    for name in ("token_ids", "ranks", "lane_ids", "backward", "predict_ids", "token_type_ids"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name
    assert whole.lane_ids.tolist() == list(range(6)) and whole.backward.tolist() == [False] * 3 + [True] * 3


def test_targets_and_ranks() -> None:
    """One in six; each half has its share, [SEP] and [CLS] none; the second half comes after the first."""
    for step in range(10):
        batch = made(micro_sequences=6).batches(step)[0]
        ids, ranks = batch.token_ids.view(6, 40), batch.ranks.view(6, 40)
        rows = torch.zeros(240, dtype=torch.bool)
        rows[batch.predict_rows] = True
        targets = rows.view(6, 40)
        assert (targets[:, :20].sum(1) == 3).all() and (targets[:, 20:].sum(1) == 3).all()
        special = (ids == SEP) | (ids == CLS)
        assert not (targets & special).any()
        assert torch.equal(batch.predict_ids, batch.token_ids[batch.predict_rows])
        context = ~targets & ~special
        assert (ranks[:, :20][context[:, :20]] == -1).all() and (ranks[:, 20:][context[:, 20:]] == 20).all()
        assert ranks[:, :20].max() < 20 <= ranks[:, 20:].min()
        for row in range(6):
            own = ranks[row][~context[row]]
            assert len(own.unique()) == len(own) and not torch.isin(own, torch.tensor([-1, 20])).any()


def test_n_grams_of_lanes_that_run_backwards_are_those_of_the_text() -> None:
    """Read from its end, a run of targets in a backward lane begins with the first token of a word."""
    _, starts = TRAIN.gather(np.array([0]), np.array([TRAIN.num_tokens]))
    begins, runs = 0, 0
    for step in range(60):
        found = made(predictions=4, reuse=20).ordered(step)
        for row in range(3, 6):
            assert found.backward[row]
            ids, targets = found.laid.token_ids[row, :20][::-1], found.targets[row, :20][::-1]
            for at in np.flatnonzero(np.diff(np.pad(targets, (1, 0)).astype(np.int8)) == 1):
                if ids[at] >= FIRST:
                    begins, runs = begins + int(starts[ids[at] - FIRST]), runs + 1
    assert runs > 100 and begins > 0.85 * runs  # the others were filled in, one by one


def test_held_out_is_the_same_every_time() -> None:
    data = made()
    first, again = list(data.held_out()), list(data.held_out())
    assert first and all(torch.equal(a.ranks, b.ranks) for a, b in zip(first, again, strict=True))
    assert all(batch.backward is None for batch in first)
    assert sum(batch.num_sequences for batch in first) <= 40 + 32
    assert list(made(held_out_sequences=1).held_out())
    nothing = PermutedSequences(
        TRAIN, numbered(0 + 1, 5), TOKENIZER, PermutationConfig(max_length=400, predictions=9), batch_sequences=2,
        micro_sequences=2, held_out_sequences=4, seed=0,
    )  # fmt: skip
    assert list(nothing.held_out()) == []


def test_examples_say_the_order() -> None:
    example = next(made().examples(0))
    found = made().ordered(0)
    numbers = {int(mark.token[1:-1]): i for i, mark in enumerate(example.marks) if mark.fate == "masked"}
    assert sorted(numbers) == list(range(1, 7))
    assert np.all(np.diff([found.ranks[0][numbers[k]] for k in range(1, 7)]) > 0)
    assert example.text.count("←") == 6 and example.marks[-1].fate == "special"
    rates = {rate.name: rate for rate in measure_orders((made().ordered(k) for k in range(50)), targets=6)}
    assert rates["tokens to predict"].measured == rates["tokens to predict"].wanted == 0.15
    assert rates["sequences that run backwards"].measured == 0.5
    assert 1 < rates["tokens a run of targets"].measured < 3


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"batch_sequences": 5}, "half of 5 sequences cannot run backwards: give an even number"),
        (
            {"memory": 10_000},
            r"a memory of 10000 tokens \(model.mem_len\) and sequences of 40: one of 6 lanes has only",
        ),
        ({"reuse": 36}, "36 of 40 tokens that go into the memory"),
        ({"predictions": 30, "reuse": 10}, "15 predictions in 10 tokens, a half of a sequence"),
    ],
)
def test_bad_input(options: dict[str, Any], wish: str) -> None:
    with pytest.raises(BadInput, match=wish) as caught:
        made(**options)
    assert "\n" not in str(caught.value)


def test_documents_end_with_eod_where_the_tokenizer_has_it() -> None:
    with_end = torch.cat([batch.token_ids for k in range(20) for batch in made().batches(k)])
    without = torch.cat([batch.token_ids for k in range(20) for batch in made(end_of_document=False).batches(k)])
    assert (with_end == EOD).any() and not (without == EOD).any()
