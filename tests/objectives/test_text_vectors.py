"""Vectors of texts: pooling beside loops, losses and gradients beside sentence-transformers'."""

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from maskwright.batch import Batch
from maskwright.draws import generator
from maskwright.objectives.text_vectors import LossName, PoolingName, TextVectors, no_negatives
from tests.parity import draw_batch

LENGTHS = [3, 0, 5, 1]
NOTHING: Any = nn.Module()


def drawn(pairs: int, width: int = 6) -> Tensor:
    return torch.from_numpy(generator(0, "vectors").normal(size=(2 * pairs, width))).requires_grad_()


def vectors(pairs: int) -> Tensor:
    return normalize(drawn(pairs).detach(), dim=-1)


def different(pairs: int) -> Tensor:
    """Numbers of texts, no two of which are equal."""
    return torch.arange(2 * pairs).view(-1, 2)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_text_is_the_mean_of_its_tokens_or_the_first(pooling: PoolingName) -> None:
    batch = draw_batch(generator(0, "texts"), LENGTHS, 50)
    last = torch.from_numpy(generator(0, "last").normal(size=(9, 4)))
    head = TextVectors(pooling, "infonce")
    rows = head.reads(batch)
    found = head.scores(last if rows is None else last[rows], batch, NOTHING)
    for one, tokens in zip(found, last.split(LENGTHS), strict=True):
        if not len(tokens):
            assert not one.any()
            continue
        wanted = tokens.mean(0) if pooling == "mean" else tokens[0]
        assert torch.allclose(one, wanted / wanted.norm(), atol=1e-12)


def theirs(loss: LossName, symmetric: bool) -> Any:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    model = nn.Identity()
    if loss == "cosent":
        return losses.CoSENTLoss(model, scale=7.0)
    if loss == "cosine":
        return losses.CosineSimilarityLoss(model)
    if symmetric:
        both = ("query_to_doc", "doc_to_query")
        return losses.MultipleNegativesRankingLoss(model, 7.0, directions=both, partition_mode="per_direction")
    return losses.MultipleNegativesRankingLoss(model, 7.0)


@pytest.mark.parametrize(
    ("loss", "symmetric"), [("infonce", False), ("infonce", True), ("cosine", False), ("cosent", False)]
)
def test_losses_and_gradients_are_those_of_sentence_transformers(loss: LossName, symmetric: bool) -> None:
    ours, other = drawn(5), drawn(5)
    labels = different(5) if loss == "infonce" else torch.tensor([0.5, -0.25, 0.5, 0.125, 0.0])
    found = TextVectors("mean", loss, 7.0, symmetric=symmetric).compare(normalize(ours, dim=-1), labels)
    there = theirs(loss, symmetric)
    expected = there.compute_loss_from_embeddings([other[0::2], other[1::2]], labels)
    assert found.losses.mean().item() == pytest.approx(expected.item(), abs=1e-12)
    found.losses.mean().backward()
    expected.backward()
    assert ours.grad is not None and other.grad is not None
    assert torch.allclose(ours.grad, other.grad, atol=1e-12)


def test_a_text_is_no_negative_of_its_own() -> None:
    texts = torch.tensor([[0, 1], [0, 2], [3, 1], [4, 0], [5, 6]])  # pairs that share a text
    given = vectors(5)
    first, second = given[0::2], given[1::2]
    for symmetric in (False, True):
        found = TextVectors("mean", "infonce", 20.0, symmetric=symmetric).compare(given, texts)
        for i in range(5):
            ways: list[float] = []
            for one, others in ((first, second), (second, first))[: 1 + symmetric]:
                score = [20 * float(one[i] @ others[j]) for j in range(5)]
                left = [j for j in range(5) if j == i or not _related(texts, *((i, j) if one is first else (j, i)))]
                ways.append(math.log(sum(math.exp(score[j]) for j in left)) - score[i])
            assert found.losses[i].item() == pytest.approx(sum(ways) / len(ways), abs=1e-10)
    assert no_negatives(texts).sum() == 6  # 0-1 and 0-2 both ways, and texts 0 and 0 of pairs 0 and 3, 1 and 3


def _related(texts: Tensor, i: int, j: int) -> bool:
    """Whether first text i and second text j are of pairs that share a text, or are the same."""
    (a, b), (c, d) = texts[i].tolist(), texts[j].tolist()
    return a in (c, d) or b == d


def test_equal_scores_ask_for_nothing() -> None:
    found = TextVectors("mean", "cosent").compare(vectors(4), torch.full((4,), 3.0))
    assert found.losses.tolist() == [0, 0, 0, 0]


def test_what_is_nearest_counts_as_right() -> None:
    given = torch.eye(4).repeat_interleave(2, 0)
    swapped = given[[0, 3, 2, 1, 4, 5, 6, 7]]
    head = TextVectors("mean", "infonce")
    assert head.compare(given, different(4)).correct.tolist() == [True] * 4
    assert head.compare(swapped, different(4)).correct.tolist() == [False, False, True, True]
    batch = cast("Batch", type("Labelled", (), {"labels": different(4)})())
    tally = head.tally(swapped, batch)
    assert (tally.count, int(tally.correct)) == (4, 2)
