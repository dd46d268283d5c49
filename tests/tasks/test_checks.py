"""Warnings: leaks against all pairs compared by their sets of pairs of words, and what a split is made of."""

from itertools import pairwise

import numpy as np

from maskwright.tasks.checks import composition, leaks, unseen_labels
from maskwright.tasks.examples import Answer, Choice, Example, Labelled, Question, Tagged

WORDS = "the rain fell on a roof of tin and she smiled at him while Bob left town by train again".split()


def labelled(text: str, label: str = "0", where: str = "a", pair: str | None = None) -> Labelled:
    return Labelled(text, pair, label, where)


def test_leaks_are_those_that_comparing_all_pairs_finds() -> None:
    draws = np.random.default_rng(3)
    training = [labelled(" ".join(draws.choice(WORDS, 40)), where=f"train {number}") for number in range(60)]
    others: list[Labelled] = []
    for number, example in enumerate(training[:40]):
        words = example.text.split()
        for _ in range(number // 4):  # more and more words become others
            words[int(draws.integers(len(words)))] = f"new{draws.integers(1000)}"
        others.append(labelled(" ".join(words), where=f"dev {number}"))

    def grams(text: str) -> set[tuple[str, str]]:
        return set(pairwise(text.split()))

    def similarity(one: str, other: str) -> float:
        return len(grams(one) & grams(other)) / len(grams(one) | grams(other))

    found = {leak.where: leak for leak in leaks(training, others)}
    for number, example in enumerate(others):
        near = similarity(example.text, training[number].text)
        if example.text == training[number].text:
            assert found[example.where] == (example.where, f"train {number}", False, True)
        elif near > 0.95:
            assert found[example.where] == (example.where, f"train {number}", True, True)
        elif near < 0.65:
            assert example.where not in found
    assert any(leak.near for leak in found.values())
    assert not any(leak.near for leak in leaks(training, others, near=False))


def test_labels_that_do_not_agree_are_told() -> None:
    (leak,) = leaks(
        [labelled("却说曹操败走。", "1", "train.tsv line 1")], [labelled("却说 曹操败走。", "0", "dev.tsv line 9")]
    )
    assert leak == ("dev.tsv line 9", "train.tsv line 1", False, False)


def test_both_texts_of_a_pair_count_and_their_order() -> None:
    training = [labelled("It rained.", pair="She smiled.")]
    assert not leaks(training, [labelled("She smiled.", pair="It rained.")], near=False)
    assert not leaks(training, [labelled("It rained.")], near=False)
    assert not leaks(training, [labelled("It", pair="rained. She smiled.")], near=False)
    assert len(leaks(training, [labelled("it rained.", pair="she SMILED.")], near=False)) == 1


def test_texts_without_letters_are_no_near_duplicates() -> None:
    assert leaks([labelled("!!")], [labelled("??")]) == []
    assert leaks([], [labelled("x")]) == leaks([labelled("x")], []) == []


def test_every_shape_of_example_can_be_compared() -> None:
    examples: list[Example] = [
        Tagged(("曹", "操"), ("B", "E"), "a"),
        Question("Who?", "Bob left.", (Answer("Bob", 0),), False, "a"),
        Choice("Rain", (("fell.",), ("rose.",)), 0, "a"),
    ]
    for example in examples:
        (leak,) = leaks([example], [example])
        assert leak.agrees
        assert composition([example, example]).duplicates == 1
    changed = Question("Who?", "Bob left.", (Answer("left", 4),), False, "b")
    assert not leaks([examples[1]], [changed])[0].agrees


def test_what_a_split_is_made_of() -> None:
    found = composition([labelled("x", "1"), labelled("X", "0"), labelled("x", "1"), labelled("y", "1")])
    assert found == (4, 2, 1, {"1": 3, "0": 1})
    assert (found.duplicate_share, found.single_class) == (0.5, None)
    assert composition([labelled("x", "1")]).single_class == "1"
    assert composition([]).duplicate_share == 0.0
    assert composition([Labelled("x", None, 2.5, "a")]).labels == {}
    assert composition([Labelled("x", None, ("a", "b"), "a")]).labels == {"a": 1, "b": 1}


def test_labels_that_training_does_not_have() -> None:
    training = [labelled("x", "1"), labelled("y", "0")]
    others = [labelled("z", "0"), labelled("u", "2", "dev line 2"), labelled("v", "2", "dev line 3")]
    assert unseen_labels(training, others) == [("2", 2, "dev line 2")]
    assert unseen_labels(others, training) == [("1", 1, "a")]
    tags = [Tagged(("a", "b"), ("O", "B-PER"), "a")], [Tagged(("c",), ("B-LOC",), "dev line 1")]
    assert unseen_labels(*tags) == [("B-LOC", 1, "dev line 1")]
