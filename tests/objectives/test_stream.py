"""A stream in visits: sizes counted one by one, and known from a checkpoint; a visit is what its blocks hold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from maskwright.batch import Sequences, side_by_side, take
from maskwright.corpus.read import Split
from maskwright.draws import generator
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.running_text import RunningText
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream
from tests.objectives.conftest import numbered

Make = Callable[..., Split]
LAYOUTS: dict[str, Any] = {
    "pairs": SegmentPairs(cls_id=2, sep_id=3, max_length=32),
    "packed": PackedSentences(cls_id=2, sep_id=3, max_length=32, across_documents=True),
    "running text": RunningText(separator=3, max_length=32),
}


def stream_of(split: Split, layout: str, **options: Any) -> Stream[Any]:
    return Stream(split, LAYOUTS[layout], **{"seed": 7, "visit_tokens": 4000, "block_tokens": 500} | options)


def same(one: Sequences, other: Sequences) -> bool:
    """Equal, words by where they begin: they are numbered from the first that was laid out."""
    fields = ("token_ids", "token_type_ids", "cu_seqlens", "special", "pair_labels")
    if one.word_ids is None or other.word_ids is None:
        assert one.word_ids is other.word_ids
    elif not np.array_equal(np.diff(one.word_ids) != 0, np.diff(other.word_ids) != 0):
        return False
    return all(np.array_equal(getattr(one, field), getattr(other, field)) for field in fields)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_late_step_is_where_counting_one_by_one_comes_to(drawn_split: Make, layout: str) -> None:
    stream = stream_of(drawn_split(300), layout, dupe_factor=2)
    assert stream.visits > 5
    sizes = [len(stream.plan(epoch, visit)[0]) for epoch in range(5) for visit in range(stream.visits)]
    one_by_one: list[Sequences] = []
    for number, size in enumerate(sizes):
        epoch, visit = divmod(number, stream.visits)
        rows = generator(7, "shuffle", epoch, visit).permutation(size)
        laid = stream.layout.lay_out(stream.part(epoch, visit), stream.plan(epoch, visit))
        one_by_one.append(take(laid, rows))
    everything = side_by_side(one_by_one)
    for step in (0, 3, sum(sizes) // 50 - 1, sum(sizes) // 150):
        wanted = take(everything, np.arange(step * 50, step * 50 + 50))
        found = stream_of(drawn_split(300), layout, dupe_factor=2).sequences(step, 50)
        for field in ("token_ids", "cu_seqlens", "special", "token_type_ids", "pair_labels"):
            assert np.array_equal(getattr(found, field), getattr(wanted, field)), field
    assert [stream.epoch_sequences(epoch) for epoch in range(5)] == [
        sum(sizes[epoch * stream.visits : (epoch + 1) * stream.visits]) for epoch in range(5)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_known_sizes_a_late_step_plans_its_own_visit_alone(
    drawn_split: Make, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = drawn_split(300)
    first = stream_of(split, layout)
    step = first.epoch_sequences(0) * 9 // 4 // 10
    wanted = first.sequences(step, 10)
    planned: list[int] = []
    plan = type(LAYOUTS[layout]).plan
    monkeypatch.setattr(
        type(LAYOUTS[layout]), "plan", lambda self, *given: (planned.append(1), plan(self, *given))[1]
    )  # fmt: skip
    resumed = stream_of(split, layout)
    resumed.know(first.visit_sizes((step + 1) * 10))
    assert same(resumed.sequences(step, 10), wanted)
    assert len(planned) <= 2  # a step may reach over a border
    planned.clear()
    assert same(stream_of(split, layout).sequences(step, 10), wanted)
    assert len(planned) > 2 * first.visits
    assert resumed.visit_sizes(step * 10) == first.visit_sizes(step * 10)


def test_sizes_that_another_version_told_are_counted_anew(drawn_split: Make) -> None:
    split = drawn_split(300)
    first = stream_of(split, "pairs")
    wanted = first.sequences(300, 10)
    resumed = stream_of(split, "pairs")
    resumed.know([size + 1 for size in first.visit_sizes(3010)])
    assert same(resumed.sequences(300, 10), wanted)
    assert resumed.visit_sizes(3010) == first.visit_sizes(3010)


def test_sizes_are_kept_of_the_passes_that_are_drawn_and_no_more(drawn_split: Make) -> None:
    stream = stream_of(drawn_split(300), "pairs", dupe_factor=2)
    total = sum(stream.epoch_sequences(epoch) for epoch in range(6))
    assert len(stream.visit_sizes(total)) == 2 * stream.visits
    assert stream.visit_sizes(0) == [] and len(stream.visit_sizes(1)) == 1
    resumed = stream_of(drawn_split(300), "pairs", dupe_factor=2)
    resumed.know(stream.visit_sizes(total))
    assert resumed.epoch_sequences(6) == stream.epoch_sequences(6)


def test_no_more_is_planned_than_is_looked_at(drawn_split: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[int] = []
    plan = PackedSentences.plan
    monkeypatch.setattr(PackedSentences, "plan", lambda *given: (planned.append(1), plan(*given))[1])
    stream = stream_of(drawn_split(300), "packed")
    assert stream.first_sequences(10) == 10 and len(planned) == 1
    total = stream_of(drawn_split(300), "packed").epoch_sequences(0)
    assert stream.first_sequences(total - 1) == total - 1
    assert stream.first_sequences(None) == total == stream.first_sequences(10**9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_epoch_in_visits_shows_every_token_once(drawn_split: Make, layout: str) -> None:
    split = numbered(drawn_split(300))
    stream = stream_of(split, layout)
    for epoch in range(2):
        parts = [stream.part(epoch, visit) for visit in range(stream.visits)]
        ids = np.concatenate([part.gather(np.array([0]), np.array([part.num_tokens]))[0] for part in parts])
        assert np.array_equal(np.sort(ids), np.arange(split.num_tokens))
        assert sum(part.num_documents for part in parts) == split.num_documents
        assert (np.diff(ids) != 1).any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_rows_in_visits_are_counted_and_known(drawn_split: Make, layout: str) -> None:
    split = numbered(drawn_split(300))
    first = stream_of(split, layout, row_tokens=200)
    rows = first.epoch_sequences(0)
    shown = first.sequences(0, rows)  # reaches over all visits
    if layout != "pairs":  # whose random segments come twice
        assert np.array_equal(np.sort(shown.token_ids[~shown.special]), np.arange(split.num_tokens))
    examples = first.examples(0, rows)
    assert np.array_equal(examples.lengths, shown.lengths) and examples.rows is not None
    assert np.add.reduceat(examples.lengths, examples.rows[:-1]).max() <= 200
    some = np.random.default_rng(0).permutation(len(examples.keys))[:50]
    assert same(examples.lay_out(some), take(shown, some))
    resumed = stream_of(split, layout, row_tokens=200)
    resumed.know(first.visit_sizes(rows))
    assert same(resumed.sequences(rows - 5, 1), first.sequences(rows - 5, 1))
