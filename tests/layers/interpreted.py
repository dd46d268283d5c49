"""The kernels of `layers.flash` beside the readable way; Triton's interpreter runs them without a GPU.

`test_flash` runs this file in a process of its own: Triton looks for the interpreter when it is imported. On a GPU
`test_cuda` runs the same.
"""

import math
from dataclasses import replace
from itertools import accumulate

import pytest
import torch
from torch import Tensor

from maskwright.layers import attention, row_attention
from maskwright.layers import flash as flash_module
from maskwright.layers.attention import WIDTHS, plain
from maskwright.layers.flash import STEPS, flash, why_not
from maskwright.layers.layout import layout
from maskwright.layers.row_attention import some_rows
from tests.models.networks import network, small
from tests.training.works import Examples, relative

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HALF = torch.bfloat16 if DEVICE.type == "cuda" else torch.float16  # which numpy has
NEAR = 4e-3 if torch.bfloat16 == HALF else 5e-4
LENGTHS = [[5, 64, 1, 17, 40], [130, 3, 0, 70], [128, 7], [16]]
"""Within a tile of 64, over several tiles, in one of 128, and all of one of 16."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, HALF)


def ends_of(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=DEVICE)


def of_all(qkv: Tensor, lengths: list[int], heads: int, causal: bool = False, rate: float = 0.0) -> Tensor:
    ends = ends_of(lengths)
    return flash(qkv, None, (ends, ends), (max(lengths), max(lengths)), heads, causal, rate)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize(("heads", "width"), [(2, 16), (1, 64)])
def test_attention(lengths: list[int], heads: int, width: int, causal: bool) -> None:
    tokens, hidden = sum(lengths), heads * width
    qkv, grad = drawn(tokens, 3 * hidden).requires_grad_(), drawn(tokens, hidden, seed=1)
    exact = qkv.detach().double().requires_grad_()
    where = layout(ends_of(lengths), tokens, max(lengths), torch.float64, causal=causal)
    found, (expected, _) = of_all(qkv, lengths, heads, causal), plain(exact, where, heads)
    assert relative(found.detach().double(), expected.detach()) < NEAR
    found.backward(grad)
    expected.backward(grad.double())
    assert qkv.grad is not None and exact.grad is not None
    for ours, theirs in zip(qkv.grad.double().chunk(3, 1), exact.grad.chunk(3, 1), strict=True):
        assert relative(ours, theirs) < NEAR
    first, qkv.grad = qkv.grad, None
    of_all(qkv, lengths, heads, causal).backward(grad)
    assert first.equal(qkv.grad), "nothing is added in an order of chance"


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_some_rows_look_at_all(lengths: list[int]) -> None:
    """Every third row, none of some sequence."""
    heads, hidden, tokens = 2, 32, sum(lengths)
    index = torch.arange(0, tokens, 3, device=DEVICE)
    index = index[index >= 5] if len(lengths) > 1 else index
    qkv = drawn(tokens, 3 * hidden)
    query, key_value = qkv[index, :hidden].clone().requires_grad_(), qkv[:, hidden:].clone().requires_grad_()
    where = layout(ends_of(lengths), tokens, max(lengths), torch.float64)
    rows = some_rows(index, where).where
    found = flash(query, key_value, (rows.cu_seqlens, where.cu_seqlens), (rows.max_seqlen, where.max_seqlen), heads)
    exact = qkv.double().requires_grad_()
    expected = plain(exact, where, heads)[0][index]
    assert relative(found.detach().double(), expected.detach()) < NEAR
    grad = drawn(len(index), hidden, seed=1)
    found.backward(grad)
    expected.backward(grad.double())
    assert query.grad is not None and key_value.grad is not None and exact.grad is not None
    assert relative(query.grad.double(), exact.grad[index, :hidden]) < NEAR
    assert relative(key_value.grad.double(), exact.grad[:, hidden:]) < NEAR


@pytest.mark.parametrize("width", WIDTHS)
def test_they_are_found_to_work_and_nobody_s_draws_are_moved(width: int) -> None:
    torch.manual_seed(0)
    drawn_alone = torch.rand(1, device=DEVICE)
    torch.manual_seed(0)
    with torch.inference_mode():
        assert why_not(DEVICE, HALF, width) is None
    assert torch.rand(1, device=DEVICE).equal(drawn_alone)


@pytest.mark.parametrize(("model_type", "head"), [("bert", "mlm"), ("gpt2", "lm")])
def test_a_network_computes_with_them(model_type: str, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last layer for some rows, or all that see what is before them: losses and gradients beside float64."""
    monkeypatch.setattr(attention, "best_way", lambda qkv, heads: "flash" if qkv.dtype == HALF else "products")
    for module in (attention, row_attention):
        monkeypatch.setattr(module, "has_flash", lambda device, dtype, width: dtype == HALF)
    used: list[Tensor] = []
    monkeypatch.setattr(flash_module, "flash", lambda *given: (used.append(given[0]), flash(*given))[1])
    shape, heads = small(model_type, hidden_size=32, num_attention_heads=2), (head,)
    batch = Examples(0, 5).batch(range(5)).to(DEVICE)
    if model_type == "gpt2":
        batch = replace(batch, token_type_ids=None, pair_labels=None)
    nets = [network(shape, heads).to(DEVICE, dtype) for dtype in (HALF, torch.float64)]
    losses = [net.tallies(batch, None)[head].loss_sum for net in nets]
    assert len(used) == shape.num_hidden_layers
    assert abs(float(losses[0].detach()) / float(losses[1].detach()) - 1) < NEAR
    for loss in losses:
        loss.backward()
    for (name, ours), theirs in zip(nets[0].named_parameters(), nets[1].parameters(), strict=True):
        if ours.grad is not None and theirs.grad is not None and float(theirs.grad.norm()) > 1e-6:
            assert "query_key_value.bias" in name or relative(ours.grad.double(), theirs.grad) < 10 * NEAR, name


