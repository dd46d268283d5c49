"""A corpus in visits: random groups of blocks of neighbouring documents, each read into memory as a split of its own.

So neither memory nor the wait for the first batch grows with the corpus. An epoch takes every block once; which blocks
are together, and in which order the visits come, is drawn anew for each. A small corpus is one visit, itself.
"""

from collections import OrderedDict
from functools import cached_property
from typing import TypeVar

import numpy as np

from maskwright.batch import Integers
from maskwright.corpus.read import Split
from maskwright.draws import generator

Value = TypeVar("Value")

VISIT_TOKENS = 1 << 24
BLOCK_TOKENS = 1 << 18


class Visits:
    """The visits of a split, the same in every process.

    number   how many an epoch has
    """

    def __init__(
        self, split: Split, *, seed: int, visit_tokens: int = VISIT_TOKENS, block_tokens: int = BLOCK_TOKENS
    ) -> None:
        self.split, self.seed = split, seed
        wanted = np.arange(0, max(split.num_tokens, 1), block_tokens)
        self._blocks = np.unique(np.append(split.document_from(wanted), split.num_documents))
        self._parts: OrderedDict[tuple[int, int], Split] = OrderedDict()
        self.number = max(1, min(round(split.num_tokens / visit_tokens), (len(self._blocks) - 1) // 2))

    def part(self, epoch: int, visit: int) -> Split:
        """The documents of a visit of an epoch."""
        if self.number == 1:
            return self.split
        address = epoch, visit
        if address not in self._parts:
            remember(self._parts, address, self._read(epoch, visit))
        return self._parts[address]

    def bounds(self, epoch: int, visit: int) -> Split:
        """The same where no more is wanted than where sentences and documents begin: tokens may be missing."""
        if self.number == 1:
            return self.split
        known = self._parts.get((epoch, visit))
        return self._read(epoch, visit, tokens=False) if known is None else known

    def _read(self, epoch: int, visit: int, *, tokens: bool = True) -> Split:
        mine = self._mine(epoch)[visit]
        return self.split.part(self._blocks[mine], self._blocks[mine + 1], tokens=tokens)

    def sizes(self, epoch: int) -> Integers:
        """(number, 2) tokens and sentences of each visit of an epoch; nothing else of the corpus is read."""
        return np.stack([self._sizes[mine].sum(0) for mine in self._mine(epoch)])

    def _mine(self, epoch: int) -> list[Integers]:
        """The blocks of each visit, the same number for every one, give or take one."""
        shuffled = generator(self.seed, "blocks", epoch).permutation(len(self._blocks) - 1)
        return [np.sort(blocks) for blocks in np.array_split(shuffled, self.number)]

    @cached_property
    def _sizes(self) -> Integers:
        """(blocks, 2) tokens and sentences of each."""
        return np.diff(np.stack(self.split.before(self._blocks), 1), axis=0)


def remember(cache: OrderedDict[tuple[int, int], Value], address: tuple[int, int], value: Value) -> None:
    """Keep the two last ones: a batch may reach over the border."""
    cache[address] = value
    while len(cache) > 2:
        cache.popitem(last=False)
