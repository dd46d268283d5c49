"""Texts of which each is a sequence by itself, those of a pair too: what networks without attention read.

The two sequences of a pair stay together (`Batch.groups`), and whoever judges them lays their vectors side by side.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise

from maskwright.tasks.inputs import Cut
from maskwright.tokenizers.pairs import Layout, Side, Text, encode_pairs


def separate(
    texts: Sequence[Text],
    sides_of: Callable[[list[str]], list[Side]],
    layout: Layout,
    ids: Mapping[str, int],
    length: int | None,
) -> Cut:
    """Each text, and each of a pair, as one sequence of at most `length` tokens; None: nothing is cut.

    See `tokenizers.pairs.encode_pairs` for what makes them.
    """
    sizes = [1 if isinstance(text, str) else 2 for text in texts]
    parts = [part for text in texts for part in ((text,) if isinstance(text, str) else text)]
    sides = sides_of(parts)
    encoded = encode_pairs(parts, lambda _: sides, layout, ids, max_length=length, truncate=True)
    around = len(layout.single) - 1
    short = [len(side.ids) + around > len(one.ids) for side, one in zip(sides, encoded, strict=True)]
    lost = sum(any(short[first:end]) for first, end in pairwise(accumulate(sizes, initial=0)))
    return Cut(encoded, lost, sizes if 2 in sizes else None)
