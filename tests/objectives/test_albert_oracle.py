"""Google's script for ALBERT as our oracle, if MASKWRIGHT_GOOGLE_ALBERT names a clone of google-research/albert.

The script is imported with its TensorFlow and tokenizer stubbed out; nothing of it is kept here.
"""

import importlib.util
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import MagicMock, patch

import numpy as np
import pytest
from scipy import stats

from maskwright.corpus.read import Split
from maskwright.draws import words
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream
from maskwright.objectives.units import ngrams
from tests.objectives.test_google_oracle import assert_same, tokens_of

SCRIPT = Path(os.environ.get("MASKWRIGHT_GOOGLE_ALBERT", "/nowhere")) / "create_pretraining_data.py"
CLS, SEP, MASK, VOCABULARY = 2, 3, 4, 1000
MAX_LENGTH, PASSES = 64, 6

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SCRIPT.is_file(), reason="MASKWRIGHT_GOOGLE_ALBERT names no clone of google-research/albert"
    ),
]


class Made(NamedTuple):
    """What can be measured of a set of pairs. `runs`: lengths of stretches of hidden tokens, [SEP] ending one."""

    a: np.ndarray
    b: np.ndarray
    swapped: np.ndarray
    predicted: np.ndarray
    runs: np.ndarray


def by_google(split: Split) -> Made:
    names = "tensorflow", "tensorflow.compat", "tensorflow.compat.v1", "albert", "albert.tokenization", "six"
    stubs = {name: MagicMock() for name in names} | {"six.moves": MagicMock(range=range)}
    spec = importlib.util.spec_from_file_location("google_albert_pretraining_data", SCRIPT)
    assert spec and spec.loader
    script: Any = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {name: stub for name, stub in stubs.items() if name not in sys.modules}):
        spec.loader.exec_module(script)
    script.FLAGS = MagicMock(
        do_whole_word_mask=True, ngram=3, favor_shorter_ngram=True, random_next_sentence=False, spm_model_file="",
        do_permutation=False,
    )  # fmt: skip
    script.is_start_piece = lambda piece: True  # every token a word, here and there
    documents, draw = tokens_of(split), random.Random(1)
    np.random.seed(1)  # noqa: NPY002 - the script draws from it
    vocabulary = [f"t{token}" for token in range(VOCABULARY)]
    made = [
        instance
        for _ in range(PASSES)
        for document in range(len(documents))
        for instance in script.create_instances_from_document(
            documents, document, MAX_LENGTH, 0.1, 0.15, 20, vocabulary, draw
        )
    ]
    return Made(
        np.array([instance.segment_ids.count(0) - 2 for instance in made]),
        np.array([instance.segment_ids.count(1) - 1 for instance in made]),
        np.array([instance.is_random_next for instance in made]),
        np.array([len(instance.masked_lm_positions) for instance in made]),
        np.concatenate([stretches(instance.masked_lm_positions) for instance in made]),
    )


def by_ours(split: Split) -> Made:
    layout = SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=MAX_LENGTH, task="sentence_order", variant="google")
    pairs = Stream(split, layout, seed=4)
    size = sum(pairs.epoch_sequences(epoch) for epoch in range(PASSES))
    sequences = pairs.sequences(0, size)
    assert sequences.pair_labels is not None and sequences.word_ids is not None
    batch = mask_sequences(
        sequences, words(size, 4, "masks"), mask_id=MASK, random_ids=VOCABULARY, units=ngrams(3), max_predictions=20
    )
    assert batch.predict_rows is not None
    rows = batch.predict_rows.numpy()
    of = np.searchsorted(sequences.cu_seqlens, rows, side="right") - 1
    b = np.add.reduceat(sequences.token_type_ids, sequences.cu_seqlens[:-1]) - 1
    return Made(
        sequences.lengths - b - 3,
        b,
        sequences.pair_labels == 1,
        np.bincount(of, minlength=size),
        np.concatenate([stretches(part) for part in np.split(rows, np.flatnonzero(np.diff(of)) + 1)]),
    )


def stretches(rows: Any) -> np.ndarray:
    rows = np.asarray(rows)
    return np.diff(np.flatnonzero(np.concatenate([[True], np.diff(rows) != 1, [True]])))


@pytest.fixture(scope="module")
def both(split_of: Callable[..., Split]) -> tuple[Made, Made]:
    """Documents of 1 to 60 sentences of 1 to 40 tokens, every token a word."""
    rng = np.random.default_rng(0)
    drawn = split_of([rng.integers(1, 41, rng.integers(1, 61)).tolist() for _ in range(300)])
    shard = drawn.shards[0]
    split = Split.from_arrays(
        shard.token_ids, np.ones(len(shard.token_ids), np.uint8), drawn.sentence_offsets, drawn.document_offsets
    )
    made = by_google(split), by_ours(split)
    for name, each in zip(("google", "ours"), made, strict=True):
        print(
            f"{name}: {len(each.a)} pairs, label 1 {each.swapped.mean():.4f}, A {each.a.mean():.2f}, "
            f"B {each.b.mean():.2f}, "
            f"predicted {each.predicted.mean():.3f}, runs {np.bincount(each.runs, minlength=7)[1:7] / len(each.runs)}"
        )
    return made


@pytest.mark.parametrize("what", ["a", "b", "predicted"])
def test_same_distribution(both: tuple[Made, Made], what: str) -> None:
    assert len(both[0].a) > 10_000 and len(both[1].a) == pytest.approx(len(both[0].a), rel=0.02)
    assert_same(getattr(both[0], what), getattr(both[1], what))


def test_runs_of_hidden_tokens_are_alike(both: tuple[Made, Made]) -> None:
    """But for n-grams over [SEP], which fall apart into two runs there and do not exist here: a few in a thousand."""
    shares = [np.bincount(np.minimum(made.runs, 8), minlength=9)[1:] / len(made.runs) for made in both]
    assert np.abs(shares[0] - shares[1]).max() < 0.01


def test_same_share_of_swapped_segments(both: tuple[Made, Made]) -> None:
    table = [[made.swapped.sum(), (~made.swapped).sum()] for made in both]
    assert stats.chi2_contingency(table).pvalue > 1e-3
