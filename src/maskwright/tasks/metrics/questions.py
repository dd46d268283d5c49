"""SQuAD's exact match and F1, as its two evaluation scripts have them (evaluate-v1.1.py, evaluate-v2.0.py).

Before texts are compared they are made lower case, marks of ASCII and the words a, an and the go, and white space
is collapsed. F1 is that of the bags of words that remain. A question's value is the best over its answers. The scripts
differ where nothing remains of a text: in 1.1 its F1 is 0, in 2.0 two such texts are equal, which is how a prediction
says that there is no answer, and answers of which nothing remains do not count.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from maskwright.tasks.metrics.classes import refuse_unequal

Version = Literal["1.1", "2.0"]

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_MARKS = str.maketrans("", "", string.punctuation)


def normalized(text: str) -> str:
    """What is compared of a text.

    >>> normalized("The  Duke of Chou, and a dog's dinner.")
    'duke of chou and dogs dinner'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_MARKS)).split())


def scores(answers: Sequence[Sequence[str]], predicted: Sequence[str], version: Version = "2.0") -> Mapping[str, float]:
    """exact and f1 over all questions; in 2.0 also of those that have an answer and of those that have none.

    answers     of each question, those that people gave; none where there is none
    predicted   for each question; "" says that there is none
    Raises `BadInput` where there is no question, and for sequences of different lengths.

    >>> scores([["the Duke of Chou", "Chou"], []], ["Duke Chou", ""])["f1"]
    0.9
    """
    pairs = values(answers, predicted, version)
    found = {"exact": _mean([pair.exact for pair in pairs]), "f1": _mean([pair.f1 for pair in pairs])}
    if version == "2.0":
        for name, answered in (("answered", True), ("unanswered", False)):
            part = [pair for pair, given in zip(pairs, answers, strict=True) if _has_answer(given) == answered]
            if part:
                found[f"{name}_exact"] = _mean([pair.exact for pair in part])
                found[f"{name}_f1"] = _mean([pair.f1 for pair in part])
    return found


class Value(NamedTuple):
    """Of one question."""

    exact: float
    f1: float


def values(answers: Sequence[Sequence[str]], predicted: Sequence[str], version: Version = "2.0") -> list[Value]:
    """exact and f1 of each question. Raises as `scores`."""
    refuse_unequal(len(answers), len(predicted))
    return [_value(given, said, version) for given, said in zip(answers, predicted, strict=True)]


def best_threshold(
    found: Sequence[float], no_answer: Sequence[float], answers: Sequence[Sequence[str]], predicted: Sequence[str]
) -> tuple[float, float]:
    """The mean value and the threshold that reach the most, when a question whose `no_answer` is above it is said to
    have no answer; as evaluate-v2.0.py finds them.

    found       exact or f1 of each question, as `values` gives them
    no_answer   for each question how sure it is that there is none; any number will do

    >>> best_threshold([1.0, 0.0, 0.0], [0.1, 0.9, 0.3], [["x"], [], ["y"]], ["x", "z", "z"])
    (0.6666666666666666, 0.1)
    """
    refuse_unequal(len(answers), len(found))
    total = sum(not _has_answer(given) for given in answers)
    current = best = float(total)
    threshold = 0.0
    for question in sorted(range(len(found)), key=lambda question: no_answer[question]):
        if _has_answer(answers[question]):
            current += found[question]
        elif predicted[question]:
            current -= 1
        if current > best:
            best, threshold = current, no_answer[question]
    return best / len(found), threshold


def best_over(answers: Sequence[str], predicted: str, measure: Callable[[str, str], float]) -> float:
    """The most that a prediction reaches over the answers; 0 where there are none."""
    return max((measure(answer, predicted) for answer in answers), default=0.0)


def _has_answer(answers: Sequence[str]) -> bool:
    return len(answers) > 0


def _value(answers: Sequence[str], predicted: str, version: Version) -> Value:
    if version == "2.0":
        answers = [answer for answer in answers if normalized(answer)] or [""]
    exact = best_over(answers, predicted, lambda answer, said: float(normalized(answer) == normalized(said)))
    return Value(exact, best_over(answers, predicted, lambda answer, said: _f1(answer, said, version)))


def _f1(answer: str, predicted: str, version: Version) -> float:
    its, said = normalized(answer).split(), normalized(predicted).split()
    if version == "2.0" and (not its or not said):
        return float(its == said)
    same = (Counter(its) & Counter(said)).total()
    if not same:
        return 0.0
    precision, recall = same / len(said), same / len(its)
    return 2 * precision * recall / (precision + recall)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
