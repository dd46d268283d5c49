"""Classification: accuracy, F1 and Matthews' correlation, by scikit-learn.

GLUE counts Matthews' correlation for CoLA, accuracy and the F1 of class 1 for MRPC and QQP, and accuracy for the
others; BERT's paper shows F1 for MRPC and QQP.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from maskwright.errors import BadInput


def scores(gold: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Mapping[str, float]:
    """accuracy, matthews, macro_f1 over `classes` (a class that nobody has or predicts counts 0), and of two classes
    f1, that of the last.

    Raises `BadInput` where scikit-learn is not installed, and for sequences that are empty or of different lengths.

    >>> found = scores(["0", "1", "1", "1"], ["0", "1", "0", "1"], ["0", "1"])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'accuracy': 0.75, 'matthews': 0.577, 'macro_f1': 0.733, 'f1': 0.8}
    """
    refuse_unequal(len(gold), len(predicted))
    sklearn = _sklearn()
    found = {
        "accuracy": float(sklearn.accuracy_score(gold, predicted)),
        "matthews": float(sklearn.matthews_corrcoef(gold, predicted)) if len({*gold, *predicted}) > 1 else 0.0,
        "macro_f1": _f1(sklearn, gold, predicted, classes, "macro"),
    }
    if len(classes) == 2:
        found["f1"] = _f1(sklearn, gold, predicted, classes[1:], "macro")
    return found


def several_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], classes: Sequence[str]
) -> Mapping[str, float]:
    """Where an example may have several classes: micro_f1, macro_f1, and accuracy, the share of examples all right.

    >>> several_scores([["a"], ["a", "b"]], [["a"], ["a"]], ["a", "b"])
    {'accuracy': 0.5, 'micro_f1': 0.8, 'macro_f1': 0.5}
    """
    refuse_unequal(len(gold), len(predicted))
    sklearn = _sklearn()
    right, said = (
        [[int(one in set(names)) for one in classes] for names in examples] for examples in (gold, predicted)
    )
    return {
        "accuracy": sum(map(list.__eq__, right, said)) / len(right),
        "micro_f1": float(sklearn.f1_score(right, said, average="micro", zero_division=0)),
        "macro_f1": float(sklearn.f1_score(right, said, average="macro", zero_division=0)),
    }


def refuse_unequal(gold: int, predicted: int) -> None:
    """Raises `BadInput` unless there are as many predictions as examples, and some."""
    if gold != predicted or not gold:
        raise BadInput(
            f"there are {predicted} predictions for {gold} examples: each has one, and there is at least one"
        )


def _f1(sklearn: Any, gold: Sequence[str], predicted: Sequence[str], classes: Sequence[str], average: str) -> float:
    return float(sklearn.f1_score(gold, predicted, labels=list(classes), average=average, zero_division=0))


def _sklearn() -> Any:
    try:
        import sklearn.metrics
    except ImportError as error:
        raise BadInput("measures of classes need scikit-learn: pip install 'maskwright[eval]'") from error
    return sklearn.metrics
