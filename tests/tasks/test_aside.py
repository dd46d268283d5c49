"""What is put aside shares no context with what is learned from."""

import pytest

from maskwright.errors import BadInput
from maskwright.tasks.aside import put_aside
from maskwright.tasks.examples import Answer, Choice, Labelled, Question


def test_a_context_is_on_one_side_only() -> None:
    questions = [Question(f"q {i}", f"context {i % 7}", (Answer("context", 0),), False, f"{i}") for i in range(60)]
    train, dev = put_aside(questions, 6, 0, "a.json")
    assert 6 <= len(dev) <= 9 and sorted(map(str, [*train, *dev])) == sorted(map(str, questions))
    assert not {one.context for one in train} & {one.context for one in dev}
    choices = [Choice(f"text {i // 3}", (("a",), ("b",)), 0, f"{i}") for i in range(30)]
    train, dev = put_aside(choices, 3, 1, "a.csv")
    assert len(dev) == 3 and len({one.first for one in dev}) == 1


def test_texts_are_put_aside_one_by_one_whatever_they_say() -> None:
    texts = [Labelled("the same", None, "x", f"{i}") for i in range(50)]
    train, dev = put_aside(texts, 5, 0, "a.csv")
    assert len(dev) == 5 and len(train) == 45
    assert [int(one.where) for one in dev] == sorted(int(one.where) for one in dev)


def test_one_context_is_not_parted() -> None:
    questions = [Question(f"q {i}", "one context", (Answer("one", 0),), False, f"{i}") for i in range(30)]
    with pytest.raises(BadInput, match="all examples of a.json are about one text"):
        put_aside(questions, 3, 0, "a.json")
