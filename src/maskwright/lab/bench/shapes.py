"""What is trained, and how much arithmetic it takes."""

from dataclasses import dataclass

from maskwright.errors import BadInput
from maskwright.models.bert import SIZES

VOCABULARY = 30_522
LENGTH = 128
SHORTEST = 5
"""Tokens of the least sequence: [CLS] a [SEP] b [SEP]."""
POSITIONS = 512
"""That BERT has as published; longer sequences are given more."""
MASK_RATE = 0.15
DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A network and a step of training: `sequences` full ones of `length` tokens each."""

    name: str
    layers: int
    hidden: int
    heads: int
    sequences: int
    length: int = LENGTH
    vocabulary: int = VOCABULARY

    @property
    def tokens(self) -> int:
        """Tokens of a step."""
        return self.sequences * self.length


SEQUENCES = {"tiny": 32, "mini": 32, "small": 16, "medium": 16, "base": 8, "large": 4}
"""What a step takes at once, sequences of `LENGTH`: about as many as fill the caches of a small machine."""

ON_GPU = {"tiny": 1024, "mini": 512, "small": 512, "medium": 256, "base": 256, "large": 96}
"""The same of a GPU, whose memory is the limit."""


def shape(size: str, *, gpu: bool = False, length: int = LENGTH, sequences: int | None = None) -> Shape:
    """A published size, with the step it is measured at.

    length      of a sequence
    sequences   of the step; None: as many as have the tokens of the size's own step

    >>> shape("base", length=512).sequences, shape("base", length=512, gpu=True).sequences
    (2, 64)
    """
    if size not in SIZES:
        raise BadInput(f"there is no size {size!r}: take {', '.join(SIZES)}")
    if length < SHORTEST:
        raise BadInput(f"--length {length}: [CLS] a [SEP] b [SEP] are {SHORTEST} tokens, so give {SHORTEST} or more")
    if sequences is not None and sequences < 1:
        raise BadInput(f"--sequences {sequences}: a step has 1 or more")
    numbers = SIZES[size]
    return Shape(
        name=size,
        layers=numbers["num_hidden_layers"],
        hidden=numbers["hidden_size"],
        heads=numbers["num_attention_heads"],
        sequences=sequences or max(1, (ON_GPU if gpu else SEQUENCES)[size] * LENGTH // length),
        length=length,
    )


def flops_per_token(
    *, layers: int, hidden: int, length: int, vocabulary: int, predicted: float, read: float = 1.0
) -> float:
    """Floating-point operations of the matrix products of a token, forward and backward.

    6 for each weight of the layers (4 H² for attention, 8 H² for the feed-forward network), 12 L S H for
    attention's own products, 6 (H² + V H) for each token that is predicted, a share `predicted` of all. Of the
    last layer, keys and values (2 H²) are computed for all tokens, and what follows them for the share `read`.

    >>> base = flops_per_token(layers=12, hidden=768, length=128, vocabulary=30522, predicted=0.15)
    >>> f"{base / 1e6:.1f} MFLOP"
    '545.4 MFLOP'
    """
    weights = ((layers - 1) * 12 + 2 + 10 * read) * hidden**2
    head = hidden**2 + vocabulary * hidden
    return 6 * weights + 12 * (layers - 1 + read) * length * hidden + 6 * head * predicted
