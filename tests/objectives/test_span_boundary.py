"""The span boundary head against the form that facebookresearch/SpanBERT computes: every span padded to 20 places."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu

from maskwright.batch import Batch, Sequences
from maskwright.draws import words
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.span_boundary import PLACES, SpanBoundaryHead
from maskwright.objectives.units import spans
from tests.models.networks import network, small

H, V = 16, 50


def batch_of(seed: int, rate: float = 0.3) -> Batch:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(30, 60, 5)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    special = np.zeros(ends[-1], np.bool_)
    special[ends[:-1]] = special[ends[1:] - 1] = True
    word = np.where(special, -1, np.cumsum(rng.random(ends[-1]) < 0.4))
    sequences = Sequences(
        token_ids=rng.integers(5, V, ends[-1]), token_type_ids=np.zeros(ends[-1], np.int64), cu_seqlens=ends,
        special=special, word_ids=word,
    )  # fmt: skip
    return mask_sequences(
        sequences, words(5, seed, "sbo"), mask_id=4, random_ids=V, units=spans(), rate=rate, boundaries=True
    )


def padded_to_twenty(head: SpanBoundaryHead, states: torch.Tensor, table: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Each span with [left; right; place] at 20 places through the whole first matrix; empty ones are ignored."""
    assert batch.span_bounds is not None and batch.span_of is not None and batch.span_places is not None
    assert batch.predict_ids is not None
    bounds = states[batch.span_bounds]  # (P, 2, H)
    sides = bounds.flatten(1)[:, None].expand(-1, PLACES, -1)
    x = torch.cat([sides, head.place.expand(len(bounds), -1, -1)], dim=-1)
    x = nn.functional.layer_norm(gelu(head.first(x)), (H,), head.first_norm.weight, head.first_norm.bias, 1e-12)
    x = nn.functional.layer_norm(gelu(head.second(x)), (H,), head.second_norm.weight, head.second_norm.bias, 1e-12)
    targets = torch.full((len(bounds), PLACES), -100)
    for row, (of, place) in enumerate(zip(batch.span_of.tolist(), batch.span_places.tolist(), strict=True)):
        if of >= 0:
            targets[of, place] = batch.predict_ids[row]
    scores = x @ table.T + head.bias
    return cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-100)


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_equal_the_padded_form(seed: int) -> None:
    batch = batch_of(seed)
    noise = torch.Generator().manual_seed(seed)
    head = SpanBoundaryHead(H, V, "gelu", 1e-12).double()
    for parameter in head.parameters():
        parameter.data = torch.randn(parameter.shape, generator=noise, dtype=torch.float64) * 0.3 + (
            parameter.ndim == 1
        )
    states = torch.randn(batch.num_tokens, H, generator=noise, dtype=torch.float64, requires_grad=True)
    table = torch.randn(V, H, generator=noise, dtype=torch.float64, requires_grad=True)

    class Below:
        token_table = table

    tally = head.tally(states[head.reads(batch)], batch, Below())  # type: ignore[arg-type]
    expected = padded_to_twenty(head, states, table, batch)
    assert tally.count == head.count(batch) > 20
    torch.testing.assert_close(tally.loss_sum, expected, rtol=1e-10, atol=1e-10)
    leaves = [states, table, *head.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad(tally.loss_sum, leaves), torch.autograd.grad(expected, leaves), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_whole_network_reads_the_tokens_around_spans() -> None:
    """Bounds may be read twice, and by the other head too; no bounds at all is a loss of zero."""
    model = network(small(vocab_size=V), ("mlm",))
    model.heads["sbo"] = SpanBoundaryHead(H, V, "gelu", 1e-12)
    nn.init.normal_(model.heads["sbo"].place)
    batch = batch_of(1)
    states = model.encoder(batch)
    alone = model.heads["sbo"].tally(states[model.heads["sbo"].reads(batch)], batch, model.encoder)
    together = model.tallies(batch)["sbo"]
    torch.testing.assert_close(together.loss_sum, alone.loss_sum, rtol=1e-5, atol=1e-5)
    everything = model.tallies(batch_of(1, rate=1.0))["sbo"]
    assert everything.count == 0 and float(everything.loss_sum.detach()) == 0
