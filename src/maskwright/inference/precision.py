"""Which numbers to compute with where nobody says: bfloat16 for many texts, where it is exact enough."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.inference import encoder_loading
from maskwright.inference.encoder import Encoder, Pooling
from maskwright.inference.graphs.certificate import closeness, sample_texts
from maskwright.inference.loading import Loaded
from maskwright.layers.capability import capability_of, lacking
from maskwright.layers.onednn import can_fuse
from maskwright.objectives.sequence_scores import Asks

AUTO = "auto"
MANY = 256
"""Texts from which on bfloat16 is worth its second look."""
EXACT = 0.999
"""The worst cosine to float32 that is exact enough."""
SHARE = 0.02
"""The most by which a probability may differ, or a number, in standard deviations of its answers."""
SAME = 0.99
"""The least share of tags, spans or options that are the same."""
LOOKED_AT = 32
"""Sample texts it is found on."""
MOST_DRAWN = 64
"""Tokens of a text that is drawn in their place."""


def faster(
    exact: Loaded,
    folder: str | Path,
    count: int,
    device: str = "cpu",
    *,
    pooling: Pooling | None = None,
    answers: bool = False,
) -> Loaded:
    """The model in `folder`, loaded in float32 already, as it is best for so many texts: as it is for few of them.

    For many it is bfloat16 where the processor has instructions for it, and where vectors of sample texts have a cosine
    of at least `EXACT` to those in float32. Which it is depends on model and machine alone, not on the texts.

    pooling   of the vectors that are wanted, as `Encoder.encode` has it
    answers   those of a fine-tuned model are wanted: it has to say the same as in float32 (`SHARE`, `SAME`)
    """
    if count < MANY or not isinstance(exact, Encoder) or not _has_bf16(device):
        return exact
    fast = encoder_loading.load(folder, dtype="bfloat16", device=device)
    texts = _looked_at(exact)
    try:
        pooling = "mean" if answers else pooling
        near = closeness(*(one.encode(texts, pooling, truncate=True) for one in (fast, exact)))
        alike = near.worst_cosine >= EXACT and (not answers or _answer_alike(fast, exact, texts))
    except BadInput:  # whoever asks for what it cannot do is told so when it is done
        return exact
    return fast if alike else exact


def _looked_at(encoder: Encoder) -> list[str]:
    """Sample texts; where the vocabulary knows none, words drawn from it."""
    try:
        texts = [text for text in sample_texts(encoder, odd=False)[0] if isinstance(text, str)]
    except BadInput:
        tokenizer, draws = encoder.tokenizer, generator(0, "bfloat16")
        ids = np.setdiff1d(np.arange(tokenizer.vocab_size), tokenizer.special_ids)
        lengths = draws.integers(4, MOST_DRAWN, LOOKED_AT)
        return [tokenizer.decode(draws.choice(ids, length).tolist(), skip_special=True) for length in lengths]
    return texts[:: max(1, len(texts) // LOOKED_AT)]


def _answer_alike(fast: Encoder, exact: Encoder, texts: Sequence[str]) -> bool:
    """Whether a fine-tuned model says the same of these texts, or nearly."""
    asks = None if exact.task is None else exact.task.part.asks
    if asks in (None, "near", "nearness"):  # answered by vectors, which were compared
        return True
    ours, theirs = (_answers(one, asks, texts) for one in (fast, exact))
    if theirs.dtype.kind != "f":
        return len(ours) == len(theirs) and float((ours == theirs).mean()) >= SAME
    unit = float(theirs.std()) if asks == "number" else 1.0
    return float(np.abs(ours - theirs).max()) <= SHARE * unit


def _answers(encoder: Encoder, asks: Asks, texts: Sequence[str]) -> npt.NDArray[Any]:
    """What it says of sample texts, as an array: probabilities or numbers, else what is the same or is not."""
    match asks:
        case "tags":
            spaced, joined = (
                [text.split() for text in texts if " " in text],
                [[*text] for text in texts if " " not in text],
            )
            return np.concatenate([*encoder.tag(spaced), *encoder.tag(joined, joined=True)])
        case "words":  # whether a character begins one
            found = encoder.segment(texts)
            return np.array([place == 0 for words in found for word in words for place in range(len(word))])
        case "span":
            return np.array([best[0].text for best in encoder.answer_many(list(pairwise(texts)), truncate=True)])
        case "option":
            asked = [(first, list(options)) for first, *options in zip(texts, texts[1:], texts[2:], strict=False)]
            return np.array([one.place for one in encoder.choose_many(asked, truncate=True)])
        case "number":
            return np.array([one.label for one in encoder.predict(texts, truncate=True)], np.float64)
        case _:
            return np.array([list(one.shares.values()) for one in encoder.predict(texts, truncate=True)])


def _has_bf16(device: str) -> bool:
    """Whether the device has instructions for it."""
    if device == "cpu":
        return can_fuse(torch.bfloat16)
    return lacking("bf16", capability_of(encoder_loading.device_of(device))) is None
