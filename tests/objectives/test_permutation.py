"""Targets and orders of permutation language modelling, beside a loop that does one n-gram after another."""

import numpy as np
import pytest
from scipy import stats

from maskwright.config import checked
from maskwright.errors import BadInput
from maskwright.objectives.permutation import PermutationConfig, orders, ranks, sample_targets

Rows = np.ndarray


def drawn_text(
    rows: int, width: int, seed: int = 0, *, pieces: float = 0.3, specials: bool = True
) -> tuple[Rows, Rows]:
    """Word starts and special tokens: words of one piece or more, [SEP] inside, [SEP] [CLS] at the end."""
    rng = np.random.default_rng(seed)
    starts = rng.random((rows, width)) >= pieces
    special = np.zeros((rows, width), np.bool_)
    if specials:
        special[:, -2:] = True
        special[np.arange(rows), rng.integers(1, width - 3, rows)] = True
        starts[:, 1:] |= special[:, :-1]
    return starts | special, special


def one_after_another(starts: Rows, special: Rows, goal: int, draws: np.random.Generator, variant: str) -> Rows:
    """One stretch, as the comments of the original's loop tell it (`_sample_mask`), or as its code does it."""
    width, at, count = len(starts), 0, 0
    hidden = np.zeros(width, np.bool_)
    shares = np.cumsum(1 / np.arange(1, 6)) / np.sum(1 / np.arange(1, 6))
    while at < width and count < goal:
        n = min(1 + int(np.searchsorted(shares[:-1], draws.random(1)[0], side="right")), goal - count)
        left = int(draws.random(1)[0] * n * 6)
        begin = at + left
        while begin < width and not starts[begin]:
            begin += 1
        if begin >= width:
            break
        ends, end = [begin], begin + 1
        while len(ends) <= n and end < width:
            if variant == "google" or starts[end]:
                ends.append(end)
            end += 1
        if len(ends) <= n:
            break  # no word begins behind it: it meets the end
        if variant == "exact":
            ends = [e for e in ends if (~special[begin:e]).sum() <= goal - count]
            if ends[-1] == begin:  # not even the first word fits
                at = next(e for e in range(begin + 1, width) if starts[e])
                continue
        hidden[begin : ends[-1]] = True
        count += int((~special[begin : ends[-1]]).sum()) if variant == "exact" else ends[-1] - begin
        at = ends[-1] + n * 6 - left
    return hidden


@pytest.mark.parametrize("variant", ["exact", "google"])
def test_the_same_n_grams_as_a_loop(variant: str) -> None:
    """From the same draws, one stretch at a time; with nothing left to fill, targets are the n-grams alone."""
    compared = 0
    for seed in range(300):
        starts, special = drawn_text(1, 60, seed, pieces=(seed % 4) / 5, specials=seed % 3 > 0)
        expected = one_after_another(starts[0], special[0], 8, np.random.default_rng(seed), variant)
        found = sample_targets(starts, special, 8, np.random.default_rng(seed), variant=variant)[0]
        wanted = expected & ~special[0]
        assert (found & wanted).sum() == wanted.sum(), seed
        if (expected.sum() if variant == "google" else wanted.sum()) == 8:
            assert (found == wanted).all(), seed
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("goal", [0, 1, 7, 43, 200])
def test_each_stretch_has_what_was_asked_for(goal: int) -> None:
    starts, special = drawn_text(300, 256)
    found = sample_targets(starts, special, goal, np.random.default_rng(1))
    assert (found.sum(1) == goal).all()
    assert not (found & special).any()


def test_the_original_loses_what_falls_on_special_tokens() -> None:
    starts, special = drawn_text(2000, 64)
    found = sample_targets(starts, special, 10, np.random.default_rng(1), variant="google").sum(1)
    assert found.max() == 10 and found.min() < 10 and found.mean() > 9.5


