"""Means of texts and pairs beside plain numpy, text by text."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch, flat_batch
from maskwright.draws import generator
from maskwright.objectives.word_means import WordMeanScores, mean_vectors

BOUNDS = np.array([0, 3, 3, 4, 9, 11, 12])  # the second sequence is empty
COUNTED = torch.tensor([1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1], dtype=torch.bool)  # and of the fifth nothing counts


class Counting:
    """What the head asks of an encoder."""

    def counted(self, batch: Batch) -> Tensor:
        return COUNTED


def drawn(size: int = 5) -> tuple[Tensor, Batch]:
    rng = generator(0, "vectors")
    batch = flat_batch(np.zeros(12, np.int64), BOUNDS)
    return torch.from_numpy(rng.normal(size=(12, size))).requires_grad_(), batch


def plain_means(seen: Tensor) -> list[np.ndarray]:
    values = seen.detach().numpy()
    rows = [values[a:b][COUNTED.numpy()[a:b]] for a, b in pairwise(BOUNDS)]
    return [part.mean(0) if len(part) else np.zeros(values.shape[1]) for part in rows]


def test_means_are_of_what_counts_and_zeros_of_nothing() -> None:
    seen, batch = drawn()
    found = mean_vectors(seen, batch, COUNTED)
    np.testing.assert_allclose(found.detach(), np.stack(plain_means(seen)), atol=1e-12)
    found.sum().backward()
    assert seen.grad is not None
    lengths = [2, 1, 4, 1]
    wanted = np.zeros(12)
    wanted[COUNTED.numpy()] = np.repeat([1 / n for n in lengths], lengths)
    np.testing.assert_allclose(seen.grad, np.repeat(wanted[:, None], 5, 1), atol=1e-12)


@pytest.mark.parametrize("pairs", [False, True])
def test_scores_and_loss(pairs: bool) -> None:
    seen, batch = drawn()
    head = WordMeanScores(5, 3, "class", 0.0, pairs=pairs).double()
    means = plain_means(seen)
    rows = np.stack(means)
    if pairs:
        rows = np.stack(
            [np.concatenate([u, v, abs(u - v), u * v]) for u, v in zip(means[::2], means[1::2], strict=True)]
        )
    labels = torch.arange(len(rows)) % 3
    batch = replace(batch, labels=labels)
    scores = head.scores(seen, batch, Counting())
    wanted = torch.nn.functional.linear(torch.from_numpy(rows), head.classifier.weight, head.classifier.bias)
    np.testing.assert_allclose(scores.detach(), wanted.detach(), atol=1e-12)
    tally = head.tally(scores, batch)
    assert tally.loss_sum.item() == pytest.approx(cross_entropy(wanted, labels, reduction="sum").item(), abs=1e-5)
    assert tally.count == head.count(batch) == len(rows) == (3 if pairs else 6)
