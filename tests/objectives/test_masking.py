"""Choosing and corrupting against per-sequence programs and exact distributions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from maskwright.draws import generator, words
from maskwright.objectives.masking import Draws, candidates, choose, corrupt, mask_counts


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 15)), min_size=1, max_size=30), st.integers(0, 2**32))
def test_choose_equals_ranking_each_sequence(shape: list[tuple[int, int]], seed: int) -> None:
    units = np.repeat(np.arange(len(shape)), [size for size, _ in shape])
    counts = np.array([count for _, count in shape])
    uniform = np.random.default_rng(seed).random(len(units))
    expected = [
        int(unit)
        for sequence, count in enumerate(counts)
        for unit in sorted(sorted(np.flatnonzero(units == sequence), key=lambda unit: uniform[unit])[:count])
    ]
    assert choose(units, counts, uniform).tolist() == expected


def test_every_subset_is_as_likely() -> None:
    """Two of six, 60,000 times: fifteen subsets."""
    sequences = 60_000
    chosen = choose(
        np.repeat(np.arange(sequences), 6), np.full(sequences, 2), generator(3, "test").random(6 * sequences)
    )
    first, second = (chosen % 6).reshape(sequences, 2).T
    counts = [int(((first == a) & (second == b)).sum()) for a, b in combinations(range(6), 2)]
    assert sum(counts) == sequences
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_batch_beyond_the_packed_words_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        choose(np.zeros(2**22, np.int64), np.ones(2**23, np.int64), np.zeros(2**22))


@pytest.mark.parametrize("rate", [0.15, 0.3, 0.4, 0.5, 0.05, 1.0])
@pytest.mark.parametrize("most", [None, 20])
def test_counts_are_those_of_the_original(rate: float, most: int | None) -> None:
    lengths = np.arange(1, 600)
    limit = 10**9 if most is None else most
    expected = [min(limit, max(1, round(length * rate))) for length in range(1, 600)]
    assert mask_counts(lengths, rate, most).tolist() == expected


def test_candidates_leave_specials_out_unless_asked() -> None:
    special = np.array([True, False, False, True, True, False, True])
    cu_seqlens = np.array([0, 4, 7])
    rows, sequence = candidates(special, cu_seqlens)
    assert rows.tolist() == [1, 2, 5] and sequence.tolist() == [0, 0, 1]
    rows, sequence = candidates(special, cu_seqlens, mask_specials=True)
    assert rows.tolist() == list(range(7)) and sequence.tolist() == [0, 0, 0, 0, 1, 1, 1]


VOCABULARY, TARGETS = 500, 400_000


@pytest.mark.parametrize(("masked", "randomized"), [(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.5, 0.2), (0.0, 0.0)])
def test_shares_of_masked_random_and_kept(masked: float, randomized: float) -> None:
    """A random token is the old one once in VOCABULARY times, and counts as kept here."""
    old, mask_id = 7, VOCABULARY
    ids = np.full(2 * TARGETS, old)
    rows = np.arange(0, 2 * TARGETS, 2)
    draws = Draws(words(1, 11, "fates"), np.array([0, len(ids)]))
    got = corrupt(ids, rows, draws, mask_id=mask_id, random_ids=VOCABULARY, masked=masked, randomized=randomized)
    assert (ids == old).all() and (got[1::2] == old).all()
    counts = np.bincount(got[rows], minlength=VOCABULARY + 1)
    expected = np.append(np.full(VOCABULARY, randomized / VOCABULARY), masked)
    expected[old] += 1 - masked - randomized
    possible = expected > 1e-12
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        assert stats.chisquare(counts[possible], expected[possible] * TARGETS).pvalue > 1e-3


def test_random_tokens_from_a_list_are_of_that_list() -> None:
    some = np.array([3, 9, 27, 81])
    ids = np.zeros(40_000, np.int64)
    draws = Draws(words(1, 11, "list"), np.array([0, len(ids)]))
    got = corrupt(ids, np.arange(len(ids)), draws, mask_id=1, random_ids=some, masked=0, randomized=1)
    assert set(got.tolist()) == set(some.tolist())
    assert stats.chisquare([(got == each).sum() for each in some]).pvalue > 1e-3


def example_draws(keys: np.ndarray, length: int, streams: int = 1) -> np.ndarray:
    draws = Draws(keys, np.arange(len(keys) + 1) * length)
    return np.array([draws.uniform(np.arange(len(keys) * length)) for _ in range(streams)])


def test_draws_of_an_example_are_uniform_and_unrelated_to_their_neighbours() -> None:
    """Neighbours in position, in key (keys are consecutive), and in stream."""
    drawn = example_draws(np.arange(2000, dtype=np.uint64), 100, streams=3).reshape(3, 2000, 100)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    for axis in range(3):
        low, high = (np.moveaxis(drawn, axis, 0)[part].ravel() for part in (slice(None, -1), slice(1, None)))
        table = np.histogram2d(low, high, bins=10, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_draws_of_an_example_do_not_depend_on_its_place() -> None:
    keys = np.array([5, 6, 7], np.uint64)
    together = example_draws(keys, 10, streams=2)
    alone = example_draws(keys[1:2], 10, streams=2)
    assert (together[:, 10:20] == alone).all()
