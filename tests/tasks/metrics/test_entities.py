"""Entities: seqeval's values where it is installed, and conlleval's by rules written as it states them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from maskwright.tasks.metrics import entities
from maskwright.tasks.schemes import lenient_spans
from tests.tasks.files import refusal

Sentences = list[list[tuple[str, str]]]


def tagged(letters: str) -> st.SearchStrategy[Sentences]:
    tags = st.sampled_from([f"{letter}-{kind}" for letter in letters for kind in ("PER", "LOC")] + ["O"])
    nearly = st.tuples(tags, tags, st.booleans()).map(lambda it: (it[0], it[0] if it[2] else it[1]))
    return st.lists(st.lists(nearly, min_size=1, max_size=8), min_size=1, max_size=4)


def sides(sentences: Sentences) -> tuple[list[list[str]], list[list[str]]]:
    return [[pair[0] for pair in one] for one in sentences], [[pair[1] for pair in one] for one in sentences]


def conlleval(tags: list[str]) -> set[tuple[int, int, str]]:
    """Chunks by two questions at each border, as conlleval asks them: does one end here, does one begin?"""
    found: set[tuple[int, int, str]] = set()
    begun: int | None = None
    before = "O"
    for at, tag in enumerate([*tags, "O"]):
        last, last_kind, letter, kind = before[0], before[2:], tag[0], tag[2:]
        ends = last != "O" and (
            (last, letter) in {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")} or last == "E" or last_kind != kind
        )
        begins = letter != "O" and (
            (last, letter) in {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I"), ("E", "E"), ("E", "I"), ("O", "E")}
            or letter == "B"
            or last_kind != kind
        )
        if ends and begun is not None:
            found.add((begun, at, last_kind))
            begun = None
        if begins:
            begun = at
        before = tag
    return found


@given(tagged("BIE"))
def test_values_are_conlleval_s(sentences: Sentences) -> None:
    gold, predicted = sides(sentences)
    there, said = (
        {(number, *chunk) for number, tags in enumerate(side) for chunk in conlleval(tags)}
        for side in (gold, predicted)
    )
    right = len(there & said)
    precision, recall = right / len(said) if said else 0.0, right / len(there) if there else 0.0
    found = entities.scores(gold, predicted)
    assert found["precision"] == pytest.approx(precision)
    assert found["recall"] == pytest.approx(recall)
    assert found["f1"] == pytest.approx(2 * precision * recall / (precision + recall) if right else 0.0)


@given(st.one_of(tagged("BI"), tagged("BIES")))
@pytest.mark.filterwarnings("ignore")
def test_values_are_seqeval_s(sentences: Sentences) -> None:
    seqeval: Any = pytest.importorskip("seqeval.metrics")
    gold, predicted = sides(sentences)
    found = entities.scores(gold, predicted)
    assert found["f1"] == pytest.approx(seqeval.f1_score(gold, predicted, zero_division=0))
    assert found["precision"] == pytest.approx(seqeval.precision_score(gold, predicted, zero_division=0))
    assert found["recall"] == pytest.approx(seqeval.recall_score(gold, predicted, zero_division=0))
    assert found["accuracy"] == pytest.approx(seqeval.accuracy_score(gold, predicted))


def test_each_type_is_counted_for_itself() -> None:
    gold, predicted = [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "B-PER"]]
    assert entities.by_type(gold, predicted) == {
        "LOC": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1.0},
        "PER": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1.0},
    }


def test_a_span_is_right_only_as_a_whole_and_in_its_sentence() -> None:
    assert entities.scores([["B-PER", "I-PER"], ["O"]], [["B-PER", "O"], ["O"]])["f1"] == 0.0
    assert entities.scores([["B-PER"], ["O"]], [["O"], ["B-PER"]])["f1"] == 0.0
    assert lenient_spans(["O", "O"]) == []


def test_parts_of_speech_are_counted_word_by_word() -> None:
    gold, predicted = [["DET", "NOUN", "VERB"], ["NOUN", "VERB"]], [["DET", "VERB", "VERB"], ["NOUN", "VERB"]]
    found = entities.scores(gold, predicted)
    assert found["f1"] == found["precision"] == found["recall"] == found["accuracy"] == 0.8
    flat = [[tag for tags in side for tag in tags] for side in (gold, predicted)]
    theirs = precision_recall_fscore_support(*flat, labels=["DET", "NOUN", "VERB"], zero_division=0)
    ours = entities.by_type(gold, predicted)
    assert [ours[tag]["f1"] for tag in ("DET", "NOUN", "VERB")] == pytest.approx(theirs[2].tolist())


def test_other_lengths_are_refused() -> None:
    assert "sentence 1 has 2 words and 1 predicted tags" in refusal(lambda: entities.scores([["O", "O"]], [["O"]]))
