"""Which documents are trained on, which are held out, and which stay out: decided once everything was read.

A document's side is decided by a hash of its content and the seed, so that order and number of processes do not
matter and equal documents always fall on the same side. The smallest hashes are held out, as many as the share asks
for; of more than `COUNTED` documents, those below share x 2^64.

All that is looked at of a document is some numbers; 16 bytes of each are in memory at a time, and its signature where
near duplicates are looked for.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.corpus.spool import Facts, read_facts

COUNTED = 2**24  # documents whose hashes are compared with each other
TRAIN, HELD_OUT, DUPLICATE, NEAR_DUPLICATE = range(4)
Split = Literal["train", "held-out"]
SPLITS: tuple[Split, ...] = ("train", "held-out")

Fates = npt.NDArray[np.uint8]


class Chosen(NamedTuple):
    """What was decided.

    fates       (documents,) uint8 of all units one after the other: TRAIN, HELD_OUT, DUPLICATE or NEAR_DUPLICATE
    bounds      (units + 1,) where each unit's documents begin and end
    duplicates  documents whose text stood before; None when there were too many to tell
    digest      of all documents in order: changes with any character of the text
    """

    fates: Fates
    bounds: npt.NDArray[np.int64]
    characters: int
    duplicates: int | None
    digest: str


def document_hash(sentences: Sequence[str], seed: int) -> tuple[int, int]:
    """Two independent 64-bit numbers for the text of a document: its side, and its place in samples.

    >>> one, same = document_hash(("a", "b"), 0), document_hash(("a", "b"), 0)
    >>> one == same, one == document_hash(("a", "b"), 1)
    (True, False)
    """
    text = "\n".join(sentences).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=16, key=str(seed).encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def choose(
    spools: Sequence[Path], *, held_out: float, drop_duplicates: bool = False, near_duplicates: float | None = None
) -> Chosen:
    """Decide over the documents of all units, in order.

    held_out         share of the documents kept aside, those that stay out not counted
    drop_duplicates  keep only the first of documents with the same text
    near_duplicates  keep only the first of documents that are at least so alike (Jaccard, 0 to 1); None: do not look
    """
    units = [read_facts(spool) for spool in spools]
    bounds = np.concatenate([[0], np.cumsum([len(unit.side) for unit in units])]).astype(np.int64)
    side = np.concatenate([np.zeros(0, np.uint64), *(unit.side for unit in units)])
    place = np.concatenate([np.zeros(0, np.uint64), *(unit.place for unit in units)])
    fates = np.zeros(len(side), np.uint8)
    repeated = None
    if len(side) <= COUNTED or drop_duplicates:
        again = _stood_before(side, place)
        repeated = int(again.sum())
        if drop_duplicates:
            fates[again] = DUPLICATE
    if near_duplicates is not None:
        fates[_nearly_stood_before(units, near_duplicates) & (fates == TRAIN)] = NEAR_DUPLICATE
    kept = fates == TRAIN
    fates[kept & _held_out(side, kept, held_out)] = HELD_OUT
    return Chosen(
        fates=fates,
        bounds=bounds,
        characters=sum(int(unit.characters.sum(dtype=np.int64)) for unit in units),
        duplicates=repeated,
        digest=hashlib.blake2b(np.stack([side, place], axis=1).tobytes(), digest_size=16).hexdigest(),
    )


def _stood_before(side: npt.NDArray[np.uint64], place: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which documents have the hashes of an earlier one.

    >>> _stood_before(np.array([5, 7, 5, 5], np.uint64), np.array([1, 1, 1, 2], np.uint64)).tolist()
    [False, False, True, False]
    """
    order = np.lexsort((place, side))  # stable: equal ones stay in the order of the text
    equal = (side[order][1:] == side[order][:-1]) & (place[order][1:] == place[order][:-1])
    again = np.zeros(len(side), np.bool_)
    again[order[1:][equal]] = True
    return again


def _nearly_stood_before(units: list[Facts], threshold: float) -> npt.NDArray[np.bool_]:
    from maskwright.text.cleaning.near_duplicates import near_duplicates

    signatures = [unit.signatures for unit in units if unit.signatures is not None]
    return near_duplicates(np.concatenate(signatures), threshold)


def _held_out(
    side: npt.NDArray[np.uint64], kept: npt.NDArray[np.bool_], share: float
) -> npt.NDArray[np.bool_]:
    """The share of the documents that are kept, by their hashes; at least one on each side where there are two."""
    if not share:
        return np.zeros(len(side), np.bool_)
    if len(side) > COUNTED:
        return side < np.uint64(int(share * 2**64))
    distinct = np.unique(side[kept])
    if len(distinct) < 2:
        return np.zeros(len(side), np.bool_)
    wanted = min(max(1, round(share * len(distinct))), len(distinct) - 1)
    return side <= distinct[wanted - 1]
