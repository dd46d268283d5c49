"""Text for two directions: each gap between words once an epoch, in reading order, lanes going on; by brute force."""

from collections import Counter
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.layers.word_characters import sentence_marks, word_characters
from maskwright.objectives.both_ways import BothWays, SentenceLanes, VisitedLanes, Vocabulary
from maskwright.objectives.visits import Visits
from maskwright.tokenizers.words import Words
from tests.objectives.conftest import drawn_split, split_of

BEGIN, END = 1000, 1001
SENTENCES = [[3, 1, 4], [2], [7, 5], [1, 1, 6]]


def all_gaps(split: Split) -> Counter[tuple[int, int]]:
    """(left, right) of every gap of every sentence."""
    found: Counter[tuple[int, int]] = Counter()
    for i in range(split.num_sentences):
        found.update(pairwise([BEGIN, *split.sentence(i).tolist(), END]))
    return found


def in_visits(split: Split, number: int) -> Visits:
    """The split in so many visits, of some documents each."""
    visits = Visits(split, seed=6, visit_tokens=split.num_tokens // number, block_tokens=1)
    assert visits.number == number
    return visits


def lanes_over(split: Split, visits: int, **settings: Any) -> SentenceLanes | VisitedLanes:
    if visits == 1:
        return SentenceLanes(split, **settings)
    return VisitedLanes(in_visits(split, visits), **settings)


def stretch(step: int, length: int, lanes: int) -> npt.NDArray[np.int64]:
    """The positions of a step, of all lanes."""
    return np.tile(step * length + np.arange(length), (lanes, 1))


@pytest.mark.parametrize("visits", [1, 2, 3])
@pytest.mark.parametrize("backwards", [False, True])
def test_every_gap_is_asked_once_an_epoch_in_reading_order(backwards: bool, visits: int) -> None:
    split = split_of(3 * SENTENCES, seed=2)
    total = split.num_tokens + split.num_sentences
    lanes = lanes_over(split, visits, lanes=1, seed=4, begin=BEGIN, end=END, backwards=backwards)
    orders: list[list[tuple[int, int]]] = []
    for epoch in range(3):
        gaps = lanes.at(stretch(epoch, total, 1))
        pairs = list(zip(gaps.left[0].tolist(), gaps.right[0].tolist()))
        assert Counter(pairs) == all_gaps(split)
        for (left, right), (next_left, next_right) in pairwise(pairs):
            if backwards:
                assert next_right == (END if left == BEGIN else left)
            else:
                assert next_left == (BEGIN if right == END else right)
        orders.append(pairs)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("visits", [1, 3])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_lane_goes_on_where_it_stopped(backwards: bool, visits: int) -> None:
    """Also over the ends of visits and epochs, and whichever step is asked for first."""
    split = split_of(3 * SENTENCES)
    settings: dict[str, Any] = {"lanes": 3, "seed": 1, "begin": BEGIN, "end": END, "backwards": backwards}
    short, long = (lanes_over(split, visits, **settings) for _ in range(2))
    found = {step: short.at(stretch(step, 4, 3)) for step in (9, *range(9), 10, 11, 12, 13, 14)}
    for side in (0, 1):
        joined = np.concatenate([found[step][side] for step in range(15)], 1)
        assert np.array_equal(joined, np.concatenate([long.at(stretch(step, 20, 3))[side] for step in range(3)], 1))


def test_a_visit_is_read_to_its_end_before_the_next() -> None:
    split = split_of(3 * SENTENCES, seed=2)
    visits = in_visits(split, 3)
    lanes = VisitedLanes(visits, lanes=1, seed=4, begin=BEGIN, end=END, backwards=False)
    at = 0
    for epoch in range(2):
        for visit in range(3):
            part = visits.part(epoch, visit)
            size = part.num_tokens + part.num_sentences
            gaps = lanes.at(np.arange(at, at + size)[None])
            assert Counter(zip(gaps.left[0].tolist(), gaps.right[0].tolist())) == all_gaps(part)
            at += size


@pytest.mark.parametrize("number", [1, 4])
def test_visits_take_every_document_once_an_epoch(number: int) -> None:
    split = drawn_split(40, seed=3)
    visits = Visits(split, seed=5, visit_tokens=split.num_tokens // number, block_tokens=50)
    assert visits.number == number
    whole = sorted(tuple(split.sentence(i).tolist()) for i in range(split.num_sentences))
    epochs: list[list[int]] = []
    for epoch in range(2):
        parts = [visits.part(epoch, visit) for visit in range(number)]
        assert sorted(tuple(part.sentence(i).tolist()) for part in parts for i in range(part.num_sentences)) == whole
        assert visits.sizes(epoch).tolist() == [[part.num_tokens, part.num_sentences] for part in parts]
        for visit, part in enumerate(parts):
            assert np.array_equal(visits.bounds(epoch, visit).sentence_offsets, part.sentence_offsets)
        epochs.append([part.num_tokens for part in parts])
    assert number == 1 or epochs[0] != epochs[1]


WORDS = Words(["<unk>", *(f"w{i}" for i in range(1, 40))])


def both_ways(*, candidates: int | None = 6, micro: int = 2, seed: int = 0, most: int | None = None) -> BothWays:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 9, 30)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.minimum(generator.geometric(0.15, ends[-1]), 39)
    split = Split.from_arrays(ids, np.ones(len(ids)), ends, np.array([0, 3, 10, 14, 20, 26, 30]))
    return BothWays(
        split, split, Vocabulary(WORDS, 44, 12), widest=3, lanes=5, length=4, micro_lanes=micro,
        candidates=candidates, held_out_sentences=most, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("visit_tokens", [None, 30])
def test_a_step_is_a_function_of_its_number(visit_tokens: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if visit_tokens is not None:
        few = partial(Visits, visit_tokens=visit_tokens, block_tokens=1)
        monkeypatch.setattr("maskwright.objectives.both_ways.Visits", few)
    ahead, late = both_ways(), both_ways()
    steps = [ahead.batches(step) for step in range(4)]
    for step in (3, 0):
        for one, other in zip(steps[step], late.batches(step), strict=True):
            for name in ("token_ids", "predict_ids", "candidate_ids", "log_counts", "char_ids", "char_rows"):
                assert torch.equal(getattr(one, name), getattr(other, name))
    assert not torch.equal(steps[0][0].candidate_ids, steps[1][0].candidate_ids)  # type: ignore[arg-type]
    assert not torch.equal(both_ways(seed=1).batches(0)[0].token_ids, steps[0][0].token_ids)


def test_micro_batches_have_the_lanes_of_both_directions() -> None:
    batches = both_ways().batches(0)
    assert [batch.lane_ids.tolist() for batch in batches if batch.lane_ids is not None] == [
        [0, 1, 0, 1], [2, 3, 2, 3], [4, 4],
    ]  # fmt: skip
    assert [batch.backward.tolist() for batch in batches if batch.backward is not None][2] == [False, True]
    (whole,) = both_ways(micro=5).batches(0)
    rows = whole.token_ids.view(2, 5, 4)
    parts = torch.cat([batch.token_ids.view(2, -1, 4) for batch in batches], 1)
    assert torch.equal(rows, parts)
    for batch in batches:
        assert torch.equal(batch.candidate_ids, whole.candidate_ids)  # type: ignore[arg-type]


def test_tokens_are_given_by_their_own_characters() -> None:
    (batch,) = both_ways(micro=5).batches(2)
    assert batch.char_ids is not None and batch.char_rows is not None
    spelled = batch.char_ids[batch.char_rows]
    names = [*WORDS.tokens, *[""] * 4]
    known = np.concatenate([word_characters(names, 12), sentence_marks(12)])
    assert {44, 45} & set(batch.token_ids.tolist())
    assert np.array_equal(spelled.numpy(), known[batch.token_ids.numpy()][:, : spelled.shape[1]])
    assert len(batch.char_ids) == len(set(batch.token_ids.tolist()))


def test_counts_of_right_words_and_candidates_follow_from_their_frequencies() -> None:
    """The most frequent word has the largest expected count, whatever its id."""
    data = both_ways(micro=5)
    (batch,) = data.batches(0)
    assert batch.predict_ids is not None and batch.log_counts is not None and batch.candidate_ids is not None
    counts = Counter({44: 30, 45: 30})
    for i in range(30):
        counts.update(data.train.sentence(i).tolist())
    ids = [*batch.predict_ids.tolist(), *batch.candidate_ids.tolist()]
    expected = dict(zip(ids, batch.log_counts.tolist()))
    for one in expected:
        for other in expected:
            if counts[one] > counts[other]:
                assert expected[one] > expected[other]
    assert len(set(batch.candidate_ids.tolist())) == 6


def test_held_out_sentences_stand_by_themselves_and_are_the_same_every_time() -> None:
    data = both_ways(most=7)
    (batch,) = data.held_out()
    assert batch.num_sequences == 7 and batch.lane_ids is None and batch.candidate_ids is None
    for n, (first, end) in enumerate(pairwise(batch.cu_seqlens.tolist())):
        assert batch.token_ids[first:end].tolist() == [44, *data.train.sentence(n).tolist(), 45]
    assert sum(batch.num_sequences for batch in both_ways().held_out()) == 30


def test_an_example_reads_as_it_is_read() -> None:
    examples = list(both_ways().examples(0))
    assert len(examples) == 10
    forward = next(one.text for one in examples if "</S>" not in one.text and "<S>" in one.text)
    assert all(word == "<S>" or word.startswith("w") for word in forward.split())


def test_more_lanes_than_text_are_refused() -> None:
    with pytest.raises(BadInput, match="lanes over a split"):
        SentenceLanes(split_of([[1]]), lanes=9, seed=0, begin=8, end=9, backwards=False)
