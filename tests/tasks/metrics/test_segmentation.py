"""Segmentation: the share of words at their places, against characters' borders counted one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.tasks.metrics import segmentation
from tests.tasks.files import refusal

cuts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12)


def words_of(cut: list[bool]) -> list[str]:
    """Words of a text in which a word ends behind each character where `cut` is true, and at the end."""
    words = [""]
    for number, ends in enumerate(cut):
        words[-1] += chr(0x4E00 + number)
        if ends:
            words.append("")
    return [word for word in words if word]


@given(st.lists(cuts, min_size=1, max_size=4))
def test_words_count_where_both_borders_are_right_and_none_is_between(sentences: list[list[tuple[bool, bool]]]) -> None:
    gold, predicted = ([words_of([pair[side] for pair in one]) for one in sentences] for side in (0, 1))
    right = 0
    for one in sentences:
        borders = [(True, True), *one[:-1], (True, True)]  # before each character, and behind the last
        for begin in range(len(one)):
            if borders[begin] == (True, True):
                end = next(at for at in range(begin + 1, len(borders)) if any(borders[at]))
                right += borders[end] == (True, True)
    found = segmentation.scores(gold, predicted)
    assert found["recall"] == pytest.approx(right / sum(map(len, gold)))
    assert found["precision"] == pytest.approx(right / sum(map(len, predicted)))
    assert found["f1"] == pytest.approx(2 * right / (sum(map(len, gold)) + sum(map(len, predicted))))


def test_a_word_at_another_place_is_another_word() -> None:
    assert segmentation.scores([["走走", "走", "走"]], [["走", "走", "走走"]])["f1"] == 0.0


def test_words_that_training_has_and_has_not_are_counted_apart() -> None:
    gold, predicted = [["却说", "曹操", "败走", "了"]], [["却说", "曹", "操", "败走", "了"]]
    found = segmentation.scores(gold, predicted, {"却说", "败走"})
    assert (found["iv_recall"], found["oov_recall"]) == (1.0, 0.5)
    assert "oov_recall" not in segmentation.scores(gold, predicted, set(gold[0]))


def test_another_text_is_refused() -> None:
    message = refusal(lambda: segmentation.scores([["却说"], ["曹操"]], [["却说"], ["曹"]]))
    assert message.startswith("sentence 2 and its segmentation have not the same characters")
