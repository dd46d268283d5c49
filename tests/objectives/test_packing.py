"""Rows packed by the histogram of lengths: as few as an exact search finds, full, each sequence once."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from maskwright.batch import Integers
from maskwright.errors import BadInput
from maskwright.objectives.packing import pack


def packed(lengths: Integers, row_tokens: int, seed: int = 0) -> list[list[int]]:
    order, ends = pack(lengths, row_tokens, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(lengths)))
    rows = [order[a:b].tolist() for a, b in pairwise(ends)]
    assert all(lengths[row].sum() <= row_tokens for row in rows)
    assert all((np.diff(lengths[row]) <= 0).all() for row in rows)  # long ones first
    return rows


def fewest(lengths: list[int], row_tokens: int) -> int:
    """The fewest rows that hold them, by trying everything."""

    @cache
    def rest(waiting: tuple[int, ...], room: int) -> int:
        if not waiting:
            return 0
        ways = [1 + rest(waiting[1:], row_tokens - waiting[0])]
        for place, length in enumerate(waiting):
            if length <= room:
                ways.append(rest(waiting[:place] + waiting[place + 1 :], room - length))
        return min(ways)

    return rest(tuple(sorted(lengths, reverse=True)), 0)


@pytest.mark.parametrize("seed", range(40))
def test_hardly_more_rows_than_an_exact_search_finds(seed: int) -> None:
    """Best fit decreasing needs 11/9 of the fewest and 6/9 of a row at most (Johnson et al. 1974)."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 11, generator.integers(1, 9))
    found, least = len(packed(lengths, 10)), fewest(lengths.tolist(), 10)
    assert least <= found <= 11 / 9 * least + 6 / 9


def normal(number: int, longest: int) -> Integers:
    return np.clip(np.random.default_rng(1).normal(0.58 * longest, 0.23 * longest, number).astype(np.int64), 3, longest)


def mostly_full(number: int, longest: int) -> Integers:
    generator = np.random.default_rng(2)
    return np.where(generator.random(number) < 0.9, longest, generator.integers(5, longest, number))


def heavy(number: int, longest: int) -> Integers:
    return np.clip(np.random.default_rng(3).lognormal(5, 1, number).astype(np.int64), 3, longest)


@pytest.mark.parametrize("lengths", [normal, mostly_full, heavy])
@pytest.mark.parametrize(("longest", "row_tokens"), [(128, 512), (128, 8192), (512, 8192), (512, 30_000)])
def test_rows_are_filled_to_99_and_a_half_percent(lengths, longest: int, row_tokens: int) -> None:  # type: ignore[no-untyped-def]
    drawn = lengths(100_000, longest)
    rows = packed(drawn, row_tokens)
    fills = np.array([drawn[row].sum() for row in rows]) / row_tokens
    assert np.sort(fills)[1:].mean() >= 0.995  # the last one takes what is left
    assert np.median(fills) >= 0.995


def test_one_length_fills_rows_as_far_as_it_can() -> None:
    rows = packed(np.full(1000, 300), 32_768)
    assert len(rows) == -(-1000 // (32_768 // 300))


def test_the_same_draws_give_the_same_rows_and_others_mix_anew() -> None:
    drawn = normal(5000, 128)
    assert packed(drawn, 2048) == packed(drawn, 2048) != packed(drawn, 2048, seed=1)


def test_rows_are_mixtures() -> None:
    """A row of many sequences has as many tokens in short ones as all rows have, give or take."""
    drawn = normal(100_000, 128)
    means = [drawn[row].mean() for row in packed(drawn, 32_768)[:-1]]
    assert abs(np.mean(means) - drawn.mean()) < 1.5 and np.std(means) < 6


def test_nothing_and_what_does_not_fit() -> None:
    assert packed(np.zeros(0, np.int64), 8) == []
    with pytest.raises(BadInput, match="row of 8 tokens holds no sequence of 9"):
        packed(np.array([3, 9]), 8)
