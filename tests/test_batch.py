"""A batch cut into smaller ones is the same as the smaller ones made by themselves."""

import dataclasses

import numpy as np
import pytest
import torch

from maskwright.batch import Sequences, cut, take
from maskwright.draws import words
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.units import spans


@pytest.mark.parametrize("size", [1, 3, 5, 8, 20])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_cutting_is_masking_apart(size: int, rate: float) -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(3, 30, 8)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    special = np.zeros(ends[-1], np.bool_)
    special[ends[:-1]] = special[ends[1:] - 1] = True
    whole = Sequences(
        token_ids=rng.integers(5, 50, ends[-1]), token_type_ids=rng.integers(0, 2, ends[-1]), cu_seqlens=ends,
        special=special, word_ids=np.where(special, -1, np.arange(ends[-1]) // 2), pair_labels=rng.integers(0, 2, 8),
        language_ids=rng.integers(0, 3, ends[-1]), position_ids=rng.integers(0, 9, ends[-1]),
    )  # fmt: skip
    keys = words(8, 0, "cut")
    options = {"mask_id": 4, "random_ids": 50, "units": spans(0.4, 4), "rate": rate, "boundaries": True}
    parts = cut(mask_sequences(whole, keys, **options), size)
    assert len(parts) == -(-8 // size)
    for number, part in enumerate(parts):
        which = np.arange(number * size, min(8, (number + 1) * size))
        alone = mask_sequences(take(whole, which), keys[which], **options)
        for field in dataclasses.fields(alone):
            mine, theirs = getattr(part, field.name), getattr(alone, field.name)
            assert torch.equal(mine, theirs) if isinstance(theirs, torch.Tensor) else mine == theirs, field.name
            assert not isinstance(theirs, torch.Tensor) or mine.dtype == theirs.dtype
