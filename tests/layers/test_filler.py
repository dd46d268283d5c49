"""Rows behind the last token change neither loss nor gradient, and make shapes few."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from maskwright.draws import generator
from maskwright.layers import filler
from maskwright.layers.attention import attention
from maskwright.layers.cross_entropy import plain, projected_cross_entropy
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import layout
from maskwright.layers.looking import looked_attention, quicken
from maskwright.layers.onednn import can_fuse
from tests.models.networks import network, small
from tests.parity import draw_batch

needs_bf16 = pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this processor has no instructions for bfloat16")
LENGTHS = [7, 1, 40, 13, 0, 29]
HEADS = {"albert": ("mlm", "sop"), "openai-gpt": ("lm",), "gpt2": ("lm",), "xlnet": ("plm",), "xlm": ("mlm",)}


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filler whatever the numbers are, and much of it."""
    monkeypatch.setattr(filler, "_compiled_by_shape", lambda like: True)
    monkeypatch.setattr(filler, "even", lambda rows: -(-rows // 32) * 32)


def drawn(kind: str) -> tuple[Any, Any]:
    config = small(kind)
    model = network(config, HEADS.get(kind, ("mlm", "nsp") if kind == "bert" else ("mlm",))).double()
    languages, segments = getattr(config, "n_langs", 0), getattr(config, "type_vocab_size", 0)
    batch = draw_batch(generator(0, "filler"), LENGTHS, config.vocab_size, segments, languages=languages)
    if kind == "xlnet":
        batch = replace(batch, ranks=torch.from_numpy(generator(0, "order").permutation(batch.num_tokens)))
    return model, batch


def outcome(model: Any, batch: Any) -> list[Tensor]:
    """Losses, and every gradient."""
    model.zero_grad()
    tallies = model.tallies(batch)
    torch.stack([tally.loss_sum for tally in tallies.values()]).sum().backward()
    grads = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]
    return [*(tally.loss_sum.detach() for tally in tallies.values()), *grads]


@pytest.mark.parametrize("kind", ["bert", "roberta", "albert", "xlm", "openai-gpt", "gpt2", "xlnet"])
def test_no_loss_and_no_gradient_is_touched(kind: str, request: pytest.FixtureRequest) -> None:
    model, batch = drawn(kind)
    without = outcome(model, batch)
    request.getfixturevalue("always")
    shapes: list[int] = []
    for layer in model.encoder.layers:
        layer.output.register_forward_hook(lambda _one, given, _made: shapes.append(len(given[0])))
    for ours, expected in zip(outcome(model, batch), without, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12 * max(1.0, float(expected.abs().max())))
    assert batch.num_tokens % 32 and shapes and all(rows % 32 == 0 for rows in shapes), "there was filler"


@pytest.mark.parametrize("kind", ["bert", "xlnet"])
def test_whoever_reads_a_network_gets_its_tokens_alone(kind: str, request: pytest.FixtureRequest) -> None:
    model, batch = drawn(kind)
    rows = torch.arange(0, batch.num_tokens, 3)
    with torch.no_grad():
        whole, some = model.encoder(batch), model.encoder(batch, None, rows)
        request.getfixturevalue("always")
        torch.testing.assert_close(model.encoder(batch), whole, rtol=0, atol=1e-12)
        torch.testing.assert_close(model.encoder(batch, None, rows), some, rtol=0, atol=1e-12)
        states = model.encoder.hidden_states(batch)
    assert {len(state) for state in states} == {batch.num_tokens}


@pytest.mark.usefixtures("always")
def test_dropout_goes_on_being_a_function_of_its_address() -> None:
    model, batch = drawn("bert")
    first, again, other = (
        model.tallies(batch, DropoutStream(0, "filler", step))["mlm"].loss_sum.item() for step in (0, 0, 1)
    )
    assert first == again != other


@needs_bf16
@pytest.mark.parametrize("largest", [1.0, 200.0], ids=["powers", "shares"])
@pytest.mark.usefixtures("always")
def test_the_head_counts_no_filler(largest: float) -> None:
    draws = torch.Generator().manual_seed(0)
    rows, table = (torch.randn(n, 24, generator=draws).bfloat16() for n in (41, 60))
    bias, targets = torch.randn(60, generator=draws).bfloat16(), torch.randint(60, (41,), generator=draws)
    rows[0] *= largest
    found: list[list[Tensor]] = []
    for way, dtype in ((projected_cross_entropy, torch.bfloat16), (plain, torch.float64)):
        leaves = [given.detach().to(dtype).requires_grad_() for given in (rows, table, bias)]
        loss, correct = way(*leaves, targets)
        loss.backward()
        found.append([loss.detach().double(), correct.double(), *(leaf.grad.double() for leaf in leaves)])  # pyright: ignore[reportOptionalMemberAccess]
    for ours, exact in zip(*found, strict=True):
        assert ours.shape == exact.shape
        assert float((ours - exact).abs().max()) <= 0.02 * float(exact.abs().max())


@needs_bf16
def test_shapes_are_few_in_bf16_and_as_they_are_elsewhere() -> None:
    """Of 200 steps with 3,400 to 4,100 tokens."""
    tokens = generator(0, "steps").integers(3400, 4100, 200).tolist()
    shapes = {count + filler.lacking(count, torch.empty(0, dtype=torch.bfloat16)) for count in tokens}
    assert len(set(tokens)) > 150 and len(shapes) <= 24
    assert all(0 <= filler.lacking(n, torch.empty(0, dtype=torch.bfloat16)) <= n / 64 for n in range(1, 5000))
    assert not any(filler.lacking(count, torch.empty(0)) for count in tokens)


@pytest.mark.parametrize("lengths", [LENGTHS, [3, 5], [0, 2]], ids=str)
def test_every_way_of_attention_passes_it_over(lengths: list[int]) -> None:
    draws = torch.Generator().manual_seed(0)
    qkv = torch.randn(sum(lengths), 3 * 16, generator=draws)
    where = layout(torch.tensor([0, *lengths]).cumsum(0).int(), len(qkv), max(lengths), torch.float32)
    expected = attention(qkv, where, 2, way="plain")
    filled = filler.fill(qkv, 5) + torch.cat([torch.zeros_like(qkv), torch.full((5, 48), 9.0)])
    ways: list[Any] = [looked_attention, *(partial(attention, way=way) for way in ("plain", "products", "sdpa"))]
    for way in ways:
        got = way(filled, where.with_filler(5), 2)
        torch.testing.assert_close(got[: len(qkv)], expected, rtol=0, atol=1e-5)
        assert got.shape == (len(qkv) + 5, 16) and not got[len(qkv) :].any()


@needs_bf16
@pytest.mark.usefixtures("always")
def test_a_quickened_network_too() -> None:
    config = small("bert")
    model = network(config, ()).encoder.bfloat16()
    batch = draw_batch(generator(0, "filler"), LENGTHS, config.vocab_size)
    with torch.no_grad():
        before = model(batch)
        assert quicken(model)
        assert float((model(batch) - before).abs().max()) < 0.05 * float(before.abs().max())
