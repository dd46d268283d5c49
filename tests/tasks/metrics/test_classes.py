"""Classes, numbers and options: against their definitions, counted by hand."""

import math
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.tasks.metrics import choices, classes, numbers
from tests.tasks.files import refusal

NAMES = ["a", "b", "c"]
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=30)


def f1_of(name: str, gold: list[str], predicted: list[str]) -> float:
    right = sum(a == b == name for a, b in zip(gold, predicted))
    both = gold.count(name) + predicted.count(name)
    return 2 * right / both if both else 0.0


@given(pairs)
def test_classes_by_their_definitions(examples: list[tuple[str, str]]) -> None:
    gold, predicted = ([pair[side] for pair in examples] for side in (0, 1))
    found = classes.scores(gold, predicted, NAMES)
    assert found["accuracy"] == pytest.approx(sum(a == b for a, b in examples) / len(examples))
    assert found["macro_f1"] == pytest.approx(sum(f1_of(name, gold, predicted) for name in NAMES) / 3)
    assert "f1" not in found


@given(st.lists(st.tuples(st.sampled_from("01"), st.sampled_from("01")), min_size=1, max_size=30))
def test_two_classes_by_their_definitions(examples: list[tuple[str, str]]) -> None:
    gold, predicted = ([pair[side] for pair in examples] for side in (0, 1))
    found = classes.scores(gold, predicted, ["0", "1"])
    assert found["f1"] == pytest.approx(f1_of("1", gold, predicted))
    tp, tn, fp, fn = (examples.count(pair) for pair in (("1", "1"), ("0", "0"), ("0", "1"), ("1", "0")))
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert found["matthews"] == pytest.approx((tp * tn - fp * fn) / below if below else 0.0, abs=1e-12)


sets = st.lists(st.sampled_from(NAMES), unique=True)


@given(st.lists(st.tuples(sets, sets), min_size=1, max_size=15))
def test_several_classes_by_their_definitions(examples: list[tuple[list[str], list[str]]]) -> None:
    gold, predicted = ([pair[side] for pair in examples] for side in (0, 1))
    found = classes.several_scores(gold, predicted, NAMES)
    right = sum(len(set(a) & set(b)) for a, b in examples)
    both = sum(len(a) + len(b) for a, b in examples)
    assert found["micro_f1"] == pytest.approx(2 * right / both if both else 0.0)
    assert found["accuracy"] == pytest.approx(sum(set(a) == set(b) for a, b in examples) / len(examples))


values = st.integers(-5, 5).map(float)


@given(st.lists(st.tuples(values, values), min_size=3, max_size=20))
def test_correlations_by_their_definitions(examples: list[tuple[float, float]]) -> None:
    gold, predicted = ([pair[side] for pair in examples] for side in (0, 1))

    def pearson(one: list[float], other: list[float]) -> float:
        a, b = ([value - sum(side) / len(side) for value in side] for side in (one, other))
        below = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
        return sum(x * y for x, y in zip(a, b)) / below if below else 0.0

    def ranks(side: list[float]) -> list[float]:
        return [sum(y < x for y in side) + (side.count(x) + 1) / 2 for x in side]

    found = numbers.scores(gold, predicted)
    assert found["pearson"] == pytest.approx(pearson(gold, predicted), abs=1e-9)
    assert found["spearman"] == pytest.approx(pearson(ranks(gold), ranks(predicted)), abs=1e-9)


def test_the_same_number_for_all_correlates_with_nothing() -> None:
    assert numbers.scores([1.0, 2.0], [3.0, 3.0]) == {"pearson": 0.0, "spearman": 0.0, "mean_squared_error": 2.5}


@pytest.mark.parametrize(
    "call", [lambda: classes.scores([], [], NAMES), lambda: numbers.scores([], []), lambda: choices.scores([], [])]
)
def test_nothing_is_refused(call: Callable[[], object]) -> None:
    assert refusal(call).startswith("there are 0 predictions for 0 examples")


def test_what_cannot_be_compared_is_refused() -> None:
    assert refusal(lambda: classes.scores(["a"], ["a", "b"], NAMES)).startswith(
        "there are 2 predictions for 1 examples"
    )
    assert "prediction 2 is nan" in refusal(lambda: numbers.scores([1.0, 2.0], [1.0, math.nan]))


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sklearn", "sklearn.metrics", "scipy", "scipy.stats"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'maskwright[eval]'" in refusal(lambda: classes.scores(["a"], ["a"], NAMES))
    assert "pip install 'maskwright[eval]'" in refusal(lambda: numbers.scores([1.0], [1.0]))
