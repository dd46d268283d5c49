"""Multiple choice: the share of examples whose right option was chosen."""

from collections.abc import Mapping, Sequence

from maskwright.tasks.metrics.classes import refuse_unequal


def scores(gold: Sequence[int], predicted: Sequence[int]) -> Mapping[str, float]:
    """accuracy. Raises `BadInput` for sequences that are empty or of different lengths.

    gold, predicted  the places of options, from 0

    >>> scores([0, 2, 1, 1], [0, 2, 1, 3])
    {'accuracy': 0.75}
    """
    refuse_unequal(len(gold), len(predicted))
    return {"accuracy": sum(map(int.__eq__, map(int, gold), map(int, predicted))) / len(gold)}
