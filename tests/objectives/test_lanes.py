"""Lanes: every token once an epoch, each lane going on where it stopped, a function of the step alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives.lanes import SEPARATOR, Lanes, _searched  # pyright: ignore[reportPrivateUsage]


def split_of(sizes: list[int]) -> Split:
    """Documents of so many tokens, each token with an id of its own."""
    ends = np.concatenate([[0], np.cumsum(sizes)])
    ids = np.arange(100, 100 + ends[-1])
    return Split.from_arrays(ids, np.ones(len(ids)), ends, np.arange(len(ends)))


@given(
    st.lists(st.integers(0, 30), max_size=6).map(sorted),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6),
    st.sampled_from([1, -1]),
)
def test_places_are_found_run_by_run(ends: list[int], stretches: list[tuple[int, int]], step: int) -> None:
    offsets = np.array([first + step * i for first, length in stretches for i in range(length)], np.int64)
    found = _searched(np.array(ends, np.int64), offsets, step)
    assert found.tolist() == np.searchsorted(ends, offsets, side="right").tolist()


shapes = st.tuples(
    st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 6), st.integers(1, 9), st.booleans()
)


@settings(deadline=None)
@given(shapes, st.sampled_from([None, 7]), st.integers(0, 2**31))
def test_every_token_once_an_epoch(shape: tuple[list[int], int, int, bool], separator: int | None, seed: int) -> None:
    sizes, lanes, length, backwards = shape
    split = split_of(sizes)
    total = sum(sizes) + (len(sizes) if separator is not None else 0)
    if total < lanes:
        return
    side_by_side = Lanes(split, lanes=lanes, length=length, seed=seed, separator=separator, backwards=backwards)
    per_lane = np.diff(np.arange(lanes + 1) * total // lanes)
    for epoch in range(3):
        found = [
            side_by_side.at(np.tile(np.arange(epoch * n, (epoch + 1) * n), (lanes, 1)))
            for n in np.unique(per_lane).tolist()
        ]
        mine = dict(zip(np.unique(per_lane).tolist(), found, strict=True))
        tokens = np.concatenate([mine[int(n)].tokens[lane] for lane, n in enumerate(per_lane)])
        assert sorted(tokens[tokens != SEPARATOR].tolist()) == list(range(sum(sizes)))
        assert (tokens == SEPARATOR).sum() == (0 if separator is None else len(sizes))


@settings(deadline=None)
@given(shapes, st.integers(0, 2**31))
def test_a_lane_goes_on_where_it_stopped(shape: tuple[list[int], int, int, bool], seed: int) -> None:
    """Steps of any length read the same text, and any step can be asked for first."""
    sizes, lanes, length, backwards = shape
    split = split_of(sizes)
    if sum(sizes) < lanes:
        return

    def side_by_side(length: int) -> Lanes:
        return Lanes(split, lanes=lanes, length=length, seed=seed, backwards=backwards)

    short, long = side_by_side(length), side_by_side(5 * length)
    joined = [np.concatenate(parts, axis=1) for parts in zip(*[short.rows(k) for k in range(10)], strict=True)]
    again = [np.concatenate(parts, axis=1) for parts in zip(*[long.rows(k) for k in range(2)], strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(joined, again, strict=True))
    late = side_by_side(length).rows(9)
    assert np.array_equal(late.token_ids, short.rows(9).token_ids)


def test_documents_in_reading_order() -> None:
    """Inside a document neighbours follow each other, forwards or backwards; its separator stands behind it."""
    split = split_of([5, 3, 8, 4])
    for backwards, step in ((False, 1), (True, -1)):
        lanes = Lanes(split, lanes=2, length=12, seed=3, separator=7, backwards=backwards)
        ids, documents = lanes.rows(0)
        same = (documents[:, 1:] == documents[:, :-1]) & (ids[:, 1:] != 7) & (ids[:, :-1] != 7)
        assert (np.diff(ids)[same] == step).all() and same.any()
        own = np.searchsorted([5, 8, 16, 20], ids - 100, side="right")
        assert (own[ids != 7] == documents[ids != 7]).all()
        assert (ids == 7).sum() == 4


def test_backwards_is_the_same_text_from_its_end() -> None:
    split = split_of([5, 3, 8, 4])
    there, back = (Lanes(split, lanes=2, length=10, seed=1, backwards=b).rows(0).token_ids for b in (False, True))
    assert np.array_equal(there[:, ::-1], back)


def test_epochs_have_orders_of_their_own() -> None:
    split = split_of([2] * 20)
    lanes = Lanes(split, lanes=1, length=40, seed=1)
    first, second = lanes.rows(0).token_ids, lanes.rows(1).token_ids
    assert sorted(first[0].tolist()) == sorted(second[0].tolist())
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, Lanes(split, lanes=1, length=40, seed=2).rows(0).token_ids)


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"lanes": 12, "length": 2}, "12 lanes over a split of 11 tokens"),
        ({"lanes": 0, "length": 2}, "0 lanes of 2 tokens a step: give 1 or more"),
        ({"lanes": 2, "length": 0}, "2 lanes of 0 tokens a step: give 1 or more"),
    ],
)
def test_bad_input(options: dict[str, Any], wish: str) -> None:
    with pytest.raises(BadInput, match=wish) as caught:
        Lanes(split_of([5, 6]), seed=0, **options)
    assert "\n" not in str(caught.value)
