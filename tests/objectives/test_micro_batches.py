"""A step in parts: what is made alone is what the whole step has there, packed or not."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.batch import Batch
from maskwright.corpus.read import Split
from maskwright.objectives.examples import Layout
from maskwright.objectives.language_stream import LanguageStream
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.running_text import RunningText
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream
from maskwright.objectives.translation import TranslationPairs
from maskwright.recipes import module_of
from tests.recipes.masked import MASKED
from tests.recipes.test_family import corpus_for, tiny

Make = Callable[..., Split]
CLS, SEP = 2, 3
LAYOUTS: list[Layout[Any]] = [
    SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=40),
    SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=40, task="sentence_order", sentences=True),
    PackedSentences(cls_id=CLS, sep_id=SEP, max_length=40, across_documents=True),
    PackedSentences(cls_id=CLS, sep_id=SEP, max_length=40, across_documents=False),
    RunningText(separator=SEP, max_length=40),
    RunningText(separator=None, max_length=40),
    LanguageStream(cls_id=CLS, sep_id=SEP, language=1, max_length=40),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lengths_are_known_before_anything_is_laid_out(drawn_split: Make, layout: Layout[Any]) -> None:
    split = drawn_split(50)
    plan = layout.plan(split, np.arange(50), np.random.default_rng(0))
    assert (layout.lengths(plan, split) == layout.lay_out(split, plan).lengths).all()


def test_lengths_of_translations(split_of: Make) -> None:
    split = split_of([np.random.default_rng(n).integers(1, 12, 8).tolist() for n in range(20)], 0)
    layout = TranslationPairs(cls_id=CLS, sep_id=SEP, max_length=20)
    plan = layout.plan(split, np.arange(20), np.random.default_rng(0))
    assert (layout.lengths(plan, split) == layout.lay_out(split, plan).lengths).all() and len(plan.pair)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_example_comes_once_an_epoch_in_packed_rows(drawn_split: Make, layout: Layout[Any]) -> None:
    split = drawn_split(200)
    stream = Stream(split, layout, seed=3, row_tokens=400)
    rows = stream.epoch_sequences(0)
    examples = stream.examples(0, rows)
    assert examples.rows is not None and len(examples.rows) == rows + 1
    plan = stream.plan(0)
    ((_, shown),) = examples.parts
    assert sorted(map(tuple, np.stack(shown[:2], 1).tolist())) == sorted(map(tuple, np.stack(plan[:2], 1).tolist()))
    filled = np.add.reduceat(examples.lengths, examples.rows[:-1])
    assert filled.max() <= 400 and filled[:-1].mean() > 0.96 * 400
    # two steps have the rows of one that is twice as large
    halves = [stream.examples(step, 3) for step in (4, 5)]
    joined = stream.examples(2, 6)
    assert np.concatenate([half.lengths for half in halves]).tolist() == joined.lengths.tolist()
    assert np.concatenate([half.keys for half in halves]).tolist() == joined.keys.tolist()


def equal(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Batch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", [*MASKED, "gpt"])
def test_a_part_is_what_the_whole_has_there(name: str, packed: bool) -> None:
    rows = {"training.batch_tokens": 400, "training.micro_tokens": 100} if packed else {}
    examples = module_of(name).data(tiny(name, **rows), corpus_for(name))
    for step in (0, 5):
        whole = examples.batches(step)
        assert examples.number(step) == len(whole)
        for first in range(len(whole)):
            for end in range(first, len(whole) + 1):
                part = examples.part(step, range(first, end))
                assert all(map(equal, part, whole[first:end])) and len(part) == end - first
        if packed:
            assert len(whole) == 4 and all(batch.num_tokens <= 100 for batch in whole)
