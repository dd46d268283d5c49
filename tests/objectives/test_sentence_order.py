"""Pairs without a random partner: in order or swapped, of segments or of sentences; every token once an epoch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from maskwright.corpus.read import Split
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream

Make = Callable[..., Split]
CLS, SEP = 2, 3


def stream_of(split: Split, **options: Any) -> Stream[Any]:
    return Stream(
        split, SegmentPairs(cls_id=CLS, sep_id=SEP, **{"max_length": 10_000, "short_probability": 0} | options), seed=4
    )


def document_of(split: Split, tokens: np.ndarray) -> np.ndarray:
    return np.searchsorted(split.sentence_offsets[split.document_offsets], tokens, side="right") - 1


@pytest.mark.parametrize("task", ["sentence_order", "none"])
def test_both_segments_follow_each_other_in_one_document(drawn_split: Make, task: str) -> None:
    split = drawn_split(400)
    plan = stream_of(split, task=task, max_length=40, short_probability=0.1).plan(0)
    assert (document_of(split, plan.a_start) == document_of(split, plan.b_start)).all()
    whole = plan.cut == 0
    label = plan.pair_labels[whole]
    in_order = (plan.a_start + plan.a_length == plan.b_start)[whole]
    swapped = (plan.b_start + plan.b_length == plan.a_start)[whole]
    assert (in_order == (label == 0)).all() and (swapped == (label == 1)).all()
    if task == "none":
        assert not label.any()
    else:
        assert stats.binomtest(int(plan.pair_labels.sum()), plan.num_pairs).pvalue > 1e-3


@pytest.mark.parametrize(
    "options", [{"task": "sentence_order"}, {"task": "none"}, {"task": "sentence_order", "sentences": True}]
)
def test_every_token_once_an_epoch(drawn_split: Make, options: dict[str, Any]) -> None:
    """But for sentences of one token that stand alone, of which no pair can be made."""
    split = drawn_split(200)
    plan = stream_of(split, **options).plan(0)
    seen = np.zeros(split.num_tokens, np.int64)
    for start, length in zip(
        np.append(plan.a_start, plan.b_start), np.append(plan.a_length, plan.b_length), strict=True
    ):
        seen[start : start + length] += 1
    assert seen.max() == 1
    lost = np.flatnonzero(seen == 0)
    sizes = np.diff(split.sentence_offsets)[np.searchsorted(split.sentence_offsets, lost, side="right") - 1]
    assert (sizes == 1).all()


def test_a_lone_sentence_is_cut_anywhere(split_of: Make) -> None:
    split = split_of([[9]] * 4000)
    plan = stream_of(split, task="sentence_order").plan(0)
    assert plan.alone.all() and (plan.a_length + plan.b_length == 9).all()
    first = np.where(plan.pair_labels == 0, plan.a_length, plan.b_length)
    assert stats.chisquare(np.bincount(first, minlength=9)[1:]).pvalue > 1e-3
    assert stream_of(split_of([[1], [5]]), task="sentence_order").plan(0).num_pairs == 1


def test_albert_s_script_takes_a_random_partner_for_a_lone_sentence(split_of: Make) -> None:
    """google-research/ALBERT, `create_instances_from_document`: a chunk of one sentence, label 1."""
    split = split_of([[9]] * 50 + [[3, 3]] * 50)
    plan = stream_of(split, task="sentence_order", variant="google").plan(0)
    lone = plan.alone == 1
    assert lone.sum() == 50 and (plan.pair_labels[lone] == 1).all()
    assert (document_of(split, plan.a_start) != document_of(split, plan.b_start))[lone].mean() > 0.9
    assert (document_of(split, plan.a_start) == document_of(split, plan.b_start))[~lone].all()


def test_sentence_pairs_are_two_sentences(drawn_split: Make) -> None:
    """RoBERTa, section 4.2: each segment is one natural sentence; half of the partners are from elsewhere."""
    split = drawn_split(400)
    plan = stream_of(split, task="next_sentence", sentences=True).plan(0)
    for start, length in ((plan.a_start, plan.a_length), (plan.b_start, plan.b_length)):
        number = np.searchsorted(split.sentence_offsets, start, side="right") - 1
        assert (split.sentence_offsets[number] == start).all()
        assert (split.sentence_offsets[number + 1] == start + length).all()
    follows = plan.pair_labels == 0
    assert (plan.a_start + plan.a_length == plan.b_start)[follows].all()
    assert (document_of(split, plan.a_start) != document_of(split, plan.b_start))[~follows].all()
    free = plan.alone == 0
    assert stats.binomtest(int(plan.pair_labels[free].sum()), int(free.sum())).pvalue > 1e-3
    # as A or as true continuation every sentence stands once
    used = np.append(plan.a_start, plan.b_start[follows])
    assert np.sort(used).tolist() == split.sentence_offsets[:-1].tolist()


def test_no_labels_where_nothing_is_asked(drawn_split: Make) -> None:
    assert stream_of(drawn_split(20), task="none").sequences(0, 8).pair_labels is None
    assert stream_of(drawn_split(20), task="sentence_order").sequences(0, 8).pair_labels is not None
