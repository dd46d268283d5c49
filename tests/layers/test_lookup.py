"""Rows of a table, and a gradient summed precisely."""

import pytest
import torch

from maskwright.layers.lookup import lookup


def test_it_is_an_embedding() -> None:
    noise = torch.Generator().manual_seed(0)
    table = torch.randn(11, 5, generator=noise, dtype=torch.float64).requires_grad_()
    ids = torch.randint(0, 11, (40,), generator=noise)
    assert torch.equal(lookup(table, ids), torch.nn.functional.embedding(ids, table))
    assert torch.autograd.gradcheck(lambda t: lookup(t, ids), (table,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_frequent_token_has_its_whole_gradient(dtype: torch.dtype) -> None:
    """2,000 times in a batch, a hundredth each: bf16 alone would stop at 2, where one more changes nothing."""
    table = torch.zeros(3, 4, dtype=dtype, requires_grad=True)
    ids = torch.tensor([1] * 2000 + [2])
    lookup(table, ids).backward(torch.full((2001, 4), 0.01, dtype=dtype))
    assert table.grad is not None and table.grad.dtype == dtype
    each = float(torch.tensor(0.01, dtype=dtype))
    assert table.grad[1].tolist() == pytest.approx([2000 * each] * 4, rel=2 * torch.finfo(dtype).eps)
    assert table.grad[2].tolist() == [each] * 4
    assert not table.grad[0].any()

    naive = torch.zeros(4, dtype=torch.bfloat16)
    for _ in range(2000):
        naive += torch.tensor(0.01, dtype=torch.bfloat16)
    assert float(naive[0]) < 5, "what this test is for"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_no_ids_at_all(dtype: torch.dtype) -> None:
    table = torch.ones(3, 4, dtype=dtype, requires_grad=True)
    out = lookup(table, torch.empty(0, dtype=torch.int64))
    out.sum().backward()
    assert out.shape == (0, 4) and table.grad is not None and not table.grad.any()


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_id_outside_the_table_is_an_error(bad: int) -> None:
    with pytest.raises((IndexError, RuntimeError)):
        lookup(torch.ones(3, 4), torch.tensor([0, bad]))
