"""Documents that are nearly there twice: found among MinHash signatures by bands (Leskovec et al., *Mining of Massive
Datasets*, chapter 3).

A signature is cut into bands of a few rows. Documents that agree in a whole band are candidates: with a similarity s
they are with the probability 1 - (1 - s^rows)^bands, 99.8 % at s = 0.8 for 20 bands of 6 rows, 0.1 % at s = 0.2.
Candidates whose signatures agree in a share of `threshold` of their places are near duplicates. Near duplicates of
near duplicates form one group, of which the first in the order of the documents stays.

In each band a candidate is compared with the first document of its bucket and with the one before it, not with all of
them: the work grows as the documents do, even where half of them are the same page. Beside the signatures this takes
less than a hundred bytes a document. The outcome depends on the signatures and their order alone.
"""

import math

import numpy as np
import numpy.typing as npt

from maskwright.draws import mixed
from maskwright.errors import BadInput
from maskwright.text.cleaning.minhash import EMPTY, Signature
from maskwright.text.cleaning.ngrams import Hashes

Indices = npt.NDArray[np.int64]

BANDS, ROWS = 20, 6
_BLOCK = 2**14  # pairs of signatures compared at a time


def near_duplicates(
    signatures: Signature, threshold: float = 0.8, *, bands: int = BANDS, rows: int = ROWS
) -> npt.NDArray[np.bool_]:
    """Which documents to drop, (D,): those that are like an earlier one.

    signatures  (D, bands x rows), in the order of the documents; a memory-mapped file will do
    threshold   share of equal places from which two documents are near duplicates
    Raises BadInput for a threshold outside 0 to 1 and for signatures of another length.
    """
    if not 0 <= threshold <= 1:
        raise BadInput(f"near-duplicate threshold is {threshold}: give a share from 0 to 1")
    if signatures.ndim != 2 or signatures.shape[1] != bands * rows:
        raise BadInput(
            f"signatures of shape {signatures.shape} are not of {bands} bands of {rows} rows: make them with "
            f"{bands * rows} permutations"
        )
    group = np.arange(len(signatures))
    for band in range(bands):
        first, second = _candidates(signatures[:, band * rows : (band + 1) * rows])
        apart = group[first] != group[second]
        first, second = first[apart], second[apart]
        alike = _alike(signatures, first, second, threshold)
        group = _joined(group, first[alike], second[alike])
    return group != np.arange(len(signatures))


def _candidates(band: Signature) -> tuple[Indices, Indices]:
    """Pairs of documents that agree in the band: each with the first of its bucket, and with the one before it."""
    keys = _keys(band)
    order = np.argsort(keys, kind="stable")  # in a bucket, documents stay in their order
    ordered = keys[order]
    begins = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    starts = np.flatnonzero(begins)
    firsts = order[np.repeat(starts, np.diff(starts, append=len(ordered)))]
    followers = np.flatnonzero(~begins & (band[order, 0] != EMPTY))
    second = order[followers]
    return np.concatenate([firsts[followers], order[followers - 1]]), np.concatenate([second, second])


def _keys(band: Signature) -> Hashes:
    """A hash for each row of a band."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = mixed(keys ^ column)
    return keys


def _alike(signatures: Signature, first: Indices, second: Indices, threshold: float) -> npt.NDArray[np.bool_]:
    """Which pairs agree in a share of `threshold` of their places."""
    needed = math.ceil(threshold * signatures.shape[1] - 1e-9)
    alike = np.zeros(len(first), dtype=np.bool_)
    for begin in range(0, len(first), _BLOCK):
        pairs = slice(begin, begin + _BLOCK)
        alike[pairs] = (signatures[first[pairs]] == signatures[second[pairs]]).sum(axis=1) >= needed
    return alike


def _joined(group: Indices, first: Indices, second: Indices) -> Indices:
    """The groups after joining each `first` to its `second`; a group's name is the least index in it.

    >>> _joined(np.arange(5), np.array([1, 3]), np.array([3, 4])).tolist()
    [0, 1, 2, 1, 1]
    """
    while True:
        joined = group.copy()
        least = np.minimum(group[first], group[second])
        np.minimum.at(joined, group[first], least)
        np.minimum.at(joined, group[second], least)
        while not np.array_equal(joined, shorter := joined[joined]):
            joined = shorter
        if np.array_equal(joined, group):
            return group
        group = joined
