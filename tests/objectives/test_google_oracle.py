"""Google's own script as the oracle of ours, if MASKWRIGHT_GOOGLE_BERT names a clone of google-research/bert.

The script is imported with its TensorFlow and tokenizer stubbed out; nothing of it is kept here.
"""

import importlib.util
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
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

SCRIPT = Path(os.environ.get("MASKWRIGHT_GOOGLE_BERT", "/nowhere")) / "create_pretraining_data.py"
CLS, SEP, MASK, VOCABULARY = 2, 3, 4, 1000
MAX_LENGTH, PASSES = 64, 6

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPT.is_file(), reason="MASKWRIGHT_GOOGLE_BERT names no clone of google-research/bert"),
]


class Made(NamedTuple):
    """What can be measured of a set of pairs."""

    a: np.ndarray
    b: np.ndarray
    random_next: np.ndarray
    predicted: np.ndarray
    fates: np.ndarray  # counts of masked, kept, randomized

    @property
    def lengths(self) -> np.ndarray:
        return self.a + self.b + 3


def load_script() -> ModuleType:
    stubs = ("tensorflow", "tokenization")
    spec = importlib.util.spec_from_file_location("google_create_pretraining_data", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {name: MagicMock() for name in stubs if name not in sys.modules}):
        spec.loader.exec_module(module)
    return module


def tokens_of(split: Split) -> list[list[list[str]]]:
    """Documents of sentences of tokens: each token named by its id, as the vocabulary has it."""
    bounds = zip(split.document_offsets[:-1], split.document_offsets[1:], strict=True)
    return [[[f"t{token}" for token in split.sentence(s)] for s in range(a, b)] for a, b in bounds]


def by_google(split: Split, script: Any) -> Made:
    documents, draw = tokens_of(split), random.Random(1)
    vocabulary = [f"t{token}" for token in range(VOCABULARY)]
    made = [
        instance
        for _ in range(PASSES)
        for document in range(len(documents))
        for instance in script.create_instances_from_document(
            documents, document, MAX_LENGTH, 0.1, 0.15, 20, vocabulary, draw
        )
    ]
    fates = np.zeros(3, np.int64)
    for instance in made:
        for place, label in zip(instance.masked_lm_positions, instance.masked_lm_labels, strict=True):
            token = instance.tokens[place]
            fates[0 if token == "[MASK]" else 1 if token == label else 2] += 1
    return Made(
        np.array([instance.segment_ids.count(0) - 2 for instance in made]),
        np.array([instance.segment_ids.count(1) - 1 for instance in made]),
        np.array([instance.is_random_next for instance in made]),
        np.array([len(instance.masked_lm_positions) for instance in made]),
        fates,
    )


def by_ours(split: Split) -> Made:
    pairs = Stream(split, SegmentPairs(cls_id=CLS, sep_id=SEP, max_length=MAX_LENGTH, variant="google"), seed=4)
    sizes = sum(pairs.epoch_sequences(epoch) for epoch in range(PASSES))
    sequences = pairs.sequences(0, sizes)
    assert sequences.pair_labels is not None
    batch = mask_sequences(sequences, words(sizes, 4, "masks"), mask_id=MASK, random_ids=VOCABULARY, max_predictions=20)
    assert batch.predict_rows is not None and batch.predict_ids is not None
    rows, old = batch.predict_rows.numpy(), batch.predict_ids.numpy()
    got = batch.token_ids.numpy()[rows]
    b = np.add.reduceat(sequences.token_type_ids, sequences.cu_seqlens[:-1]) - 1
    predicted = np.bincount(np.searchsorted(sequences.cu_seqlens, rows, side="right") - 1)
    masked, kept = int((got == MASK).sum()), int((got == old).sum())
    return Made(
        sequences.lengths - b - 3,
        b,
        sequences.pair_labels == 1,
        predicted,
        np.array([masked, kept, len(rows) - masked - kept]),
    )


@pytest.fixture(scope="module")
def both(drawn_split: Callable[..., Split]) -> tuple[Made, Made]:
    split = drawn_split(300, sentences=60, tokens=40)
    made = by_google(split, load_script()), by_ours(split)
    for name, each in zip(("google", "ours"), made, strict=True):
        print(
            f"{name}: {len(each.a)} pairs, random next {each.random_next.mean():.4f}, "
            f"mean length {each.lengths.mean():.2f}, A {each.a.mean():.2f}, B {each.b.mean():.2f}, "
            f"predicted {each.predicted.sum() / each.lengths.sum():.4f}, "
            f"masked/kept/random {' '.join(f'{share:.4f}' for share in each.fates / each.fates.sum())}"
        )
    return made


def assert_same(first: np.ndarray, second: np.ndarray) -> None:
    """Two samples of small integers are of one distribution. Pairs of a document share their target and so
    are not independent; the band is wider than that of independent ones for it."""
    low, high = int(min(first.min(), second.min())), int(max(first.max(), second.max()))
    shares = [np.bincount(each - low, minlength=high - low + 1).cumsum() / len(each) for each in (first, second)]
    assert np.abs(shares[0] - shares[1]).max() < 3 * (1 / len(first) + 1 / len(second)) ** 0.5


def test_as_many_pairs(both: tuple[Made, Made]) -> None:
    assert len(both[0].a) > 20_000
    assert len(both[1].a) == pytest.approx(len(both[0].a), rel=0.02)


@pytest.mark.parametrize("what", ["a", "b", "lengths", "predicted"])
def test_same_distribution(both: tuple[Made, Made], what: str) -> None:
    assert_same(getattr(both[0], what), getattr(both[1], what))


@pytest.mark.parametrize("label", [False, True])
def test_same_lengths_for_each_label(both: tuple[Made, Made], label: bool) -> None:
    assert_same(*(made.lengths[made.random_next == label] for made in both))


def test_same_share_of_random_nexts(both: tuple[Made, Made]) -> None:
    table = [[made.random_next.sum(), (~made.random_next).sum()] for made in both]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_same_fates(both: tuple[Made, Made]) -> None:
    assert stats.chi2_contingency([made.fates for made in both]).pvalue > 1e-3
