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

from maskwright.corpus.spool import read_facts
from maskwright.text.cleaning.cleaner import CleaningConfig
from maskwright.text.cleaning.duplicates import duplicates
from maskwright.text.cleaning.near_duplicates import near_duplicates

COUNTED = 2**24  # documents whose hashes are compared with each other
TRAIN, HELD_OUT, DUPLICATE, NEAR_DUPLICATE = range(4)
Split = Literal["train", "held-out"]
SPLITS: tuple[Split, ...] = ("train", "held-out")

Fates = npt.NDArray[np.uint8]


class Chosen(NamedTuple):
    """What was decided.

    fates       (documents,) uint8 of all units one after the other: TRAIN, HELD_OUT, DUPLICATE or NEAR_DUPLICATE
    bounds      (units + 1,) where each unit's documents begin and end
    duplicates  documents that are kept though their text stood before; None when there were too many to tell
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


def choose(spools: Sequence[Path], *, held_out: float, cleaning: CleaningConfig) -> Chosen:
    """Decide over the documents of all units, in order.

    held_out   share of the documents kept aside, those that stay out not counted
    cleaning   says which duplicates stay out
    """
    units = [read_facts(spool) for spool in spools]
    bounds = np.concatenate([[0], np.cumsum([len(unit.side) for unit in units])]).astype(np.int64)
    side = np.concatenate([np.zeros(0, np.uint64), *(unit.side for unit in units)])
    place = np.concatenate([np.zeros(0, np.uint64), *(unit.place for unit in units)])
    hashes = np.stack([side, place], axis=1)
    fates = np.zeros(len(side), np.uint8)
    if digests := [unit.digests for unit in units if unit.digests is not None]:
        fates[duplicates(np.concatenate(digests))] = DUPLICATE
    if signatures := [unit.signatures for unit in units if unit.signatures is not None]:
        kept = np.flatnonzero(fates == TRAIN)
        near = near_duplicates(
            np.concatenate(signatures)[kept],
            cleaning.near_threshold,
            bands=cleaning.near_bands,
            rows=cleaning.near_rows,
        )
        fates[kept[near]] = NEAR_DUPLICATE
    kept = fates == TRAIN
    fates[kept & _held_out(side, kept, held_out)] = HELD_OUT
    return Chosen(
        fates=fates,
        bounds=bounds,
        characters=sum(int(unit.characters.sum(dtype=np.int64)) for unit in units),
        duplicates=int(duplicates(hashes[kept]).sum()) if len(side) <= COUNTED else None,
        digest=hashlib.blake2b(hashes.tobytes(), digest_size=16).hexdigest(),
    )


def _held_out(side: npt.NDArray[np.uint64], kept: npt.NDArray[np.bool_], share: float) -> npt.NDArray[np.bool_]:
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
