"""What the products of an encoder take: operations, a product and a sum being two."""

from collections.abc import Sequence


def flops(lengths: Sequence[int], *, layers: int, hidden: int, inner: int) -> float:
    """What the products of one pass over texts of so many tokens take, nothing padded; one forward and back is three.

    >>> flops([2], layers=1, hidden=4, inner=16)
    832.0
    """
    tokens, squares = sum(lengths), sum(length * length for length in lengths)
    return float(layers * (2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * hidden * squares))