def test_statistics_beside_brute_force() -> None:
    """The share of targets at each place of a stretch, and how long runs of targets are, of 8,000 stretches each."""
    rows, width, goal = 8000, 60, 10
    starts, special = drawn_text(rows, width)
    found = sample_targets(starts, special, goal, np.random.default_rng(1))
    loop = np.zeros_like(found)
    draws = np.random.default_rng(2)
    for row in range(rows):
        loop[row] = one_after_another(starts[row], special[row], goal, draws, "exact") & ~special[row]
        rest = np.flatnonzero(~loop[row] & ~special[row])
        loop[row, draws.permutation(rest)[: goal - loop[row].sum()]] = True
    assert found.mean() == loop.mean() == goal / width  # one in six
    for by in (lambda t: t.sum(0), run_lengths):
        table = np.stack([by(found), by(loop)])
        table = table[:, table.sum(0) > 20]
        assert stats.chi2_contingency(table).pvalue > 1e-3


def run_lengths(targets: Rows) -> Rows:
    edges = np.diff(np.pad(targets, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lengths = np.argwhere(edges == -1)[:, 1] - np.argwhere(edges == 1)[:, 1]
    return np.bincount(lengths, minlength=40)[:40]


def test_n_grams_are_whole_words() -> None:
    """What begins a run of several tokens begins a word, and a word behind it begins where the run ends."""
    starts, special = drawn_text(2000, 256, specials=False, pieces=0.5)
    found = sample_targets(starts, special, 4, np.random.default_rng(3))  # so few that nothing is filled
    edges = np.diff(np.pad(found, ((0, 0), (1, 0))).astype(np.int8), axis=1)
    assert starts[edges == 1].mean() > 0.99  # the rest was filled in, one by one
    assert starts[edges == -1].mean() > 0.99


@pytest.mark.parametrize("perm_size", [None, 5, 4, 20])
def test_orders_are_uniform_within_their_stretches(perm_size: int | None) -> None:
    found = orders(20_000, 20, perm_size, np.random.default_rng(0))
    assert (np.sort(found, 1) == np.arange(20)).all()
    size = perm_size or 20
    assert (found // size == np.arange(20) // size).all()
    counts = np.bincount(found[:, 1], minlength=20)[:size]
    assert stats.chisquare(counts).pvalue > 1e-3
    pairs = (found[:, 0] < found[:, 1]).mean()
    assert abs(pairs - 0.5) < 4 * 0.5 / np.sqrt(20_000)


def perm_mask_of_google(index: Rows, is_masked: Rows, functional: Rows) -> tuple[Rows, Rows]:
    """`_local_perm` of zihangdai/xlnet, data_utils.py, written again in numpy: 1 where a token is not seen."""
    context = ~is_masked & ~functional
    rev_index = np.where(context, -1, index)
    targets = ~context & ~functional
    self_rev_index = np.where(targets, rev_index, rev_index + 1)
    return (self_rev_index[:, None] <= rev_index[None]) & ~context[None], targets


def test_ranks_say_who_sees_whom_as_the_originals_masks_do() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        special, hidden = rng.random(12) < 0.2, rng.random(12) < 0.4
        index = rng.permutation(12)
        mask, targets = perm_mask_of_google(index, hidden, special)
        found = ranks(targets[None], special[None], index[None])[0]
        predicted = found[None] < found[:, None]  # row i sees column j
        content = found[None] <= found[:, None]
        assert (predicted[targets] == ~mask[targets]).all()
        assert (content == (~mask | np.eye(12, dtype=np.bool_))).all()


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"max_length": 64, "predictions": 61}, "61 predictions of 64 tokens"),
        ({"max_length": 64, "one_in": 1}, "64 predictions of 64 tokens"),
    ],
)
def test_more_targets_than_tokens(options: dict[str, int], wish: str) -> None:
    with pytest.raises(BadInput, match=wish) as caught:
        checked(PermutationConfig, options, "recipe xlnet")
    assert "\n" not in str(caught.value)
    starts, special = drawn_text(2, 20)
    with pytest.raises(BadInput, match="18 predictions in 17 tokens"):
        sample_targets(starts, special, 18, np.random.default_rng(0))
