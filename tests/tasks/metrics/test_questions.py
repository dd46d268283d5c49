"""SQuAD's and CMRC's values: worked out from what their scripts document, and properties that they have."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.tasks.metrics import chinese_questions, questions
from tests.tasks.files import refusal

WORDS = ["the", "a", "An", "dog", "Dog's", "cat.", "-", "...", "x", "in", "café", "“the”"]
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
asked = st.lists(st.tuples(st.lists(texts, max_size=3), texts), min_size=1, max_size=5)


def bag(text: str) -> list[str]:
    """What SQuAD compares, by the words of its paper: no marks, no articles, small letters."""
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return [word for word in kept.replace("“the”", "“ ”").split() if word not in ("a", "an", "the")]


@given(asked)
def test_values_of_squad_by_their_definition(examples: list[tuple[list[str], str]]) -> None:
    for (answers, said), value in zip(examples, questions.values(*map(list, zip(*examples)))):  # type: ignore[arg-type]
        real = [answer for answer in answers if " ".join(bag(answer))] or [""]
        exact = max(" ".join(bag(answer)) == " ".join(bag(said)) for answer in real)
        assert value.exact == exact
        best = 0.0
        for its, mine in ((bag(answer), bag(said)) for answer in real):
            common = sum(min(its.count(word), mine.count(word)) for word in set(its))
            both = len(its) + len(mine)
            best = max(best, 2 * common / both if both else 1.0)
        assert value.f1 == pytest.approx(best)


def test_where_nothing_remains_the_versions_differ() -> None:
    assert questions.values([["the"]], ["a"], "1.1") == [(1.0, 0.0)]
    assert questions.values([["the"]], ["a"], "2.0") == [(1.0, 1.0)]
    assert questions.values([[]], [""], "1.1") == [(0.0, 0.0)]
    assert questions.values([[]], [""], "2.0") == [(1.0, 1.0)]
    assert questions.values([["the", "dog"]], ["the"], "2.0") == [(0.0, 0.0)]


def test_questions_with_and_without_answers_are_shown_apart() -> None:
    found = questions.scores([["dog"], ["cat"], []], ["the dog.", "dog", "dog"])
    assert found == {
        "exact": pytest.approx(1 / 3), "f1": pytest.approx(1 / 3),
        "answered_exact": 0.5, "answered_f1": 0.5, "unanswered_exact": 0.0, "unanswered_f1": 0.0,
    }  # fmt: skip
    assert set(questions.scores([["dog"]], ["dog"], "1.1")) == {"exact", "f1"}


@given(asked, st.data())
def test_the_best_threshold_is_the_best_of_all(examples: list[tuple[list[str], str]], data: st.DataObject) -> None:
    answers, predicted = [list(side) for side in zip(*examples)]
    count = len(answers)
    sure = data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count, unique=True))
    found = [value.f1 for value in questions.values(answers, predicted)]  # type: ignore[arg-type]
    best, threshold = questions.best_threshold(found, sure, answers, predicted)  # type: ignore[arg-type]

    def at(limit: float) -> float:
        """Said to have no answer above the limit; a text that says nothing stays right where there is none."""
        return (
            sum(
                (float(not given) if doubt > limit else value if given else float(not said))
                for given, said, doubt, value in zip(answers, predicted, sure, found)
            )
            / count
        )

    assert best == pytest.approx(max(at(limit) for limit in (-1.0, *sure)))
    if threshold:
        assert at(threshold) == pytest.approx(best)


def test_a_prediction_of_nothing_stays_right_below_the_threshold() -> None:
    assert questions.best_threshold([1.0, 1.0], [0.2, 0.6], [[], ["dog"]], ["", "dog"]) == (1.0, 0.6)


@pytest.mark.parametrize(
    ("answers", "said", "exact", "f1"),
    [
        (["诸葛亮"], "诸葛亮", 1.0, 1.0),
        (["诸葛亮"], "诸葛亮。", 1.0, 1.0),  # marks do not count
        (["诸葛亮字孔明"], "孔明", 0.0, 0.5),  # two characters of two, and of six
        (["诸葛亮字孔明"], "诸葛孔明", 0.0, 0.4),  # the longest stretch is of two, whatever else is common
        (["1998年"], "在1998年", 0.0, 0.8),  # a number is one unit
        (["NBA总决赛"], "nba 总决赛", 0.0, 1.0),  # white space inside counts for exact match alone
        (["曹操", "曹孟德"], "孟德", 0.0, 0.8),
        (["曹操"], "刘备", 0.0, 0.0),
        (["曹操"], "", 0.0, 0.0),
    ],
)
def test_values_of_cmrc_worked_out_by_hand(answers: list[str], said: str, exact: float, f1: float) -> None:
    found = chinese_questions.scores([answers], [said])
    assert found == {"exact": exact, "f1": pytest.approx(f1)}


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("William H. Gates Jr.", ["william", "h.", "gates", "jr", "."]),
        ("2,173个(约)", ["2,173", "个", "(", "约", ")"]),
        ("R&B音乐 100%", ["r", "&", "b", "音", "乐", "100", "%"]),
        ("it's don't", ["it", "'s", "do", "n't"]),
        ("1911—1912", ["1911", "—", "1912"]),
    ],
)
def test_what_is_not_chinese_is_cut_as_the_penn_treebank_has_it(text: str, units: list[str]) -> None:
    assert chinese_questions.units(text) == units


@given(st.text("曹操败走a1 。，", max_size=6), st.text("曹操败走a1 。，", max_size=6))
def test_f1_is_of_the_longest_stretch_in_common(answer: str, said: str) -> None:
    its, mine = chinese_questions.units(answer), chinese_questions.units(said)
    longest = max(
        (end - begin for begin in range(len(its)) for end in range(begin + 1, len(its) + 1)
         if any(mine[at : at + end - begin] == its[begin:end] for at in range(len(mine)))),
        default=0,
    )  # fmt: skip
    expected = 2 * longest / (len(its) + len(mine)) if longest else 0.0
    assert chinese_questions.scores([[answer]], [said])["f1"] == pytest.approx(expected)


def test_no_question_is_refused() -> None:
    assert refusal(lambda: questions.scores([], [])).startswith("there are 0 predictions")
    assert refusal(lambda: chinese_questions.scores([["x"]], [])).startswith("there are 0 predictions for 1")
