"""Masking = which units are hidden x how they are corrupted.

A unit is a group of rows that are hidden together: a token, or several, see `units`. `choose` draws units for
a whole flat batch at once and knows nothing of tokens; `corrupt` writes over rows and knows nothing of units.
Neither loops over tokens or sequences.

Rates and counts are BERT's (Devlin et al. 2019, arXiv 1810.04805, section 3.1; counts as in
`google-research/bert`, `create_pretraining_data.py`, `create_masked_lm_predictions`).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from maskwright.batch import Booleans, Integers, positions
from maskwright.draws import Words, mixed

Floats = npt.NDArray[np.float64]

LEAST_KEY_BITS = 20
"""Random bits that order the units of a sequence; fewer would let ties bias the choice."""

_OF_SEQUENCES = 1 << 32  # no stream of rows has this number


class Draws:
    """Where masks draw from: numbers that belong to an example, in whatever batch and place it comes.

    keys        (N,) uint64, one for each sequence; equal keys give equal draws
    cu_seqlens  (N+1,) the batch

    The bits are SplitMix64 (`draws.mixed`) of key, position and stream.
    """

    def __init__(self, keys: Words, cu_seqlens: Integers) -> None:
        place = positions(cu_seqlens).astype(np.uint64)
        self._keys = mixed(keys)
        self._base = np.repeat(self._keys, np.diff(cu_seqlens)) + place * np.uint64(0x9E3779B97F4A7C15)
        self._stream = 0

    def of_sequences(self) -> Floats:
        """(N,) one number in [0, 1) for each sequence, in a stream of its own."""
        stream = mixed(np.array([_OF_SEQUENCES], np.uint64))
        return (mixed(self._keys ^ stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self, rows: Integers) -> Floats:
        """One number in [0, 1) for each of these rows of the flat batch; each call is a new stream."""
        self._stream += 1
        stream = mixed(np.array([self._stream], np.uint64))
        return (mixed(self._base[rows] ^ stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


Rounding = Literal["nearest", "up", "drawn"]
"""nearest: halves go to the even neighbour (BERT, ALBERT); up (SpanBERT); drawn: up with the fraction's probability."""


def mask_counts(
    lengths: Integers,
    rate: float,
    max_predictions: int | None = None,
    rounding: Rounding = "nearest",
    uniform: Floats | None = None,
) -> Integers:
    """How many tokens of each sequence to hide: rate times its length, at least 1.

    lengths   (N,) tokens of each sequence, specials included (in SpanBERT without)
    rounding  nearest: as Python's `round` in the original does; up; drawn, by `uniform` (N,) in [0, 1)

    >>> mask_counts(np.array([3, 30, 50, 128]), 0.15).tolist()
    [1, 4, 8, 19]
    """
    wanted = lengths * rate
    if rounding == "drawn":
        assert uniform is not None, "drawn counts need draws"
        wanted = np.floor(wanted + uniform)
    counts = np.maximum((np.ceil(wanted) if rounding == "up" else np.rint(wanted)).astype(np.int64), 1)
    return counts if max_predictions is None else np.minimum(counts, max_predictions)


def choose(unit_sequences: Integers, counts: Integers, uniform: Floats) -> Integers:
    """Units drawn without replacement, `counts[n]` of the units of sequence n, or all if there are fewer.

    unit_sequences  (U,) ascending, the sequence each unit lies in
    counts          (N,) units wanted of each sequence
    uniform         (U,) draws in [0, 1); the units with the lowest are taken
    returns         the numbers of the chosen units, ascending
    """
    order = ordered(unit_sequences, uniform, len(counts))
    units = np.bincount(unit_sequences, minlength=len(counts))
    taken = np.minimum(counts, units)
    skipped = (np.cumsum(units) - units) - (np.cumsum(taken) - taken)
    chosen = order[np.arange(int(taken.sum())) + np.repeat(skipped, taken)]
    chosen.sort()
    return chosen


def ordered(unit_sequences: Integers, uniform: Floats, sequences: int) -> Integers:
    """The numbers of the units, sequence by sequence, by their draws in each: a random order.

    unit_sequences  (U,) ascending, the sequence each unit lies in
    uniform         (U,) draws in [0, 1)
    """
    # Sequence, draw and unit packed in one word: sorting words is many times faster than sorting by keys.
    unit_bits, sequence_bits = len(unit_sequences).bit_length(), max(sequences.bit_length(), 1)
    key_bits = 64 - unit_bits - sequence_bits
    if key_bits < LEAST_KEY_BITS:
        raise ValueError(f"{len(unit_sequences)} units of {sequences} sequences are too many for one micro-batch")
    words = (uniform * 2.0**key_bits).astype(np.uint64) << np.uint64(unit_bits)
    words |= unit_sequences.astype(np.uint64) << np.uint64(64 - sequence_bits)
    words |= np.arange(len(words), dtype=np.uint64)
    words.sort()
    return (words & np.uint64((1 << unit_bits) - 1)).astype(np.int64)


def candidates(special: Booleans, cu_seqlens: Integers, *, mask_specials: bool = False) -> tuple[Integers, Integers]:
    """Rows that may be hidden, ascending, and the sequence of each; specials only if asked for (RoBERTa)."""
    sequence = np.repeat(np.arange(len(cu_seqlens) - 1), np.diff(cu_seqlens))
    if mask_specials:
        return np.arange(len(special)), sequence
    rows = np.flatnonzero(~special)
    return rows, sequence[rows]


def corrupt(
    token_ids: Integers,
    rows: Integers,
    draws: Draws,
    *,
    mask_id: int,
    random_ids: int | Integers,
    masked: float = 0.8,
    randomized: float = 0.1,
    deciding: Integers | None = None,
) -> Integers:
    """A copy of token_ids (T,) in which each of `rows` is masked, randomized, or kept, independently.

    masked      how often a row becomes mask_id
    randomized  how often it becomes a random token, which may be the one that was there; else it is kept
    random_ids  a vocabulary size: any id, special tokens included, as in the original; or the ids to draw from
    deciding    (M,) the row whose draw decides, where rows share their fate; None: each decides for itself
    """
    corrupted = token_ids.copy()
    fate = draws.uniform(rows if deciding is None else deciding)
    corrupted[rows[fate < masked]] = mask_id
    replaced = rows[(fate >= masked) & (fate < masked + randomized)]
    size = random_ids if isinstance(random_ids, int) else len(random_ids)
    drawn = (draws.uniform(replaced) * size).astype(np.int64)
    corrupted[replaced] = drawn if isinstance(random_ids, int) else random_ids[drawn]
    return corrupted
