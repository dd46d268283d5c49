"""Regression and similarity: the correlations of Pearson and Spearman, by scipy.

GLUE counts both for STS-B, BERT's paper shows Spearman's.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from maskwright.errors import BadInput
from maskwright.tasks.metrics.classes import refuse_unequal


def scores(gold: Sequence[float], predicted: Sequence[float]) -> Mapping[str, float]:
    """pearson, spearman, and mean_squared_error; a correlation is 0 where all numbers of one side are the same.

    Raises `BadInput` where scipy is not installed, for numbers that are not finite, and for sequences that are empty
    or of different lengths.

    >>> {name: round(value, 3) for name, value in scores([1.0, 2.0, 4.0], [1.5, 2.0, 3.0]).items()}
    {'pearson': 1.0, 'spearman': 1.0, 'mean_squared_error': 0.417}
    """
    refuse_unequal(len(gold), len(predicted))
    try:
        from scipy.stats import pearsonr, spearmanr
    except ImportError as error:
        raise BadInput("correlations need scipy: pip install 'maskwright[eval]'") from error
    for number, value in enumerate(predicted, 1):
        if not math.isfinite(value):
            raise BadInput(f"prediction {number} is {value}: a number to compare is finite")
    correlations: dict[str, Any] = {"pearson": pearsonr, "spearman": spearmanr}
    constant = len(set(gold)) < 2 or len(set(predicted)) < 2
    return {
        **{name: 0.0 if constant else float(of(gold, predicted).statistic) for name, of in correlations.items()},
        "mean_squared_error": sum((a - b) ** 2 for a, b in zip(gold, predicted, strict=True)) / len(gold),
    }
