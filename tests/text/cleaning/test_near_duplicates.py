"""Near duplicates, against the Jaccard similarity of every pair."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from maskwright.errors import BadInput
from maskwright.text.cleaning.minhash import EMPTY, MinHash
from maskwright.text.cleaning.near_duplicates import BANDS, ROWS, near_duplicates
from tests.text.cleaning.near_copies import jaccard, near_copy, ngrams, passages

RATES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)


def made_up(language: str) -> list[str]:
    """Passages of many chapters, in their order, followed by copies of some of them, at every rate, in any order."""
    texts = passages(language)[::2]
    copies = [near_copy(text, rate, seed) for seed, text in enumerate(texts[::4]) for rate in RATES]
    order = np.random.default_rng(0).permutation(len(copies))
    return [*texts, *(copies[place] for place in order)]


def not_first(similarities: npt.NDArray[np.float64], threshold: float) -> npt.NDArray[np.bool_]:
    """By brute force: which documents are not the first of those they are linked with by `threshold` or more."""
    labels = connected_components(similarities >= threshold)[1]
    return np.array([label in labels[:place] for place, label in enumerate(labels)])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_precision_and_recall_beside_every_pair(language: str) -> None:
    """Those that are alike by a margin go, those that are not stay; in between the estimate decides, mostly rightly."""
    texts = made_up(language)
    hasher = MinHash(permutations=BANDS * ROWS)
    dropped = near_duplicates(np.array([hasher.signature([text]) for text in texts]), 0.8)
    grams = [ngrams(text) for text in texts]
    similarities = np.zeros((len(texts), len(texts)))
    for one, other in combinations(range(len(texts)), 2):
        similarities[one, other] = similarities[other, one] = jaccard(grams[one], grams[other])
    expected = not_first(similarities, 0.8)
    precision, recall = expected[dropped].mean(), dropped[expected].mean()
    assert 50 < expected.sum() < len(texts) - 50
    assert precision > 0.95 and recall > 0.97
    assert not_first(similarities, 0.7)[dropped].all()
    assert dropped[not_first(similarities, 0.9)].all()


def test_half_of_the_documents_may_be_one_page() -> None:
    rows = np.random.default_rng(0).integers(2**32, size=(20_000, 120), dtype=np.uint32)
    rows[::2] = rows[0]
    dropped = near_duplicates(rows)
    assert dropped.tolist() == [place % 2 == 0 and place > 0 for place in range(len(rows))]


def test_near_duplicates_of_near_duplicates_go_too() -> None:
    """a ~ b ~ c, a and c further apart than the threshold: only a stays, wherever the three stand."""
    draws = np.random.default_rng(1)
    a = draws.integers(2**32, size=120, dtype=np.uint32)
    b, c = a.copy(), a.copy()
    b[100:] += 1
    c[80:] += 1
    others = draws.integers(2**32, size=(50, 120), dtype=np.uint32)
    rows = np.concatenate([others[:20], [a], others[20:40], [b], others[40:], [c]])
    assert (a == c).mean() < 0.8
    assert np.flatnonzero(near_duplicates(rows)).tolist() == [41, 52]


def test_a_stranger_in_the_bucket_does_not_hide_a_copy() -> None:
    """Second and third share 101 of 120 places but one band alone, and the first is in their bucket of that band."""
    draws = np.random.default_rng(3)
    second = draws.integers(2**32, size=120, dtype=np.uint32)
    third, first = second.copy(), draws.integers(2**32, size=120, dtype=np.uint32)
    third[ROWS::ROWS] += 1
    first[:ROWS] = second[:ROWS]
    assert near_duplicates(np.stack([first, second, third])).tolist() == [False, False, True]


@given(st.lists(st.integers(0, 5), max_size=30))
def test_exact_copies_are_marked_but_for_the_first(which: list[int]) -> None:
    pages = np.random.default_rng(2).integers(2**32, size=(6, 120), dtype=np.uint32)
    dropped = near_duplicates(pages[which].reshape(-1, 120), 1.0)
    assert dropped.tolist() == [page in which[:place] for place, page in enumerate(which)]


def test_documents_without_letters_are_no_duplicates() -> None:
    assert not near_duplicates(np.full((5, 120), EMPTY)).any()


@pytest.mark.parametrize("threshold", [-0.1, 1.01, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(BadInput, match=r"near-duplicate threshold is .*: give a share from 0 to 1"):
        near_duplicates(np.zeros((2, 120), np.uint32), threshold)


def test_signatures_of_another_length_are_refused() -> None:
    with pytest.raises(BadInput, match=r"\(2, 64\) are not of 20 bands of 6 rows.*120 permutations"):
        near_duplicates(np.zeros((2, 64), np.uint32))
