"""The CRF beside sums and maxima over every single path."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from maskwright.layers.crf import FORBIDDEN, Crf

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=5)


def drawn(tags: int, seed: int, *, masked: bool = False) -> Crf:
    noise = torch.Generator().manual_seed(seed)
    may = torch.rand(tags + 1, tags + 1, generator=noise) < 0.6 if masked else None
    crf = Crf(tags, may).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(generator=noise)
    return crf


def given_scores(lengths: list[int], tags: int, seed: int) -> tuple[Tensor, np.ndarray]:
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return torch.randn(
        int(bounds[-1]), tags, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    ), bounds


def of_path(crf: Crf, scores: Tensor, path: tuple[int, ...], *, pairs: bool, edges: bool) -> float:
    """The score of a path, term by term."""
    if not path:
        return 0.0
    may, tags = crf.may_follow, len(crf.starts)
    found = crf.starts[path[0]].item() if may[tags, path[0]] or not edges else FORBIDDEN
    found += crf.ends[path[-1]].item() if may[path[-1], tags] or not edges else FORBIDDEN
    for before, after in pairwise(path):
        found += crf.transitions[before, after].item() if may[before, after] or not pairs else FORBIDDEN
    return found + sum(float(scores[t, tag]) for t, tag in enumerate(path))


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 4), st.integers(0, 10_000), st.booleans(), st.booleans())
def test_partition_and_best_path_are_those_of_all_paths(
    lengths: list[int], tags: int, seed: int, masked: bool, legal: bool
) -> None:
    crf = drawn(tags, seed, masked=masked)
    scores, bounds = given_scores(lengths, tags, seed + 1)
    log_partition, best = crf.log_partition(scores, bounds, legal=legal).detach(), crf.best(scores, bounds, legal=legal)
    assert best.dtype == torch.int64 and len(best) == len(scores)
    chosen = torch.randint(tags, (len(scores),), generator=torch.Generator().manual_seed(seed))
    of_chosen = crf.path_score(scores, chosen, bounds).detach()
    for n, (first, end) in enumerate(pairwise(bounds.tolist())):
        part, paths = scores[first:end], list(product(range(tags), repeat=end - first))
        open_ = [of_path(crf, part, path, pairs=legal, edges=False) for path in paths]
        total = float(torch.tensor(open_, dtype=torch.float64).logsumexp(0))
        assert float(log_partition[n]) == pytest.approx(total, abs=1e-9, rel=1e-12)
        closed = [of_path(crf, part, path, pairs=legal, edges=legal) for path in paths]
        assert tuple(best[first:end].tolist()) == paths[int(np.argmax(closed))]
        path = tuple(chosen[first:end].tolist())
        assert float(of_chosen[n]) == pytest.approx(of_path(crf, part, path, pairs=False, edges=False), abs=1e-9)


@pytest.mark.parametrize("legal", [False, True])
def test_gradients_are_those_of_differences(legal: bool) -> None:
    crf = drawn(3, 0, masked=True)
    scores, bounds = given_scores([4, 0, 1, 3, 4], 3, 1)
    tags = torch.randint(3, (len(scores),), generator=torch.Generator().manual_seed(0))

    def likelihood(scores: Tensor, *weights: Tensor) -> Tensor:
        names = [name for name, _ in crf.named_parameters()]
        return torch.func.functional_call(
            _Likelihood(crf, bounds, legal), {f"crf.{name}": w for name, w in zip(names, weights)}, (scores, tags)
        )

    inputs = [scores.requires_grad_(), *(p.detach().clone().requires_grad_() for p in crf.parameters())]
    assert torch.autograd.gradcheck(likelihood, inputs)


class _Likelihood(torch.nn.Module):
    def __init__(self, crf: Crf, bounds: np.ndarray, legal: bool) -> None:
        super().__init__()
        self.crf, self.bounds, self.legal = crf, bounds, legal

    def forward(self, scores: Tensor, tags: Tensor) -> Tensor:
        return self.crf.log_likelihood(scores, tags, self.bounds, legal=self.legal)


def test_the_gradient_is_what_is_expected_less_what_was_seen() -> None:
    """Of scores: each tag's share among all paths, less 1 at the right one. Shares of a row sum to 1."""
    crf = drawn(4, 3)
    scores, bounds = given_scores([6, 2], 4, 4)
    tags = torch.tensor([0, 1, 2, 3, 0, 1, 2, 2])
    (gradient,) = torch.autograd.grad(-crf.log_likelihood(scores.requires_grad_(), tags, bounds).sum(), scores)
    shares = gradient + torch.nn.functional.one_hot(tags, 4)
    assert torch.allclose(shares.sum(1), torch.ones(8, dtype=torch.float64)) and bool((shares > 0).all())


def test_without_transitions_it_is_a_softmax_of_each_row() -> None:
    crf = Crf(5)
    scores, bounds = given_scores([3, 0, 4], 5, 0)
    tags = torch.tensor([0, 4, 2, 2, 1, 3, 0])
    alone = torch.nn.functional.cross_entropy(scores, tags, reduction="none")
    wanted = torch.stack([alone[:3].sum(), alone.new_zeros(()), alone[3:].sum()])
    assert torch.allclose(-crf.log_likelihood(scores, tags, bounds), wanted)
    assert torch.equal(crf.best(scores, bounds), scores.argmax(-1))


def test_a_batch_without_rows_has_no_path() -> None:
    crf, bounds = Crf(3), np.zeros(3, np.int64)
    assert crf.best(torch.zeros(0, 3), bounds).tolist() == []
    assert crf.log_likelihood(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), bounds).tolist() == [0.0, 0.0]


def test_a_sequence_that_allows_no_path_has_a_best_one() -> None:
    crf = Crf(2, torch.zeros(3, 3, dtype=torch.bool))
    scores = torch.tensor([[0.0, 3.0], [2.0, 0.0]])
    assert crf.best(scores, np.array([0, 2]), legal=True).tolist() == [1, 0]
    assert bool(crf.log_partition(scores, np.array([0, 2]), legal=True).isfinite())


def test_equal_to_pytorch_crf() -> None:
    torchcrf = pytest.importorskip("torchcrf")  # pip install --no-deps pytorch-crf
    ours, theirs = drawn(5, 0), torchcrf.CRF(5, batch_first=True).double()
    with torch.no_grad():
        theirs.transitions.copy_(ours.transitions)
        theirs.start_transitions.copy_(ours.starts)
        theirs.end_transitions.copy_(ours.ends)
    lengths = [7, 1, 12, 5]
    scores, bounds = given_scores(lengths, 5, 1)
    tags = torch.randint(5, (len(scores),), generator=torch.Generator().manual_seed(2))
    padded = [torch.nn.utils.rnn.pad_sequence(rows.split(lengths), batch_first=True) for rows in (scores, tags)]
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    wanted = theirs(*padded, mask=mask, reduction="none")
    found = ours.log_likelihood(scores, tags, bounds)
    assert torch.allclose(found, wanted, atol=1e-10)
    assert ours.best(scores, bounds).tolist() == [tag for path in theirs.decode(padded[0], mask=mask) for tag in path]
    found.sum().backward()
    wanted.sum().backward()
    for one, other in ((ours.transitions, theirs.transitions), (ours.starts, theirs.start_transitions)):
        assert one.grad is not None and torch.allclose(one.grad, other.grad, atol=1e-10)
