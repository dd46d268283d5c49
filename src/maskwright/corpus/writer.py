"""Encoded documents to shards of bounded size, with what was counted and dropped on the way.

A shard is closed behind the document with which it reaches its size, so where shards begin and end
depends on the documents alone.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from maskwright.corpus.encode import EXAMPLES, STATISTICS, Chunk
from maskwright.corpus.manifest import Dropped, ShardEntry, SplitCounts
from maskwright.corpus.shards import Array, Shard, shard_bytes
from maskwright.durable import write_file


class Finished(BaseModel):
    """A shard that lies on disk, or the tail of a split that gave none, and what went into it.

    through  documents of the split that are dealt with, up to and including this part
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str
    through: int
    shard: ShardEntry | None
    counts: SplitCounts
    dropped: dict[str, Dropped]
    unknown_examples: tuple[str, ...]


class ShardWriter:
    """Writes the shards of one split into `folder`, calling `finished` after each is durable."""

    def __init__(
        self, folder: Path, split: str, *, number: int, through: int, size: int, finished: Callable[[Finished], None]
    ) -> None:
        self._folder, self._split, self._size = folder, split, size
        self._number, self._through = number, through
        self._finished = finished
        self._clear()

    def _clear(self) -> None:
        self._parts: list[Chunk] = []
        self._tokens = 0
        self._dropped: dict[str, Dropped] = {}
        self._unknown: dict[str, None] = {}

    def add(self, chunk: Chunk) -> None:
        """Take the documents of a chunk, closing as many shards as they fill."""
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
                self.close()

    def _take(self, chunk: Chunk) -> None:
        self._dropped = added(self._dropped, _dropped(chunk))
        for _, word in chunk.unknown:
            if len(self._unknown) >= EXAMPLES:
                break
            self._unknown[word] = None
        self._parts.append(chunk._replace(losses=[], unknown=[]))  # examples are few, parts may be many

    def close(self) -> None:
        """Write what was taken since the last shard, if anything was."""
        if not self._parts:
            return
        entry = self._write() if self._tokens else None
        statistics = np.concatenate([part.statistics for part in self._parts])
        self._through += len(statistics)
        totals = dict(zip(STATISTICS, statistics.sum(axis=0).tolist(), strict=True))
        documents = int((statistics[:, 0] > 0).sum())
        done = Finished(
            split=self._split,
            through=self._through,
            shard=entry,
            counts=SplitCounts(documents=documents, **totals),
            dropped=dict(sorted(self._dropped.items())),
            unknown_examples=tuple(self._unknown),
        )
        self._clear()
        self._finished(done)

    def _write(self) -> ShardEntry:
        statistics = np.concatenate([part.statistics for part in self._parts])
        counts = statistics[:, 0][statistics[:, 0] > 0]
        names = [name for part in self._parts for name in part.names]
        shard = Shard(
            token_ids=np.concatenate([part.token_ids for part in self._parts]),
            word_starts=np.concatenate([part.word_starts for part in self._parts]),
            sentence_offsets=_offsets(np.concatenate([part.lengths for part in self._parts])),
            document_offsets=_offsets(counts),
            names=[name for name, count in zip(names, statistics[:, 0].tolist(), strict=True) if count],
            file="",
        )
        data: Any = memoryview(shard_bytes(shard))
        file = f"{self._split}-{self._number:05d}.arrow"
        write_file(self._folder / file, data)
        self._number += 1
        return ShardEntry(
            file=file,
            size=data.nbytes,
            sha256=hashlib.sha256(data).hexdigest(),
            documents=len(counts),
            sentences=int(counts.sum()),
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
        statistics=chunk.statistics[first:last],
        names=chunk.names[first:last],
        losses=[
            loss._replace(document=loss.document - first) for loss in chunk.losses if first <= loss.document < last
        ],
        unknown=[(document - first, word) for document, word in chunk.unknown if first <= document < last],
    )


def _offsets(lengths: Array) -> Array:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
