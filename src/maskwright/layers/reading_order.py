"""The order in which a recurrent network reads a flat batch: all sequences at once, step after step.

Sequences are taken long ones first, so those that still go on at a step are the first ones, without padding.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskwright.batch import Integers


class ReadingOrder(NamedTuple):
    """How R tokens of N sequences are read.

    rows       (R,) the row of the flat batch that each read token is
    sizes      how many sequences go on at each step
    sequences  (N,) which sequence comes first, second, ...: long ones before short ones
    last       (N,) the place in `rows` of each of these sequences' last token, -1 for one without tokens
    """

    rows: Tensor
    sizes: list[int]
    sequences: Tensor
    last: Tensor


def reading_order(cu_seqlens: Integers, *, backward: bool, device: torch.device) -> ReadingOrder:
    """The order of the sequences whose bounds are given, each from its first token on, or from its last one back.

    >>> order = reading_order(np.array([0, 1, 4]), backward=True, device=torch.device("cpu"))
    >>> order.rows.tolist(), order.sizes, order.sequences.tolist(), order.last.tolist()
    ([3, 0, 2, 1], [2, 1, 1], [1, 0], [3, 1])
    """
    lengths = np.diff(cu_seqlens)
    sequences = np.argsort(-lengths, kind="stable")
    steps = np.arange(int(lengths.max(initial=0)))
    sizes = len(lengths) - np.searchsorted(np.sort(lengths), steps, side="right")
    begins = np.cumsum(sizes) - sizes
    step = np.repeat(steps, sizes)
    which = sequences[np.arange(len(step)) - begins[step]]
    rows = cu_seqlens[1:][which] - 1 - step if backward else cu_seqlens[:-1][which] + step
    ends = lengths[sequences] - 1
    last = np.where(ends >= 0, np.append(begins, 0)[np.maximum(ends, 0)] + np.arange(len(lengths)), -1)

    def there(array: Integers) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)).to(device)

    return ReadingOrder(there(rows), sizes.tolist(), there(sequences), there(last))
