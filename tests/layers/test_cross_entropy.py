"""The fused projection and loss beside PyTorch's cross-entropy in float64."""

import math

import pytest
import torch
from torch import Tensor

from maskwright.layers import cross_entropy
from maskwright.layers.cross_entropy import ALIGNED, CHUNK, SAFE, aligned, at_once, plain, projected_cross_entropy

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]
HALF = torch.bfloat16


def drawn(rows: int, hidden: int, vocab: int, dtype: torch.dtype, scale: float = 1.0) -> Inputs:
    noise = torch.Generator().manual_seed(rows + vocab)
    return (
        (scale * torch.randn(rows, hidden, generator=noise)).to(dtype),
        (torch.randn(vocab, hidden, generator=noise) / math.sqrt(hidden)).to(dtype),
        torch.randn(vocab, generator=noise).to(dtype),
        torch.randint(0, vocab, (rows,), generator=noise),
    )


def loss_and_gradients(function: object, inputs: Inputs, weight: float = 1.0) -> list[Tensor]:
    assert callable(function)
    leaves = [tensor.clone().requires_grad_() for tensor in inputs[:3]]
    loss, _ = function(*leaves, inputs[3])
    return [loss.detach(), *torch.autograd.grad(loss * weight, leaves)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("rows", [1, 37, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0])
def test_the_fused_way_is_near_float64(rows: int, dtype: torch.dtype, scale: float) -> None:
    inputs = drawn(rows, 32, 211, dtype, scale)
    exact = loss_and_gradients(plain, tuple(t.double() if t.is_floating_point() else t for t in inputs))  # type: ignore[arg-type]
    fused = loss_and_gradients(projected_cross_entropy, inputs)
    torch_own = loss_and_gradients(plain, inputs)
    assert fused[0].dtype == torch.float32 and all(g.dtype == dtype for g in fused[1:])
    # powers are rounded, each by half an eps at most and this way or that; the total's error is that of the loss
    of_totals = torch.tensor([rows * torch.finfo(dtype).eps / math.sqrt(211), 0, 0, 0])
    for ours, theirs, expected, more in zip(fused, torch_own, exact, of_totals.tolist(), strict=True):
        size = float(expected.abs().max())
        assert (ours.double() - expected).abs().max() <= 3 * torch.finfo(dtype).eps * size
        own = float((theirs.double() - expected).abs().max())
        roundings = 3 + -(-rows // CHUNK)  # where torch rounds once: each chunk's sum, too
        assert float((ours.double() - expected).abs().max()) <= roundings * own + 1e-6 * size + more, "as torch does"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_in_full_precision_it_is_cross_entropy(dtype: torch.dtype) -> None:
    rows, table, bias, targets = drawn(19, 8, 33, dtype)
    loss, correct = projected_cross_entropy(rows, table, bias, targets)
    scores = rows @ table.t() + bias
    assert loss.dtype == dtype
    assert float(loss) == pytest.approx(float(-scores.log_softmax(-1)[range(19), targets].sum()), rel=1e-6)
    assert int(correct) == int((scores.argmax(-1) == targets).sum())


def test_the_gradient_follows_the_weight_of_the_loss() -> None:
    """Divided by the count of the whole step, as the loop does."""
    inputs = drawn(50, 16, 40, torch.bfloat16)
    whole = loss_and_gradients(projected_cross_entropy, inputs)
    part = loss_and_gradients(projected_cross_entropy, inputs, weight=1 / 64)
    for a, b in zip(whole[1:], part[1:], strict=True):
        assert torch.equal(a / 64, b)


@pytest.mark.parametrize("vocab", [30, 64, 211])
def test_columns_of_filler_have_no_share(vocab: int) -> None:
    """Those that a GPU's products have behind the vocabulary."""
    rows, table, bias, targets = (t.double() if t.is_floating_point() else t for t in drawn(50, 16, vocab, HALF))
    wide, low = aligned(table, bias)
    assert len(wide) % ALIGNED == 0 and wide[:vocab].equal(table) and low[:vocab].equal(bias)
    loss, correct, grad = at_once(rows @ wide.t() + low, targets)
    expected = loss_and_gradients(plain, (rows, table, bias, targets))
    assert not grad[:, vocab:].any() and int(correct) == int(plain(rows, table, bias, targets)[1])
    for ours, theirs in zip((loss, grad @ wide, (grad.t() @ rows)[:vocab], grad.sum(0)[:vocab]), expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)


def test_hits_are_counted() -> None:
    table = torch.eye(4, dtype=torch.bfloat16)
    rows = 5 * torch.eye(4, dtype=torch.bfloat16)[[0, 1, 2, 3, 3]]
    _, correct = projected_cross_entropy(
        rows, table, torch.zeros(4, dtype=torch.bfloat16), torch.tensor([0, 1, 0, 3, 1])
    )
    assert int(correct) == 3


def test_a_certain_model_has_a_finite_loss() -> None:
    """Where the share of the target underflows, its logarithm is still what the scores say."""
    table = torch.eye(2, dtype=torch.bfloat16)
    rows = torch.tensor([[300.0, 0.0]], dtype=torch.bfloat16)
    loss, _ = projected_cross_entropy(rows, table, torch.zeros(2, dtype=torch.bfloat16), torch.tensor([1]))
    assert float(loss) == pytest.approx(300.0, rel=1e-2)


EYE = torch.eye(4, dtype=torch.bfloat16)
NONE = torch.zeros(4, dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("scores", "powers"),
    [
        ([3.0, -2.0, 0.0, 1.0], True),
        ([SAFE, -SAFE, 0.0, -200.0], True),
        ([SAFE + 1, 0.0, 0.0, 0.0], False),
        ([300.0, 299.0, 0.0, -300.0], False),
        ([-1.0, -2.0, -3.0, -4.0], False),
        ([math.nan, 0.0, 0.0, 0.0], False),
        ([0.0, 0.0, -math.nan, 0.0], False),
        ([math.inf, 0.0, 0.0, 0.0], False),
    ],
)
def test_powers_are_taken_where_they_are_exact(
    scores: list[float], powers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, targets = torch.tensor([[1.0, 0.5, 0.25, 2.0], scores], dtype=torch.bfloat16), torch.tensor([2, 1])
    taken: list[str] = []
    for name in ("_powers", "_shares"):
        way = getattr(cross_entropy, name)
        monkeypatch.setattr(
            cross_entropy, name, lambda *given, way=way, name=name: (taken.append(name), way(*given))[1]
        )
    found = loss_and_gradients(projected_cross_entropy, (rows, EYE, NONE, targets))
    assert taken == ["_powers" if powers else "_shares"]
    exact = loss_and_gradients(plain, (rows.double(), EYE.double(), NONE.double(), targets))
    if not torch.isfinite(exact[0]):
        assert not torch.isfinite(found[0]), "what is no number reaches the loop, which stops at it"
        return
    for ours, expected in zip(found, exact, strict=True):
        assert torch.allclose(ours.double(), expected, rtol=2**-7, atol=2**-9)


def test_the_loss_of_what_is_known_is_never_below_zero() -> None:
    sure = torch.linspace(0, SAFE, 200).bfloat16()
    for score in sure.tolist():
        rows = torch.tensor([[score, 0.0, 0.0, 0.0]], dtype=torch.bfloat16)
        loss, correct = projected_cross_entropy(rows, EYE, NONE, torch.tensor([0]))
        assert 0 <= float(loss) == pytest.approx(math.log1p(3 * math.exp(-score)), rel=1e-2, abs=1e-6)
        assert int(correct) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_no_rows(dtype: torch.dtype) -> None:
    _, table, bias, _ = drawn(1, 8, 12, dtype)
    leaf = table.clone().requires_grad_()
    loss, correct = projected_cross_entropy(
        torch.empty(0, 8, dtype=dtype), leaf, bias, torch.empty(0, dtype=torch.int64)
    )
    loss.backward()
    assert float(loss) == 0 and int(correct) == 0 and leaf.grad is not None and not leaf.grad.any()
