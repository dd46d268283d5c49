"""What a GPU computes in its own way, beside the readable one. Skipped where there is none."""

from itertools import accumulate

import pytest
import torch
from torch import Tensor

from maskwright.layers import fp8
from maskwright.layers.attention import Way, attention, best_way
from maskwright.layers.capability import capability_of, lacking
from maskwright.layers.compiled import compile_layers
from maskwright.layers.cross_entropy import plain, projected_cross_entropy
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import Layout, layout
from maskwright.layers.lookup import lookup
from maskwright.layers.row_attention import row_attention, some_rows
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from tests.layers.interpreted import (  # noqa: F401 - the same on a GPU
    test_a_network_computes_with_them,
    test_attention,
    test_gradients_of_what_was_not_dropped,
    test_nobody_asks,
    test_some_rows_look_at_all,
    test_they_are_found_to_work_and_nobody_s_draws_are_moved,
    test_weights_are_dropped_at_the_rate,
    test_what_comes_of_a_sequence_does_not_depend_on_those_beside_it,
    test_what_is_dropped_is_a_matter_of_seed_and_place,
)
from tests.models.networks import network, small
from tests.training.works import Examples, relative

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICE = torch.device("cuda")
LENGTHS, HEADS, HIDDEN = [5, 64, 1, 17, 40], 2, 128
TOKENS = sum(LENGTHS)
BF16 = 0.02
"""How far bf16 may be off, of the length of what it should be."""


def drawn(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    return noise.to(DEVICE, dtype).requires_grad_()


def where(dtype: torch.dtype, *, causal: bool = False) -> Layout:
    ends = torch.tensor([0, *accumulate(LENGTHS)], dtype=torch.int32, device=DEVICE)
    return layout(ends, TOKENS, max(LENGTHS), dtype, causal=causal)


@pytest.mark.parametrize("way", ["flash", "varlen"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_without_padding(causal: bool, way: Way) -> None:
    qkv, grad = drawn(TOKENS, 3 * HIDDEN), drawn(TOKENS, HIDDEN).detach()
    exact = qkv.detach().double().requires_grad_()
    assert best_way(qkv, HEADS) == "flash"
    found = attention(qkv, where(torch.bfloat16, causal=causal), HEADS, way=way)
    expected = attention(exact, where(torch.float64, causal=causal), HEADS, way="plain")
    assert relative(found.detach().double(), expected.detach()) < BF16
    found.backward(grad)
    expected.backward(grad.double())
    assert qkv.grad is not None and exact.grad is not None
    assert relative(qkv.grad.double(), exact.grad) < BF16


def test_attention_of_some_rows_without_padding() -> None:
    qkv = drawn(TOKENS, 3 * HIDDEN).detach()
    index = torch.tensor([0, 5, 6, 68, 70, 126], device=DEVICE)
    here = where(torch.bfloat16)
    found = row_attention(qkv[index, :HIDDEN], qkv[:, HIDDEN:], some_rows(index, here), here, HEADS)
    assert relative(found.double(), attention(qkv.double(), where(torch.float64), HEADS, way="plain")[index]) < BF16


def test_dropout_of_attention_is_that_of_its_address() -> None:
    qkv, here = drawn(TOKENS, 3 * HIDDEN).detach(), where(torch.bfloat16)

    def dropped(draw: int) -> Tensor:
        return attention(qkv, here, HEADS, 0.1, DropoutStream(0, "draw", draw, device=DEVICE)).double()

    assert dropped(0).equal(dropped(0)) and not dropped(0).equal(dropped(1))
    mean = torch.stack([dropped(draw) for draw in range(1000)]).mean(0)
    assert relative(mean, attention(qkv, here, HEADS).double()) < 0.05


def test_compiled_layers_compute_what_is_written() -> None:
    batch = Examples(0, 40).batch(range(40)).to(DEVICE)
    written, compiled = (network(small("bert"), ("mlm", "nsp")).to(DEVICE) for _ in range(2))
    assert compile_layers(compiled) == 2
    for model in (written, compiled):
        tallies = model.tallies(batch)
        (tallies["mlm"].loss_sum / 100 + tallies["nsp"].loss_sum / 40).backward()
    for (name, one), (_, other) in zip(written.named_parameters(), compiled.named_parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-4, msg=name)


def test_the_loss_over_a_vocabulary() -> None:
    rows, table, bias = drawn(300, HIDDEN), drawn(1000, HIDDEN), drawn(1000)
    targets = torch.arange(300, device=DEVICE)
    loss, _ = projected_cross_entropy(rows, table, bias, targets)
    exact = [tensor.detach().double().requires_grad_() for tensor in (rows, table, bias)]
    expected, _ = plain(exact[0], exact[1], exact[2], targets)
    assert abs(float(loss) - float(expected)) < BF16 * float(expected)
    loss.backward()
    expected.backward()
    for one, other in zip((rows, table, bias), exact, strict=True):
        assert one.grad is not None and other.grad is not None
        assert relative(one.grad.double(), other.grad) < BF16


@pytest.mark.skipif(
    lacking("fp8", capability_of(DEVICE) if torch.cuda.is_available() else None) is not None, reason="8.9"
)
def test_products_of_eight_bits() -> None:
    linear = torch.nn.Linear(HIDDEN, 64, device=DEVICE, dtype=torch.bfloat16)
    rows = drawn(48, HIDDEN)
    found = fp8.Fp8Linear(linear)(rows).detach()
    expected = rows.detach().double() @ linear.weight.detach().double().t() + linear.bias.detach().double()
    assert relative(found.double(), expected) < 0.1


@pytest.mark.parametrize("rows", [2, 512, 4000])
def test_rows_of_a_table(rows: int) -> None:
    """The gradient of tables of few rows is a product, and of many a sum of what was sorted."""
    table, grad = drawn(rows, HIDDEN), drawn(100_000, HIDDEN).detach()
    ids = torch.randint(0, rows, (100_000,), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    found = lookup(table, ids)
    assert found.equal(table.detach()[ids])
    found.backward(grad)
    expected = torch.zeros(rows, HIDDEN, dtype=torch.float64, device=DEVICE).index_add_(0, ids, grad.double())
    assert table.grad is not None and relative(table.grad.double(), expected) < 8e-3


@pytest.mark.parametrize("name", ["adamw", "lamb", "muon"])
def test_an_update_is_the_processor_s(name: str) -> None:
    moved: list[Tensor] = []
    for device in (torch.device("cpu"), DEVICE):
        optimizer = Optimizer(
            network(small("bert"), ("mlm", "nsp")).to(device), OptimizerConfig(name=name), torch.float32
        )
        draws = torch.Generator().manual_seed(0)
        for _ in range(3):
            optimizer.flat.gradient.copy_(torch.randn(len(optimizer.flat.gradient), generator=draws))
            optimizer.step(1.0)
        moved.append(optimizer.flat.master.detach().cpu().double())
    assert relative(moved[1], moved[0]) < 1e-4
