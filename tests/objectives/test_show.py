"""Decoding what was hidden, and rates against hand-made batches."""

from collections.abc import Callable

import numpy as np
import pytest

from maskwright.batch import Sequences, flat_batch
from maskwright.corpus.read import Split
from maskwright.draws import words
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.show import Mark, decode, expected_label, measure, measure_plan, measure_units
from maskwright.objectives.stream import Stream
from maskwright.objectives.units import Hidden

NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "down", "语", "言"]
CLS, SEP, MASK, THE, CAT, SAT, S, DOWN, YU, YAN = range(2, 12)


def test_each_fate_is_seen_for_what_it_is() -> None:
    batch = flat_batch(
        np.array([CLS, THE, MASK, DOWN, S, SEP, CLS, YU, YAN, CAT, SEP]),
        np.array([0, 6, 11]),
        predict_rows=np.array([2, 3, 7]),
        predict_ids=np.array([CAT, SAT, YU]),
        pair_labels=np.array([1, 0]),
    )
    first, second = decode(batch, NAMES.__getitem__, mask_id=MASK, special_ids=range(5))
    assert [mark.fate for mark in first.marks] == ["special", "plain", "masked", "randomized", "plain", "special"]
    assert first.text == "[CLS] the [MASK←cat] down←sat ##s [SEP]"
    assert second.text == "[CLS] =语= 言 cat [SEP]"
    assert second.marks[1] == Mark("语", "kept", "语")
    assert (first.pair_label, second.pair_label) == (1, 0)


def test_every_token_of_a_masked_batch_can_be_read_back(drawn_split: Callable[..., Split]) -> None:
    sequences = Stream(drawn_split(50), SegmentPairs(cls_id=CLS, sep_id=SEP), seed=1).sequences(0, 40)
    batch = mask_sequences(sequences, words(len(sequences.lengths), 0, "show"), mask_id=MASK, random_ids=1000)
    examples = decode(batch, str, mask_id=MASK, special_ids=[CLS, SEP])
    originals = [int(mark.original) for example in examples for mark in example.marks]
    tokens = [int(mark.token) for example in examples for mark in example.marks]
    assert originals == sequences.token_ids.tolist()
    assert tokens == batch.token_ids.tolist()


def test_rates_of_a_batch_counted_by_hand() -> None:
    batch = flat_batch(
        np.array([CLS, MASK, MASK, DOWN, SEP, CLS, CAT, SEP]),
        np.array([0, 5, 8]),
        predict_rows=np.array([1, 2, 3, 6]),
        predict_ids=np.array([CAT, SAT, THE, CAT]),
        pair_labels=np.array([1, 0]),
    )
    rates = measure([batch], mask_id=MASK, rate=0.4, masked=0.7, randomized=0.1, max_length=8, labelled=0.6)
    assert {rate.name: (rate.measured, rate.wanted, rate.trials) for rate in rates} == {
        "tokens to predict": (0.5, 0.4, 8),
        "of these [MASK]": (0.5, 0.7, 4),
        "of these random": (0.25, 0.1, 4),
        "of these kept": (0.25, pytest.approx(0.2), 4),
        "tokens a sequence": (4.0, None, 2),
        "padding spared, to 8": (0.5, None, 8),
        "padding spared, to the longest": (pytest.approx(0.2), None, 8),
        "random next sentences": (0.5, 0.6, 2),
    }


def test_measuring_stops_when_it_has_seen_enough() -> None:
    batch = flat_batch(np.arange(10), np.array([0, 10]), predict_rows=np.array([3]), predict_ids=np.array([3]))
    rates = measure([batch] * 9, mask_id=MASK, rate=0.1, masked=0, randomized=0, max_length=10, least_tokens=25)
    assert rates[0].trials == 30


def test_rates_of_a_plan_meet_what_was_asked(drawn_split: Callable[..., Split]) -> None:
    pairs = Stream(
        drawn_split(8000), SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=32, short_probability=0.2), seed=1
    )
    plan = pairs.plan(0)
    short, alone, lost = measure_plan(plan, max_tokens=29, short_probability=0.2)
    assert short.wanted == 0.2 * 27 / 28
    assert abs(short.measured - short.wanted) < 3.3 * (0.25 / short.trials) ** 0.5
    assert 0 < alone.measured < 0.3 and 0 < lost.measured < 0.3
    assert (
        abs(plan.pair_labels.mean() - expected_label(plan, "next_sentence", "exact"))
        < 3.3 * (0.25 / plan.num_pairs) ** 0.5
    )


def test_units_counted_by_hand() -> None:
    """Two words of two and one token hidden as one unit, one word of three half hidden."""
    row = np.arange(8)
    sequences = Sequences(
        token_ids=row, token_type_ids=row * 0, cu_seqlens=np.array([0, 8]), special=np.isin(row, [0, 7]),
        word_ids=np.array([-1, 0, 0, 1, 2, 2, 2, -1]),
    )  # fmt: skip
    hidden = Hidden(np.array([1, 2, 3, 5]), np.array([1, 1, 1, 5]))
    rates = {rate.name: (rate.measured, rate.wanted) for rate in measure_units([(sequences, hidden)], wanted=[0.75])}
    assert rates == {
        "tokens a unit": (2.0, None), "words a unit": (1.5, None), "words hidden in part": (pytest.approx(1 / 3), 0.0),
        "units of 1 word": (0.5, 0.75), "units of 2 words": (0.5, None),
    }  # fmt: skip
