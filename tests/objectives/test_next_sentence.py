"""The head that says whether B follows A, and its loss."""

import numpy as np
import pytest
import torch

from maskwright.objectives.next_sentence import NextSentenceHead, next_sentence_loss


def test_loss_is_a_sum_of_negative_log_likelihoods() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(50, 2, generator=generator), torch.randint(2, (50,), generator=generator)
    expected = -sum(float(np.log(np.exp(row[label]) / np.exp(row).sum())) for row, label in zip(logits.numpy(), labels))
    tally = next_sentence_loss(logits, labels)
    assert tally.count == 50
    assert float(tally.loss_sum) == pytest.approx(expected, rel=1e-5)
    assert int(tally.correct) == sum(int(row.argmax() == label) for row, label in zip(logits, labels, strict=True))


def test_gradient_of_two_halves_is_that_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(1)
    head = NextSentenceHead(16)
    pooled, labels = torch.randn(9, 16, generator=generator), torch.randint(2, (9,), generator=generator)
    (whole,) = torch.autograd.grad(next_sentence_loss(head(pooled), labels).loss_sum, [head.seq_relationship.weight])
    halves = [
        torch.autograd.grad(next_sentence_loss(head(pooled[part]), labels[part]).loss_sum, [*head.parameters()])[0]
        for part in (slice(0, 2), slice(2, 9))
    ]
    torch.testing.assert_close(sum(halves), whole, atol=1e-6, rtol=1e-5)
