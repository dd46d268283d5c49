"""Masked batches: what is hidden, how much, and when it comes again."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from maskwright.batch import Batch, Sequences
from maskwright.corpus.read import Split
from maskwright.draws import Words, words
from maskwright.errors import BadInput
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream
from maskwright.objectives.units import tokens

Make = Callable[..., Split]
CLS, SEP, MASK, VOCABULARY = 2, 3, 4, 1000


@pytest.fixture(scope="module")
def sequences(drawn_split: Make) -> Sequences:
    """18,000 pairs of up to 128 tokens: more than 200,000 tokens to predict."""
    pairs = Stream(drawn_split(5000), SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=128), seed=2)
    return pairs.sequences(0, 18_000)


def masked(sequences: Sequences, *address: int | str, keys: Words | None = None, **options: Any) -> Batch:
    drawn = words(len(sequences.lengths), 1, "masks", *address) if keys is None else keys
    return mask_sequences(sequences, drawn, mask_id=MASK, random_ids=VOCABULARY, **options)


def arrays(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert batch.predict_rows is not None and batch.predict_ids is not None
    return batch.token_ids.numpy(), batch.predict_rows.numpy(), batch.predict_ids.numpy()


def test_every_sequence_has_its_count(sequences: Sequences) -> None:
    for rate, most in ((0.15, None), (0.15, 20), (0.3, None), (0.15, 3)):
        _, rows, _ = arrays(masked(sequences, rate=rate, max_predictions=most))
        found = np.bincount(np.searchsorted(sequences.cu_seqlens, rows, side="right") - 1)
        limit = 10**9 if most is None else most
        assert found.tolist() == [min(limit, max(1, round(int(n) * rate))) for n in sequences.lengths]


def test_rows_ascend_and_ids_are_what_was_there(sequences: Sequences) -> None:
    ids, rows, old = arrays(masked(sequences))
    assert (np.diff(rows) > 0).all()
    assert (old == sequences.token_ids[rows]).all()
    untouched = np.ones(len(ids), np.bool_)
    untouched[rows] = False
    assert (ids[untouched] == sequences.token_ids[untouched]).all()


def test_specials_are_never_hidden_unless_asked(sequences: Sequences) -> None:
    assert not sequences.special[arrays(masked(sequences, rate=0.5))[1]].any()
    hidden = sequences.special[arrays(masked(sequences, units=tokens(specials=True)))[1]].mean()
    assert hidden == pytest.approx(sequences.special.mean(), rel=0.05)


def test_shares_over_two_hundred_thousand_targets(sequences: Sequences) -> None:
    ids, rows, old = arrays(masked(sequences))
    assert len(rows) > 200_000
    mask, kept = ids[rows] == MASK, ids[rows] == old
    counts = [mask.sum(), kept.sum(), (~mask & ~kept).sum()]
    by_chance = 0.1 / VOCABULARY  # a random token that is [MASK], or the one that was there
    expected = np.array([0.8 + by_chance, 0.1 + by_chance, 0.1 - 2 * by_chance]) * len(rows)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_each_place_of_a_sequence_is_as_likely(sequences: Sequences) -> None:
    rows = arrays(masked(sequences))[1]
    full = sequences.lengths == 128
    of = np.searchsorted(sequences.cu_seqlens, rows, side="right") - 1
    place = (rows - sequences.cu_seqlens[of])[full[of]]
    starts = sequences.cu_seqlens[:-1][full]
    candidates = (~sequences.special)[starts[:, None] + np.arange(128)].sum(axis=0)
    hidden = np.bincount(place, minlength=128)
    assert hidden[0] == 0 and full.sum() > 5000
    often = candidates > 0.5 * full.sum()
    share = 19 / 125  # of 125 candidates in each full sequence
    z = (hidden - candidates * share)[often] / np.sqrt(candidates * share * (1 - share))[often]
    assert (z**2).sum() < stats.chi2.ppf(0.999, often.sum())


def test_pairs_pass_through(sequences: Sequences) -> None:
    batch = masked(sequences)
    assert batch.pair_labels is not None and sequences.pair_labels is not None
    assert (batch.pair_labels.numpy() == sequences.pair_labels).all()
    assert batch.max_seqlen == sequences.lengths.max()
    assert batch.token_type_ids is not None
    assert (batch.token_type_ids.numpy() == sequences.token_type_ids).all()


def test_rate_one_hides_all_there_is(sequences: Sequences) -> None:
    assert (arrays(masked(sequences, rate=1.0))[1] == np.flatnonzero(~sequences.special)).all()


def test_dynamic_masks_follow_their_address(sequences: Sequences) -> None:
    first, again, later = (arrays(masked(sequences, step)) for step in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    both = np.intersect1d(first[1], later[1])
    assert len(both) / len(first[1]) == pytest.approx(0.15, abs=0.02)


def test_static_masks_come_again_after_dupe_factor_epochs(drawn_split: Make) -> None:
    """In other batches of another size, and in another place of the batch."""
    pairs = Stream(drawn_split(40), SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=64), seed=3, dupe_factor=2)
    sizes = [pairs.epoch_sequences(epoch) for epoch in range(4)]
    shown: defaultdict[tuple[int, int], set[tuple[int, ...]]] = defaultdict(set)
    for batch_size in (1, 9):
        for step in range(sum(sizes) // batch_size):
            keys = pairs.examples(step, batch_size).keys
            batch = masked(pairs.sequences(step, batch_size), keys=keys)
            for place, (key, ids) in enumerate(
                zip(keys, np.split(batch.token_ids, batch.cu_seqlens[1:-1]), strict=True)
            ):
                epoch = int(np.searchsorted(np.cumsum(sizes), step * batch_size + place, side="right"))
                shown[epoch % 2, int(key)].add(tuple(ids.tolist()))
    assert len(shown) == sizes[0] + sizes[1]
    assert all(len(forms) == 1 for forms in shown.values())


def test_static_masks_have_the_same_shares(sequences: Sequences) -> None:
    ids, rows, old = arrays(masked(sequences, keys=np.arange(len(sequences.lengths), dtype=np.uint64)))
    mask, kept = ids[rows] == MASK, ids[rows] == old
    counts = [mask.sum(), kept.sum(), (~mask & ~kept).sum()]
    expected = np.array([0.8 + 1e-4, 0.1 + 1e-4, 0.1 - 2e-4]) * len(rows)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rate": 0.0}, "rate 0.0"),
        ({"rate": 1.5}, "rate 1.5"),
        ({"max_predictions": 0}, "max_predictions 0"),
        ({"masked": 0.9, "randomized": 0.2}, "masked 0.9 and randomized 0.2"),
        ({"masked": -0.1}, "masked -0.1"),
    ],
)
def test_bad_rates_are_named(sequences: Sequences, options: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        masked(sequences, **options)
