"""Filler: rows of zeros behind the last token, so that a network's products come in few shapes.

Flat batches have another number of tokens in every step. For each product of a shape that it has not met oneDNN
compiles a kernel, which takes 0.1 to 0.6 ms and 0.4 MB, and memory of sizes that were not asked for before costs page
faults: at 2 x 128 a step of a new shape takes 77 ms, one of a known shape 54. Rounded up by a 64th at most, shapes
repeat.

No token, no loss and no gradient is touched by filler: attention neither sees it nor hands anything to it, and nobody
reads what comes of it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.layers.onednn import can_fuse


def even(rows: int, part: int = 64) -> int:
    """`rows`, or up to a 64th more, or another `part`, a power of two: a number that is met again.

    >>> even(100), even(541), even(3645), even(4096), even(3645, 8)
    (100, 544, 3648, 4096, 3840)
    """
    unit = 1 << max(0, rows.bit_length() - part.bit_length())
    return -(-rows // unit) * unit


def lacking(rows: int, like: Tensor) -> int:
    """How many rows of filler `rows` of them want, which have numbers like those; 0 where any shape is as good."""
    return even(rows) - rows if _compiled_by_shape(like) else 0


def fill(rows: Tensor, filler: int) -> Tensor:
    """(T, H) -> (T + filler, H)."""
    return F.pad(rows, (0, 0, 0, filler)) if filler else rows


def tokens_of(rows: Tensor, tokens: int) -> Tensor:
    """(T + filler, H) -> (T, H)."""
    return rows if len(rows) == tokens else rows[:tokens]


def _compiled_by_shape(like: Tensor) -> bool:
    return like.device.type == "cpu" and like.dtype == torch.bfloat16 and can_fuse(like.dtype)