def test_nobody_asks() -> None:
    key_value, ends = drawn(5, 32).requires_grad_(), ends_of([2, 3])
    out = flash(drawn(0, 16), key_value, (torch.zeros_like(ends), ends), (1, 3), 1)
    out.sum().backward()
    assert out.shape == (0, 16) and key_value.grad is not None and not key_value.grad.any()


def weights(lengths: list[int], heads: int, width: int, rate: float, seed: int) -> list[Tensor]:
    """Of each sequence (A, S, S) the weights as they are used, of scores that are all alike; S at most `width`."""
    eye = torch.cat([torch.eye(width, dtype=HALF, device=DEVICE)[:length] for length in lengths]).repeat(1, heads)
    qkv = torch.cat([torch.zeros(len(eye), 2 * heads * width, dtype=HALF, device=DEVICE), eye], 1)
    torch.manual_seed(seed)
    of_sequences = of_all(qkv, lengths, heads, rate=rate).split(lengths)
    return [
        rows.view(-1, heads, width).transpose(0, 1)[:, :, :length]
        for rows, length in zip(of_sequences, lengths, strict=True)
    ]


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_weights_are_dropped_at_the_rate(rate: float) -> None:
    """Of each column as often as of its neighbour, of which the same hash decides, and independently of it."""
    lengths, heads, width = [64] * 12, 4, 64
    kept = torch.stack(weights(lengths, heads, width, rate, 1)).double() * 64  # 1 / (1 - rate) or 0
    dropped = (kept == 0).double()
    draws = dropped.numel()
    assert abs(float(dropped.mean()) - rate) < 4 * math.sqrt(rate * (1 - rate) / draws)
    torch.testing.assert_close(kept[kept > 0], torch.full_like(kept[kept > 0], 1 / (1 - rate)), rtol=NEAR, atol=0)
    even, odd = dropped[..., 0::2], dropped[..., 1::2]
    next_row, next_head = (dropped[:, :, :-1], dropped[:, :, 1:]), (dropped[:, :-1], dropped[:, 1:])
    next_sequence = dropped[:-1], dropped[1:]
    for one, other in ((even, odd), (odd[..., :-1], even[..., 1:]), next_row, next_head, next_sequence):
        deviation = math.sqrt(rate * (1 - rate) / one.numel())
        assert abs(float(one.mean() - other.mean())) < 4 * math.sqrt(2) * deviation
        together = float(((one - rate) * (other - rate)).mean()) / (rate * (1 - rate))
        assert abs(together) < 4 / math.sqrt(one.numel()), "neighbours are dropped together more often than by chance"


def test_what_is_dropped_is_a_matter_of_seed_and_place() -> None:
    """Of a sequence the same beside a longer one; another with another seed."""
    alone, beside = weights([16, 10], 2, 64, 0.3, 3), weights([16, 64], 2, 64, 0.3, 3)
    assert alone[0].equal(beside[0]) and bool((alone[0] == 0).any())
    assert not alone[0].equal(weights([16, 10], 2, 64, 0.3, 4)[0])


def test_what_comes_of_a_sequence_does_not_depend_on_those_beside_it() -> None:
    qkv = drawn(12 + 150, 3 * 64)
    assert of_all(qkv[:12], [12], 2).equal(of_all(qkv, [12, 150], 2)[:12])


@pytest.mark.parametrize(
    ("length", "width", "causal"), [(64, 32, False), (100, 64, False), (128, 64, True), (150, 64, True)]
)
def test_gradients_of_what_was_not_dropped(length: int, width: int, causal: bool) -> None:
    """With the weights that passes with the identity for values show to be kept: tiles forward and back are others."""
    rate = 0.25
    qkv = drawn(length, 3 * width)
    columns = torch.eye(length, dtype=HALF, device=DEVICE).split(width, 1)
    kept: list[Tensor] = []
    for some in columns:
        torch.manual_seed(7)
        probe = torch.cat([qkv[:, : 2 * width], torch.nn.functional.pad(some, (0, width - some.shape[1]))], 1)
        kept.append(of_all(probe, [length], 1, causal, rate)[:, : some.shape[1]] != 0)
    ours, exact = qkv.clone().requires_grad_(), qkv.double().requires_grad_()
    query, key, value = exact.chunk(3, 1)
    scale = STEPS / (STEPS - round(rate * STEPS))
    scores = query @ key.t() / math.sqrt(width)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    shares = torch.softmax(scores, -1) * torch.cat(kept, 1) * scale
    torch.manual_seed(7)
    found, expected, grad = of_all(ours, [length], 1, causal, rate), shares @ value, drawn(length, width, seed=1)
    assert relative(found.detach().double(), expected.detach()) < NEAR
    found.backward(grad)
    expected.backward(grad.double())
    assert ours.grad is not None and exact.grad is not None
    assert relative(ours.grad.double(), exact.grad) < NEAR


if __name__ == "__main__":
    raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", __file__]))
