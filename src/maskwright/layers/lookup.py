"""Rows of a table, with a gradient that is summed in float32.

A frequent token stands hundreds of times in a batch; summed in bf16, whose 8 bits stop counting at
256 equal terms, most of its gradient is lost.
"""

from typing import Any

import torch
from torch import Tensor

FEW = 512
"""Rows of a table, of positions or of kinds of tokens, that are many times in a batch each. A product sums in float32
but for the few parts that a library may cut it into."""


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.rows = table.shape[0]
        return table.index_select(0, ids)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (ids,) = ctx.saved_tensors
        grad = grads[0]
        if grad.device.type == "cuda" and ctx.rows <= FEW:  # a product: sorting takes longer
            chosen = ids[:, None] == torch.arange(ctx.rows, device=ids.device)
            return chosen.to(grad.dtype).t() @ grad, None
        if grad.device.type == "cuda":  # sorts the ids and sums in float32, in the same order every time
            return torch.ops.aten.embedding_dense_backward(grad.contiguous(), ids, ctx.rows, -1, False), None
        if grad.dtype == torch.float64 or grad.dtype == torch.float32:
            return grad.new_zeros(ctx.rows, grad.shape[1]).index_add_(0, ids, grad), None
        present, place = torch.unique(ids, return_inverse=True)
        sums = torch.zeros(len(present), grad.shape[1], dtype=torch.float32, device=grad.device)
        sums.index_add_(0, place, grad.float())
        return grad.new_zeros(ctx.rows, grad.shape[1]).index_copy_(0, present, sums.to(grad.dtype)), None


def lookup(table: Tensor, ids: Tensor) -> Tensor:
    """table (V, H), ids (T,) int64 -> (T, H)."""
    return _Lookup.apply(table, ids)  # type: ignore[no-any-return]
