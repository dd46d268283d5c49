"""Encoded documents to shards of bounded size, with what was counted and dropped on the way.

A shard is closed behind the document with which it reaches its size, and with its unit of the input, so where
shards begin and end depends on the documents alone.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from maskwright.corpus.encode import EXAMPLES, STATISTICS, Chunk
from maskwright.corpus.manifest import Dropped, ShardEntry, SplitCounts
from maskwright.corpus.shards import Array, Shard, shard_bytes
from maskwright.durable import write_file


class Finished(BaseModel):
    """What became of the documents of a unit that belong to one split: its shards, and an account.

    shards lie on disk when this is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shards: tuple[ShardEntry, ...] = ()
    counts: SplitCounts = SplitCounts()
    dropped: dict[str, Dropped] = {}
    unknown_examples: tuple[str, ...] = ()


class ShardWriter:
    """Writes the shards of one unit and split into `folder`, each as soon as `size` tokens are there."""

    def __init__(self, folder: Path, split: str, unit: int, size: int) -> None:
        self._folder, self._name, self._size = folder, f"{split}-{unit:05d}", size
        self._shards: list[ShardEntry] = []
        self._totals = np.zeros(len(STATISTICS), np.int64)
        self._documents = 0
        self._dropped: dict[str, Dropped] = {}
        self._unknown: dict[str, None] = {}
        self._parts: list[Chunk] = []
        self._tokens = 0

    def add(self, chunk: Chunk) -> None:
        """Take the documents of a chunk, writing as many shards as they fill."""
        ends = np.cumsum(chunk.statistics[:, STATISTICS.index("tokens")])
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            full = int(np.searchsorted(ends, self._size - self._tokens + before))
            last = min(full + 1, len(ends))
            self._take(_cut(chunk, first, last))
            self._tokens += int(ends[last - 1]) - before
            first = last
            if self._tokens >= self._size:
                self._write()

    def _take(self, chunk: Chunk) -> None:
        self._dropped = added(self._dropped, _dropped(chunk))
        for _, word in chunk.unknown:
            if len(self._unknown) >= EXAMPLES:
                break
            self._unknown[word] = None
        self._totals += chunk.statistics.sum(axis=0)
        self._documents += int((chunk.statistics[:, 0] > 0).sum())
        self._parts.append(chunk._replace(losses=[], unknown=[]))  # examples are few, parts may be many

    def close(self) -> Finished:
        """Write what is left; all that was written."""
        self._write()
        totals = dict(zip(STATISTICS, self._totals.tolist(), strict=True))
        return Finished(
            shards=tuple(self._shards),
            counts=SplitCounts(documents=self._documents, **totals),
            dropped=dict(sorted(self._dropped.items())),
            unknown_examples=tuple(self._unknown),
        )

    def _write(self) -> None:
        parts, tokens = self._parts, self._tokens
        self._parts, self._tokens = [], 0
        if not tokens:
            return
        statistics = np.concatenate([part.statistics for part in parts])
        counts = statistics[:, 0][statistics[:, 0] > 0]
        names = [name for part in parts for name in part.names]
        shard = Shard(
            token_ids=np.concatenate([part.token_ids for part in parts]),
            word_starts=np.concatenate([part.word_starts for part in parts]),
            sentence_offsets=_offsets(np.concatenate([part.lengths for part in parts])),
            document_offsets=_offsets(counts),
            names=[name for name, count in zip(names, statistics[:, 0].tolist(), strict=True) if count],
            text=[sentence for part in parts for sentence in part.text],
            file="",
        )
        self._shards.append(write_shard(self._folder / f"{self._name}-{len(self._shards):03d}.arrow", shard))


def write_shard(path: Path, shard: Shard) -> ShardEntry:
    """Write a shard durably; its entry in the manifest."""
    data: Any = memoryview(shard_bytes(shard))
    write_file(path, data)
    return ShardEntry(
        file=path.name,
        size=data.nbytes,
        sha256=hashlib.sha256(data).hexdigest(),
        documents=len(shard.document_offsets) - 1,
        sentences=len(shard.sentence_offsets) - 1,
        tokens=len(shard.token_ids),
    )


def added(one: dict[str, Dropped], other: dict[str, Dropped]) -> dict[str, Dropped]:
    """Two accounts of what was dropped, as one, the examples of the first in front."""
    total = dict(one)
    for reason, more in other.items():
        so_far = total.get(reason, Dropped())
        total[reason] = Dropped(
            count=so_far.count + more.count,
            characters=so_far.characters + more.characters,
            examples=(so_far.examples + more.examples)[:EXAMPLES],
        )
    return total


def _dropped(chunk: Chunk) -> dict[str, Dropped]:
    total: dict[str, Dropped] = {}
    for reason in dict.fromkeys(loss.reason for loss in chunk.losses):
        losses = [loss for loss in chunk.losses if loss.reason == reason]
        examples = tuple(loss.example for loss in losses[:EXAMPLES])
        total[reason] = Dropped(
            count=len(losses), characters=sum(loss.characters for loss in losses), examples=examples
        )
    return total


def _cut(chunk: Chunk, first: int, last: int) -> Chunk:
    """Documents [first, last) of a chunk."""
    if first == 0 and last == len(chunk.names):
        return chunk
    sentences, tokens = (_offsets(chunk.statistics[:, column])[[first, last]].tolist() for column in (0, 1))
    return Chunk(
        token_ids=chunk.token_ids[slice(*tokens)],
        word_starts=chunk.word_starts[slice(*tokens)],
        lengths=chunk.lengths[slice(*sentences)],
        text=chunk.text[slice(*sentences)],
        statistics=chunk.statistics[first:last],
        names=chunk.names[first:last],
        losses=[
            loss._replace(document=loss.document - first) for loss in chunk.losses if first <= loss.document < last
        ],
        unknown=[(document - first, word) for document, word in chunk.unknown if first <= document < last],
    )


def _offsets(lengths: Array) -> Array:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
