"""However a step is cut into micro-batches, its gradient is that of the joined batch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from maskwright.batch import Batch
from maskwright.objectives.packing import pack
from maskwright.recipes.bert import build
from maskwright.training import flat
from maskwright.training.gradients import gradients
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining
from maskwright.training.ranks import ALONE
from maskwright.training.signals import Stop
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import share_of
from tests.models.networks import network, small
from tests.training.works import VOCABULARY, Examples, Given, corpus, recipe, relative

EXAMPLES = Examples(seed=0, sequences=8)  # sequences 0, 3 and 6 have nothing to predict
NO_CLIP = TrainingConfig(clip=None)


def fresh() -> Pretraining:
    return network(small(vocab_size=VOCABULARY, hidden_dropout_prob=0, attention_probs_dropout_prob=0))


def gradient_of(
    cuts: list[list[int]], dtype: torch.dtype = torch.float64, groups: int | None = None
) -> tuple[torch.Tensor, dict[str, list[float]]]:
    work = Given(fresh(), [EXAMPLES.batch(which) for which in cuts])
    optimizer = Optimizer(work.module, OptimizerConfig(), dtype)
    share = share_of(work, 0, ALONE, groups)
    sums, _, norm = gradients(work, optimizer, share, NO_CLIP.with_changes(groups=groups), 0, Stop())
    assert abs(norm - float(optimizer.flat.gradient.norm())) <= 1e-6 * norm
    return optimizer.flat.gradient.clone(), sums.sums


def by_hand(batch: Batch) -> torch.Tensor:
    """The mean over hidden tokens plus the mean over pairs, by torch's own mean reductions, in float64."""
    module = fresh()
    optimizer = Optimizer(module, OptimizerConfig(), torch.float64)
    last = module.encoder(batch)
    scores = module.heads["mlm"].scores(last[batch.predict_rows], module.encoder.token_table)
    loss = F.cross_entropy(scores, batch.predict_ids)
    loss = loss + F.cross_entropy(module.heads["nsp"](module.encoder.pooled(last, batch)), batch.pair_labels)
    loss.backward()
    optimizer.flat.collect(first=True)
    return optimizer.flat.gradient


JOINED = by_hand(EXAMPLES.batch(range(8)))


def check(cuts: list[list[int]], groups: int | None = None) -> None:
    """Whether gradients are brought into the row at once or, as those of large matrices, held beside it."""
    for held in (flat.HELD, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flat, "HELD", held)
            found, sums = gradient_of(cuts, groups=groups)
        assert relative(found, JOINED) <= 1e-12
        assert sums["nsp"][1] == 8 and sums["mlm"][1] == sum(len(row["rows"]) for row in EXAMPLES.rows)


def test_one_of_eight_two_of_four_eight_of_one() -> None:
    for size in (8, 4, 1):  # those of one hold micro-batches without a hidden token
        check([list(range(start, start + size)) for start in range(0, 8, size)])


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_in_groups_too_of_which_some_may_be_empty(size: int, groups: int) -> None:
    check([list(range(start, min(start + size, 8))) for start in range(0, 8, size)], groups)


def test_a_last_micro_batch_that_is_smaller() -> None:
    check([[0, 1, 2], [3, 4, 5], [6, 7]])
    check([[0, 1, 2, 3, 4, 5, 6], [7]])


def test_a_first_and_a_last_micro_batch_with_nothing_to_predict() -> None:
    check([[0], [1, 2, 4, 5, 7], [3, 6]])


@given(st.permutations(range(8)), st.sets(st.integers(1, 7)))
def test_any_order_and_any_cuts(order: list[int], cuts: set[int]) -> None:
    ends = [0, *sorted(cuts), 8]
    check([list(order[a:b]) for a, b in pairwise(ends)])


def test_packed_rows_are_their_sequences_each_alone() -> None:
    """Rows as `training.batch_tokens` packs them: nothing crosses from one sequence of a row to another."""
    lengths = np.array([len(row["ids"]) for row in EXAMPLES.rows])
    order, ends = pack(lengths, 40, np.random.default_rng(0))
    rows = [order[a:b].tolist() for a, b in pairwise(ends.tolist())]
    assert 1 < len(rows) < 8 and sorted(order.tolist()) == [*range(8)]
    check(rows)
    check([[place] for place in range(8)])


def test_a_step_without_a_single_hidden_token_still_learns_from_its_pairs() -> None:
    found, sums = gradient_of([[0], [3, 6]])
    assert sums["mlm"] == [0.0, 0, 0] and sums["nsp"][1] == 3
    assert bool(found.isfinite().all()) and float(found.norm()) > 0


def test_bf16_agrees_with_float64_to_its_precision() -> None:
    found, _ = gradient_of([[0, 1, 2, 3], [4, 5, 6, 7]], torch.bfloat16)
    assert relative(found.double(), JOINED) < 0.05


@pytest.mark.parametrize("dupe_factor", [None, 2])
def test_recipes_cut_a_step_without_touching_its_sequences_and_masks(dupe_factor: int | None) -> None:
    def batches(micro_sequences: int) -> list[Batch]:
        settings = recipe(micro_sequences=micro_sequences, batch_sequences=7)
        masks = settings.masks.model_copy(update={"dupe_factor": dupe_factor})
        return build(settings.model_copy(update={"masks": masks}), corpus()).batches(3)

    def joined(batches: list[Batch], name: str) -> Tensor:
        return torch.cat([getattr(batch, name) for batch in batches])

    def lengths(batches: list[Batch]) -> list[int]:
        return [length for batch in batches for length in batch.cu_seqlens.diff().tolist()]

    whole, parts = batches(100), batches(3)
    assert [batch.num_sequences for batch in whole] == [7]
    assert [batch.num_sequences for batch in parts] == [3, 3, 1]
    assert lengths(whole) == lengths(parts) == sorted(lengths(whole), reverse=True)
    for name in ("token_ids", "token_type_ids", "predict_ids", "pair_labels"):
        assert torch.equal(joined(whole, name), joined(parts, name)), name
