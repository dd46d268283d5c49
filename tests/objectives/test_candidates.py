"""Drawn candidates, beside TensorFlow's sampler written out, and the softmax over them, beside the one over all."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from maskwright.batch import Batch, flat_batch
from maskwright.draws import generator
from maskwright.objectives.candidates import draw_candidates, log_expected_counts, probabilities
from maskwright.objectives.sampled_softmax import SampledSoftmax


def one_by_one(count: int, total: int, seed: int, step: int) -> tuple[list[int], int]:
    """TensorFlow's `RangeSampler::SampleBatchGetExpectedCountAvoid`: draw, and draw again what was drawn before."""
    uniform = iter(generator(seed, "candidates", step).random(100_000))
    picked: list[int] = []
    tries = 0
    while len(picked) < count:
        tries += 1
        value = (int(math.exp(next(uniform) * math.log(total + 1))) - 1) % total
        if value not in picked:
            picked.append(value)
    return picked, tries


@given(st.integers(1, 40), st.integers(2, 300), st.integers(0, 100))
def test_draws_are_those_of_the_sampler_one_by_one(count: int, total: int, step: int) -> None:
    count = min(count, total // 2)
    drawn = draw_candidates(count, total, 7, "candidates", step)
    assert (drawn.ranks.tolist(), drawn.draws) == one_by_one(count, total, 7, step)


def test_single_draws_have_the_probabilities_they_are_said_to_have() -> None:
    total = 30
    seen = [int(draw_candidates(1, total, 3, "candidates", step).ranks[0]) for step in range(6000)]
    wanted = [math.log((r + 2) / (r + 1)) / math.log(total + 1) for r in range(total)]
    np.testing.assert_allclose(probabilities(np.arange(total), total), wanted, rtol=1e-12)
    assert scipy.stats.chisquare(np.bincount(seen, minlength=total), 6000 * np.array(wanted)).pvalue > 1e-4


def test_expected_counts_are_how_often_words_are_among_the_candidates() -> None:
    total, count, times = 60, 12, 4000
    seen, said = np.zeros(total), np.zeros(total)
    for step in range(times):
        drawn = draw_candidates(count, total, 5, "candidates", step)
        seen[drawn.ranks] += 1
        said += np.exp(log_expected_counts(np.arange(total), total, drawn.draws))
    np.testing.assert_allclose(said / times, seen / times, atol=4 * 0.5 / times**0.5)


def head_and_rows(words: int = 20, rows: int = 6) -> tuple[SampledSoftmax, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    head = SampledSoftmax(words, 5).double()
    torch.nn.init.normal_(head.table)
    torch.nn.init.normal_(head.bias)
    return head, torch.randn(rows, 5, dtype=torch.float64), torch.arange(rows) * 3 % words


def among(candidates: torch.Tensor, log_counts: torch.Tensor) -> Batch:
    batch = flat_batch(np.zeros(0, np.int64), np.zeros(1, np.int64))
    return replace(batch, candidate_ids=candidates, log_counts=log_counts)


def test_the_loss_is_tensorflows_formula() -> None:
    """Scores less log counts, the right word first, a candidate that is the right word left out."""
    head, rows, targets = head_and_rows()
    candidates = torch.tensor([3, 0, 7, 11])  # 3 and 0 are right words too
    log_counts = torch.linspace(-3, -0.1, 10, dtype=torch.float64)
    judged = head(rows, targets, among(candidates, log_counts))
    full = F.linear(rows, head.table, head.bias).tolist()
    for m in range(6):
        scores = [full[m][targets[m]] - log_counts[m].item()]
        for k, word in enumerate(candidates.tolist()):
            if word != targets[m]:
                scores.append(full[m][word] - log_counts[6 + k].item())
        assert judged.losses[m].item() == pytest.approx(math.log(sum(map(math.exp, scores))) - scores[0], rel=1e-12)
        assert bool(judged.hits[m]) == (scores[0] == max(scores))


def test_with_all_words_for_candidates_it_is_the_full_softmax_and_so_are_its_gradients() -> None:
    head, rows, targets = head_and_rows()
    rows.requires_grad_()
    drawn = head(rows, targets, among(torch.arange(20).flip(0), torch.zeros(26, dtype=torch.float64)))
    full = F.cross_entropy(F.linear(rows, head.table, head.bias), targets, reduction="none")
    torch.testing.assert_close(drawn.losses, full)
    ends = [rows, head.table, head.bias]
    for one, other in zip(torch.autograd.grad(drawn.losses.sum(), ends), torch.autograd.grad(full.sum(), ends)):
        torch.testing.assert_close(one, other)


def test_what_candidates_stand_for_is_in_expectation_all_words() -> None:
    """The sum of exponentials of the others, as estimated from candidates, has the full sum for its mean."""
    head, rows, _ = head_and_rows(words=60, rows=1)
    scores = F.linear(rows, head.table, head.bias)[0].detach().numpy()
    estimates: list[float] = []
    for step in range(4000):
        drawn = draw_candidates(15, 60, 9, "candidates", step)
        corrected = scores[drawn.ranks] - log_expected_counts(drawn.ranks, 60, drawn.draws)
        estimates.append(float(np.exp(corrected).sum()))
    error = float(np.std(estimates)) / len(estimates) ** 0.5
    assert abs(float(np.mean(estimates)) - float(np.exp(scores).sum())) < 4 * error + 0.01 * float(np.exp(scores).sum())


def test_judging_is_over_all_words_whatever_was_drawn() -> None:
    head, rows, targets = head_and_rows()
    with torch.no_grad():
        judged = head(rows, targets, among(torch.tensor([1]), torch.zeros(7, dtype=torch.float64)))
        scores = F.linear(rows, head.table, head.bias)
    torch.testing.assert_close(judged.losses, F.cross_entropy(scores, targets, reduction="none"))
    assert judged.hits.tolist() == (scores.argmax(-1) == targets).tolist()
    torch.testing.assert_close(head.log_probabilities(rows), torch.log_softmax(scores.float(), -1))


def test_more_candidates_than_words_are_refused() -> None:
    with pytest.raises(ValueError, match="9 different candidates of 8"):
        draw_candidates(9, 8, 0)
