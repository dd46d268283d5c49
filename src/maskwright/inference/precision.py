"""Which numbers to compute with where nobody says: bfloat16 for many texts, where it is exact enough."""

from pathlib import Path

import torch

from maskwright.inference import encoder_loading
from maskwright.inference.encoder import Encoder
from maskwright.inference.graphs.certificate import closeness, sample_texts
from maskwright.inference.loading import Loaded
from maskwright.layers.capability import capability_of, lacking
from maskwright.layers.onednn import can_fuse

AUTO = "auto"
MANY = 256
"""Texts from which on bfloat16 is worth its second look."""
EXACT = 0.999
"""The worst cosine to float32 that is exact enough."""
LOOKED_AT = 32
"""Sample texts it is found on."""


def faster(exact: Loaded, folder: str | Path, count: int, device: str = "cpu") -> Loaded:
    """The model in `folder`, loaded in float32 already, as it is best for so many texts: as it is for few of them.

    For many it is bfloat16 where the processor has instructions for it, and where vectors of sample texts have a cosine
    of at least `EXACT` to those in float32. Which it is depends on model and machine alone, not on the texts.
    """
    if count < MANY or not isinstance(exact, Encoder) or not _has_bf16(device):
        return exact
    fast = encoder_loading.load(folder, dtype="bfloat16", device=device)
    texts, _ = sample_texts(exact, odd=False)
    texts = texts[:: max(1, len(texts) // LOOKED_AT)]
    near = closeness(fast.encode(texts, truncate=True), exact.encode(texts, truncate=True))
    return fast if near.worst_cosine >= EXACT else exact


def _has_bf16(device: str) -> bool:
    """Whether the device has instructions for it."""
    if device == "cpu":
        return can_fuse(torch.bfloat16)
    return lacking("bf16", capability_of(encoder_loading.device_of(device))) is None
