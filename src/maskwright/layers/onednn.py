"""Products by oneDNN, with what it can add to them on the way.

PyTorch's own way to rows @ weight.T + bias copies the bias to every row first and adds the product to that. In float32
it takes MKL, which computes at half the rate on processors that are not Intel's.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


@cache
def can_fuse(dtype: torch.dtype) -> bool:
    """Whether oneDNN is here and multiplies numbers of that type by instructions of their own."""
    ops = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(ops, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(ops._is_mkldnn_bf16_supported()))


def affine(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """rows @ weight.T + bias, (T, in) -> (T, out), without a gradient; in half precision by oneDNN where it can."""
    if rows.dtype == torch.bfloat16 and rows.device.type == "cpu" and can_fuse(rows.dtype) and rows.numel():
        return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")  # type: ignore[no-any-return]
    return F.linear(rows, weight, bias)
