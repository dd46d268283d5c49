"""What the products of an encoder take: operations, a product and a sum being two."""

from collections.abc import Sequence


def flops(lengths: Sequence[int], *, layers: int, hidden: int, inner: int, one_row: bool = False) -> float:
    """What the products of one pass over texts of so many tokens take, nothing padded; one forward and back is three.

    one_row   of each text one row of the last layer is read: of the others it makes keys and values, and no more

    >>> flops([2], layers=1, hidden=4, inner=16)
    832.0
    >>> flops([2], layers=1, hidden=4, inner=16, one_row=True)
    480.0
    """
    tokens, squares = sum(lengths), sum(length * length for length in lengths)
    seen_by_all = 4 * hidden * hidden * tokens  # keys and values
    of_each = 2 * (2 * hidden * hidden + 2 * hidden * inner)  # queries, outputs, and what is behind them
    whole = seen_by_all + of_each * tokens + 4 * hidden * squares
    last = seen_by_all + of_each * len(lengths) + 4 * hidden * tokens if one_row else whole
    return float((layers - 1) * whole + last)
