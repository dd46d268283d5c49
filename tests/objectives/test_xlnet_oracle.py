"""Google's script for XLNet as our oracle, if MASKWRIGHT_GOOGLE_XLNET names a clone of zihangdai/xlnet.

The script is imported with TensorFlow and SentencePiece stubbed out; nothing of it is kept here.
"""

import importlib.util
import os
import random
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import pytest
from scipy import stats

from maskwright.corpus.read import Split
from maskwright.objectives.lane_pairs import lay_out
from maskwright.objectives.lanes import Lanes
from maskwright.objectives.permutation import sample_targets
from tests.objectives.test_permutation import drawn_text, run_lengths

SCRIPT = Path(os.environ.get("MASKWRIGHT_GOOGLE_XLNET", "/nowhere")) / "data_utils.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPT.is_file(), reason="MASKWRIGHT_GOOGLE_XLNET names no clone of zihangdai/xlnet"),
]


@pytest.fixture(scope="module")
def script() -> Any:
    stubs = ("tensorflow", "absl", "absl.logging", "prepro_utils", "sentencepiece")
    spec = importlib.util.spec_from_file_location("google_xlnet_data_utils", SCRIPT)
    assert spec and spec.loader
    made: Any = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {name: MagicMock() for name in stubs if name not in sys.modules}):
        spec.loader.exec_module(made)  # TensorBoard wants the real absl later
    made.FLAGS = MagicMock(mask_alpha=6, mask_beta=1)
    return made


def test_targets(script: Any) -> None:
    """How many, where, and in runs of how many: 3,000 stretches of each, forwards and backwards."""
    starts, special = drawn_text(3000, 60, pieces=0.4)
    pieces = MagicMock(IdToPiece=lambda i: "▁x" if i else "x")
    for reverse in (False, True):
        np.random.seed(1)  # noqa: NPY002 (the script draws from it)
        way = slice(None, None, -1) if reverse else slice(None)
        theirs = np.stack(
            [
                script._sample_mask(pieces, row.astype(np.int64)[way], reverse=reverse, goal_num_predict=10)[way]
                for row in starts
            ]
        )
        ours = sample_targets(starts, special, 10, np.random.default_rng(2), variant="google")
        theirs &= ~special
        for by in (lambda t: t.sum(0), run_lengths, lambda t: np.bincount(t.sum(1), minlength=12)):
            table = np.stack([by(ours), by(theirs)])
            table = table[:, table.sum(0) > 20]
            assert table.shape[1] < 2 or stats.chi2_contingency(table).pvalue > 1e-3


def test_segments(script: Any) -> None:
    """How long A is: 3,000 drawings of each, at several places of one text."""
    script.tf = MagicMock()
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 15, 400)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.arange(100, 100 + offsets[-1])
    sentences = np.repeat(np.arange(400) % 2 == 1, lengths)
    split = Split.from_arrays(ids, np.ones(len(ids)), offsets, np.array([0, 400]))
    random.seed(4)
    for step in (0, 5, 11):
        lanes = Lanes(split, lanes=1, length=20, seed=0)
        theirs, ours = np.zeros(32, np.int64), np.zeros(32, np.int64)
        for draw in range(3000):
            found = script._split_a_and_b(ids, sentences, (step + 1) * 20, 30, extend_target=True)
            theirs[len(found[0])] += found is not None
            laid = lay_out(lanes, [step], 53, [np.random.default_rng(draw)], cls_id=3, sep_id=4)
            ours[np.flatnonzero(laid.token_ids[0] == 4)[0] - 20] += 1
        table = np.stack([ours, theirs])
        table = table[:, table.sum(0) > 20]
        assert stats.chi2_contingency(table).pvalue > 1e-3, (step, table)
