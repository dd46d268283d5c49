"""Every way of attention beside the plain one, and the plain one beside the formula."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from maskwright.layers import attention as attention_module
from maskwright.layers.attention import Way, attention, best_way, plain, why_padded
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import Layout, layout

LENGTHS = [[5, 1, 9, 9], [7, 7, 7], [1], [4], [6, 0, 3], [1, 1]]


def lay(lengths: list[int], dtype: torch.dtype, *, causal: bool = False) -> Layout:
    ends = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    return layout(ends, sum(lengths), max(lengths), dtype, causal=causal)


def drawn(lengths: list[int], heads: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    noise = torch.Generator().manual_seed(sum(lengths))
    return torch.randn(sum(lengths), 3 * heads * width, generator=noise, dtype=torch.float64).to(dtype)


def output_and_gradient(
    way: Way, qkv: Tensor, where: Layout, heads: int, rate: float = 0.0, stream: DropoutStream | None = None
) -> tuple[Tensor, Tensor]:
    leaf = qkv.clone().requires_grad_()
    out = attention(leaf, where, heads, rate, stream, way)
    noise = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(out.dtype)
    (gradient,) = torch.autograd.grad(out, leaf, noise)
    return out.detach(), gradient


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize(("heads", "width"), [(1, 4), (3, 5), (4, 1)])
@pytest.mark.parametrize("way", ["products", "sdpa"])
@pytest.mark.parametrize("causal", [False, True])
def test_each_way_equals_the_plain_one(way: Way, lengths: list[int], heads: int, width: int, causal: bool) -> None:
    qkv, where = drawn(lengths, heads, width), lay(lengths, torch.float64, causal=causal)
    untouched = qkv.clone()
    for ours, expected in zip(
        output_and_gradient(way, qkv, where, heads), output_and_gradient("plain", qkv, where, heads), strict=True
    ):
        assert (ours - expected).abs().max() <= 1e-12
    assert torch.equal(qkv, untouched), "the input is not written to"


@pytest.mark.parametrize("way", ["plain", "products", "sdpa"])
def test_a_causal_token_sees_itself_and_those_before_it(way: Way) -> None:
    """Which outputs change with which token, found by changing each: those at and behind it, in its sequence."""
    lengths = [4, 1, 3]
    qkv, where = drawn(lengths, 2, 3), lay(lengths, torch.float64, causal=True)
    sequence = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))
    before = attention(qkv, where, 2, way=way)
    for token in range(8):
        other = qkv.clone()
        other[token] += 1
        changed = (attention(other, where, 2, way=way) != before).any(1)
        assert torch.equal(changed, (sequence == sequence[token]) & (torch.arange(8) >= token))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_products_drop_the_same_weights_as_plain(lengths: list[int]) -> None:
    qkv, where, heads = drawn(lengths, 2, 4), lay(lengths, torch.float64), 2
    for rate in (0.1, 0.5, 0.9):
        ours = output_and_gradient("products", qkv, where, heads, rate, DropoutStream(3, "weights"))
        expected = output_and_gradient("plain", qkv, where, heads, rate, DropoutStream(3, "weights"))
        other = output_and_gradient("products", qkv, where, heads, rate, DropoutStream(4, "weights"))
        for a, b in zip(ours, expected, strict=True):
            assert (a - b).abs().max() <= 1e-12
        assert sum(lengths) < 10 or not torch.equal(ours[0], other[0])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_the_gradient_of_products_is_that_of_finite_differences(rate: float) -> None:
    lengths = [3, 1, 4]
    where = lay(lengths, torch.float64)

    def run(qkv: Tensor) -> Tensor:
        return attention(qkv, where, 2, rate, DropoutStream(0, "check"), "products")

    assert torch.autograd.gradcheck(run, (drawn(lengths, 2, 3).requires_grad_(),))


def test_plain_is_the_formula() -> None:
    """softmax(Q K^T / sqrt(D)) V, element by element, for one sequence of one head."""
    s, d = 4, 3
    qkv = drawn([s], 1, d)
    out, (weights,) = plain(qkv, lay([s], torch.float64), 1)
    query, key, value = (qkv[:, i * d : (i + 1) * d].tolist() for i in range(3))
    for i in range(s):
        scores = [math.exp(sum(a * b for a, b in zip(query[i], key[j], strict=True)) / math.sqrt(d)) for j in range(s)]
        shares = [score / sum(scores) for score in scores]
        assert weights[0, i].tolist() == pytest.approx(shares, abs=1e-12)
        expected = [sum(shares[j] * value[j][k] for j in range(s)) for k in range(d)]
        assert out[i].tolist() == pytest.approx(expected, abs=1e-12)


def test_dropout_falls_on_the_weights_and_keeps_their_expectation() -> None:
    """With V = identity the output shows the dropped weights themselves: 0, or the weight scaled up."""
    s, rate = 16, 0.25
    where = lay([s], torch.float64)
    qkv = torch.cat([drawn([s], 1, s)[:, : 2 * s], torch.eye(s, dtype=torch.float64)], 1)
    _, (weights,) = plain(qkv, where, 1)
    total = torch.zeros(s, s, dtype=torch.float64)
    kept = 0
    draws = 400
    for i in range(draws):
        out = attention(qkv, where, 1, rate, DropoutStream(0, "expectation", i), "products")
        assert torch.allclose(out[out != 0], (weights[0] / (1 - rate))[out != 0], rtol=1e-12)
        kept += int((out != 0).sum())
        total += out
    deviation = (weights[0] ** 2 * rate / (1 - rate) / draws).sqrt()
    assert ((total / draws - weights[0]).abs() / deviation).max() < 5
    trials = draws * s * s
    assert abs(kept - trials * (1 - rate)) < 5 * math.sqrt(trials * rate * (1 - rate))


@pytest.mark.parametrize("way", ["plain", "products", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_lower_precision_stays_near_float64(way: Way, dtype: torch.dtype) -> None:
    lengths, heads, width = [30, 64, 7], 4, 16
    exact = output_and_gradient(
        "plain", drawn(lengths, heads, width, dtype).double(), lay(lengths, torch.float64), heads
    )
    ours = output_and_gradient(way, drawn(lengths, heads, width, dtype), lay(lengths, dtype), heads)
    for a, b in zip(ours, exact, strict=True):
        assert a.dtype == dtype
        assert (a.double() - b).abs().max() <= (2e-6 if dtype == torch.float32 else 0.04) * max(1, float(b.abs().max()))


def test_extreme_scores_do_not_overflow() -> None:
    lengths = [4, 2]
    for way in ("plain", "products", "sdpa"):
        out, gradient = output_and_gradient(
            way, 1e3 * drawn(lengths, 1, 4, torch.float32), lay(lengths, torch.float32), 1
        )
        assert out.isfinite().all() and gradient.isfinite().all()


def test_the_chosen_way_drops_when_it_must() -> None:
    qkv = torch.zeros(3, 12)
    assert best_way(qkv, 1) in ("products", "plain")
    with pytest.raises(ValueError, match="sdpa drops no attention weights"):
        attention(qkv, lay([3], torch.float32), 1, 0.1, DropoutStream(0, "x"), "sdpa")


@pytest.mark.parametrize(
    ("dtype", "width", "capability", "triton", "why", "way"),
    [
        (torch.bfloat16, 64, (9, 0), True, None, "flash"),
        (torch.bfloat16, 64, (9, 0), True, "Failed to find C compiler", "varlen"),
        (torch.bfloat16, 64, (9, 0), False, None, "varlen"),
        (torch.bfloat16, 80, (9, 0), True, None, "varlen"),
        (torch.float32, 64, (9, 0), True, None, "sdpa"),
        (torch.bfloat16, 12, (9, 0), True, None, "sdpa"),
        (torch.bfloat16, 64, (7, 5), True, None, "sdpa"),
    ],
)
def test_the_way_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    width: int,
    capability: tuple[int, int],
    triton: bool,
    why: str | None,
    way: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(attention_module, "can_compile", lambda: triton)
    monkeypatch.setattr(attention_module.kernels, "why_not", lambda *given: why)
    rows: Any = SimpleNamespace(device=torch.device("cuda", 0), dtype=dtype, shape=(5, 3 * 2 * width))
    known = (attention_module.why_not_flash, attention_module.has_varlen)
    for answers in known:
        answers.cache_clear()
    assert best_way(rows, 2) == way
    with attention_module.without_flash():
        assert best_way(rows, 2) == ("varlen" if way == "flash" else way)
    for answers in known:
        answers.cache_clear()


def test_why_a_gpu_pads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert why_padded(device) is None
    monkeypatch.setattr(attention_module.importlib.util, "find_spec", lambda name: None)
    assert "has no torch.nn.attention.varlen" in str(why_padded(device))
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert "asks for compute capability 8.0, and this GPU has 7.5" in str(why_padded(device))
