"""Running text, cut every so many tokens: how GPT and its successors read.

Radford et al. 2018, section 4.1 ("contiguous sequences of 512 tokens") and 2019: documents stand one behind another,
with a token between them, and a sequence may begin and end anywhere in one. Where the first cut falls is drawn for each
epoch, so that a token does not always have the same context.
"""

from typing import NamedTuple

import numpy as np

from maskwright.batch import Integers, Sequences
from maskwright.corpus.read import Split
from maskwright.errors import BadInput


class Stretches(NamedTuple):
    """Sequences, one row each: where they begin in the text of all documents, separators counted, and their lengths."""

    begin: Integers
    length: Integers


class RunningText:
    """Stretches of running text as a layout of a `Stream`. Every token comes once an epoch.

    separator    stands behind each document; None: nothing does
    max_length   tokens of a sequence, separators included; at least 2, of which one is predicted
    """

    name = "running text"

    def __init__(self, *, separator: int | None, max_length: int) -> None:
        if max_length < 2:
            raise BadInput(f"max_length {max_length} leaves nothing to predict: a sequence has 2 tokens or more")
        self.separator, self.max_length = separator, max_length

    def check(self, split: Split) -> None:
        """Any split will do."""

    def plan(self, split: Split, documents: Integers, generator: np.random.Generator) -> Stretches:
        """The sequences of these documents, in order; the first of each run of neighbours is shorter by a drawn cut."""
        borders = self._borders(split)
        apart = np.flatnonzero(np.diff(documents) != 1) + 1
        firsts = documents[np.concatenate([np.zeros(1, np.int64), apart])] if len(documents) else documents
        lasts = documents[np.append(apart, len(documents)) - 1] if len(documents) else documents
        begins, ends = borders[firsts], borders[lasts + 1]
        cut = np.minimum(generator.integers(1, self.max_length + 1, len(begins)), ends - begins)
        counts = 1 + -(-(ends - begins - cut) // self.max_length)
        run = np.repeat(np.arange(len(begins)), counts)
        place = np.arange(len(run)) - (np.cumsum(counts) - counts)[run]
        begin = np.where(place == 0, begins[run], begins[run] + cut[run] + (place - 1) * self.max_length)
        length = np.where(place == 0, cut[run], np.minimum(self.max_length, ends[run] - begin))
        return Stretches(begin[length > 0], length[length > 0])

    def lengths(self, plan: Stretches, split: Split) -> Integers:
        """(n,) tokens of each, separators included."""
        del split
        return plan.length

    def lay_out(self, split: Split, plan: Stretches) -> Sequences:
        """The stretches, side by side."""
        ends = self._borders(split)[1:]  # behind the separators
        first, behind = (np.searchsorted(ends, at, side="right") for at in (plan.begin, plan.begin + plan.length))
        cu_seqlens = np.concatenate([np.zeros(1, np.int64), np.cumsum(plan.length)])
        special = np.zeros(cu_seqlens[-1], np.bool_)
        if self.separator is None:
            start, tokens = plan.begin, plan.length
        else:
            inside = behind - first
            of = np.repeat(np.arange(len(inside)), inside)
            number = first[of] + np.arange(len(of)) - (np.cumsum(inside) - inside)[of]
            special[cu_seqlens[of] + ends[number] - 1 - plan.begin[of]] = True
            start, tokens = plan.begin - first, plan.length - inside
        token_ids = np.full(len(special), -1 if self.separator is None else self.separator, np.int64)
        token_ids[~special] = split.gather(start, tokens)[0]
        return Sequences(
            token_ids=token_ids,
            token_type_ids=np.zeros(len(special), np.int64),
            cu_seqlens=cu_seqlens,
            special=special,
        )

    def _borders(self, split: Split) -> Integers:
        """(documents + 1,) where each document begins in the text of all, separators counted; and the end."""
        borders = split.document_starts
        return borders if self.separator is None else borders + np.arange(len(borders))
