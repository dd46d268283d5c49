"""Running text: equal to joining the documents and cutting, every token once an epoch."""

from collections.abc import Callable

import numpy as np
import pytest

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives.running_text import RunningText
from maskwright.objectives.stream import Stream

Make = Callable[..., Split]
END = 3


def joined(split: Split, documents: list[int], separator: int | None) -> list[int]:
    """The text of these documents, sentence by sentence."""
    text: list[int] = []
    for document in documents:
        first, end = split.document_offsets[document : document + 2].tolist()
        for number in range(first, end):
            text += split.sentence(number).tolist()
        text += [] if separator is None else [separator]
    return text


@pytest.mark.parametrize("separator", [END, None])
@pytest.mark.parametrize("max_length", [2, 7, 64, 5000])
@pytest.mark.parametrize("documents", [list(range(30)), [0, 1, 4, 5, 6, 29], [7], []], ids=str)
def test_equal_to_joining_and_cutting(
    drawn_split: Make, max_length: int, separator: int | None, documents: list[int]
) -> None:
    split = drawn_split(30, 1, sentences=6, tokens=9)
    layout = RunningText(separator=separator, max_length=max_length)
    plan = layout.plan(split, np.array(documents, np.int64), np.random.default_rng(3))
    made = layout.lay_out(split, plan)
    assert made.token_ids.tolist() == joined(split, documents, separator)
    assert np.array_equal(made.special, made.token_ids == END) if separator else not made.special.any()
    assert ((made.lengths > 0) & (made.lengths <= max_length)).all()
    # rows may come in any order
    order = np.random.default_rng(0).permutation(len(plan.begin))
    other = layout.lay_out(split, type(plan)(*(field[order] for field in plan)))
    parts = np.split(made.token_ids, made.cu_seqlens[1:-1])
    assert other.token_ids.tolist() == [i for place in order for i in parts[place]]


def test_sequences_are_full_but_for_the_ends_of_a_run_of_neighbours(drawn_split: Make) -> None:
    split = drawn_split(30, 1, sentences=6, tokens=9)
    made = RunningText(separator=END, max_length=16).plan(split, np.arange(30), np.random.default_rng(3))
    assert set(made.length[1:-1].tolist()) == {16}


def test_cuts_fall_elsewhere_in_every_epoch(drawn_split: Make) -> None:
    stream = Stream(drawn_split(30, 1, sentences=6, tokens=9), RunningText(separator=END, max_length=16), seed=0)
    assert len({int(stream.plan(epoch).length[0]) for epoch in range(20)}) > 5


def test_nothing_to_predict_is_refused() -> None:
    with pytest.raises(BadInput, match="max_length 1 leaves nothing to predict"):
        RunningText(separator=None, max_length=1)
