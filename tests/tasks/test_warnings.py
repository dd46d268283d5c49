"""Sentences about a fine-tuning that is not to be trusted, and none about one that is."""

from typing import Any

import pytest

from maskwright.tasks.examples import Labelled
from maskwright.tasks.warnings import of_data, of_outcome


def labelled(texts: list[str], file: str) -> list[Labelled]:
    return [Labelled(text, None, "x", f"{file} line {n}") for n, text in enumerate(texts, 2)]


TRAIN = labelled([f"sentence number {n} of a training file that is long enough" for n in range(20)], "train.csv")


def test_leaked_examples_and_cut_texts_are_told() -> None:
    dev = labelled(["something else altogether stands here", TRAIN[3].text], "dev.csv")
    (leaked,) = of_data(TRAIN, dev, cut=1, length=128)
    assert leaked.startswith("1 of the 2 examples to judge by are in training too (0 of them nearly)")
    assert "dev.csv line 3 and train.csv line 5" in leaked
    assert list(of_data(TRAIN, dev[:1], cut=9, length=128)) == [
        "9 of 21 texts were cut at 128 tokens: what stands behind is never read"
    ]


@pytest.mark.parametrize(
    ("different", "learned", "judged_by", "said"),
    [
        (1, 0.9, 0.9, "it gives one answer for all examples"),
        (2, 0.99, 0.8, "99% of the last training examples are answered right and 80% of the others"),
        (2, 0.9, 0.85, None),
        (2, 0.0, 0.0, None),
    ],
)
def test_degenerate_runs_and_learning_by_heart_are_told(
    different: int, learned: float, judged_by: float, said: str | None
) -> None:
    last = {"accuracy": {"task": learned}, "held_out": {"accuracy": {"task": judged_by}}}
    found = list(of_outcome(different, [last], 10))
    assert len(found) == (said is not None) and (said or "") in "".join(found)


def look(step: int, loss: float, value: float | None, held_out: float = 1.0) -> dict[str, Any]:
    measures = {"held_out": {"loss": held_out, "accuracy": {}, "measures": {"f1": value, "accuracy": 0.9}}}
    return {"step": step, "loss": loss, "accuracy": {}, **({} if value is None else measures)}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [look(10, 1.0, 0.7), look(15, 0.8, None), look(20, 0.5, 0.84), look(40, 0.1, 0.8)],
            "f1 was best after 2 epochs, 0.840, and is 0.800 after 4, while the loss on training examples went on",
        ),
        ([look(10, 1.0, 0.7), look(20, 0.5, 0.84), look(40, 0.6, 0.8)], None),  # training got worse as well
        ([look(10, 1.0, 0.7), look(20, 0.5, 0.84), look(40, 0.1, 0.835)], None),  # no more than chance
        ([look(10, 1.0, 0.7), look(40, 0.1, 0.835)], None),
        ([look(10, 1.0, None)], None),
    ],
)
def test_a_measure_that_has_its_best_behind_it_is_told(lines: list[dict[str, Any]], said: str | None) -> None:
    found = list(of_outcome(2, lines, 10))
    assert len(found) == (said is not None) and (said or "") in "".join(found)
