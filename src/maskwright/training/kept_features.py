"""What a frozen encoder makes of examples, computed once: it is the same in every epoch.

It is computed for all of them at the first need, in an order of its own and not as batches come: the last bits of a
sequence's vectors depend on what is computed beside it, and a run that goes on from a checkpoint must find the same.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from maskwright.batch import Integers
from maskwright.training.finetuning import Finetuning
from maskwright.training.labelled_sequences import LabelledSequences, stretches

MOST = 2 * 2**30
"""Bytes of features that are kept of one split; where there are more, all are computed anew each time."""
TOKENS_AT_ONCE = 4096
Given = ParamSpec("Given")
Batches = TypeVar("Batches")


class KeptFeatures:
    """The features of some examples: after `ready` their batches bring them along."""

    def __init__(self, network: Finetuning, sequences: LabelledSequences, most: int = MOST) -> None:
        """most   bytes"""
        self.network, self.sequences, self.most = network, sequences, most
        # of a sequence without a token some heads read a neighbour's row, and neighbours change from batch to batch
        self._wanted = network.features.frozen and bool((np.diff(sequences.cu_seqlens) > 0).all())

    def before(self, give: Callable[Given, Batches]) -> Callable[Given, Batches]:
        """What gives batches, made ready first."""

        def ready_first(*given: Given.args, **named: Given.kwargs) -> Batches:
            self.ready()
            return give(*given, **named)

        return ready_first

    @torch.no_grad()
    def ready(self) -> None:
        """Compute them, the first time. Nothing where the encoder learns, and where they would take too much."""
        if not self._wanted:
            return
        self._wanted = False
        bounds = self._bounds()
        first = self._read(np.zeros(1, np.int64)) if len(self.sequences) else torch.zeros(0, 0)
        if int(bounds[-1]) * first.shape[1] * first.element_size() > self.most:
            return
        found = first.new_empty(int(bounds[-1]), first.shape[1])
        for which, _ in self.sequences.in_order(TOKENS_AT_ONCE):
            _, places = stretches(bounds, self.sequences.sequences_of(which))
            found[torch.from_numpy(places)] = self._read(which)
        self.sequences.bring_along(found, bounds)

    def _bounds(self) -> Integers:
        """(N+1,) where each sequence's rows will lie."""
        counts = np.zeros(len(self.sequences.cu_seqlens) - 1, np.int64)
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            counts[self.sequences.sequences_of(which)] = self.network.rows_read(batch).numpy()
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def _read(self, which: Integers) -> Tensor:
        return self.network.read(self.sequences.batch(which).to(self.network.device)).cpu()
